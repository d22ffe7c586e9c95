use crate::kernels::Isa;
use crate::kernels::test_support::{Failures, Guarded, Random, to_f64};
use crate::reference;
use cnn_ir::Optimizer;

fn all() -> Vec<Optimizer> {
    let mut all = Vec::new();
    for momentum in [0.0, 0.9] {
        all.push(Optimizer::RmsProp {
            learning_rate: 1e-3,
            rho: 0.9,
            momentum,
            epsilon: 1e-7,
        });
        for nesterov in [false, true] {
            all.push(Optimizer::Sgd {
                learning_rate: 0.01,
                momentum,
                nesterov,
            });
        }
    }
    all.push(Optimizer::Adam {
        learning_rate: 1e-3,
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-7,
    });
    all
}

#[test]
fn the_most_slots_are_those_of_some_optimizer() {
    let most = all().iter().map(super::slots).max();
    assert_eq!(most, Some(super::MAX_SLOTS));
}

#[test]
fn twenty_steps_match_the_reference() {
    let mut failures = Failures::default();
    for isa in Isa::available() {
        let mut random = Random::new(1);
        for optimizer in all() {
            for length in [1, 7, 33] {
                let start = random.floats(length);
                let mut parameters = Guarded::holding(&start);
                let mut slots: Vec<_> = (0..super::slots(&optimizer))
                    .map(|_| Guarded::holding(&vec![0.0; length]))
                    .collect();
                let mut expected = to_f64(&start);
                let mut expected_slots = vec![vec![0.0; length]; super::slots(&optimizer)];
                for iteration in 1..=20 {
                    let gradients = random.floats(length);
                    let mut views: Vec<&mut [f32]> =
                        slots.iter_mut().map(|slot| slot.values()).collect();
                    let parameters = parameters.values();
                    super::update(
                        &optimizer, isa, iteration, parameters, &gradients, &mut views,
                    );
                    reference::optimizer::update(
                        &optimizer,
                        iteration,
                        &mut expected,
                        &to_f64(&gradients),
                        &mut expected_slots,
                    );
                }
                let case = || format!("{optimizer:?}, {length} parameters, {}", isa.name());
                failures.compare(case, &parameters.into_values(), &expected, 1e-6);
                for (slot, expected) in slots.into_iter().zip(&expected_slots) {
                    failures.compare(case, &slot.into_values(), expected, 1e-6);
                }
            }
        }
    }
    failures.report();
}

#[test]
fn pieces_and_instruction_sets_give_the_same_bits() {
    for optimizer in all() {
        let mut random = Random::new(2);
        let (start, gradients) = (random.floats(50), random.floats(50));
        let run = |isa: Isa, cut: usize| {
            let mut parameters = start.clone();
            let mut slots = vec![vec![0.0; 50]; super::slots(&optimizer)];
            for iteration in 1..=3 {
                for range in [0..cut, cut..50] {
                    let mut views: Vec<&mut [f32]> = slots
                        .iter_mut()
                        .map(|slot| &mut slot[range.clone()])
                        .collect();
                    let (w, g) = (&mut parameters[range.clone()], &gradients[range.clone()]);
                    super::update(&optimizer, isa, iteration, w, g, &mut views);
                }
            }
            parameters
        };
        let whole = run(Isa::PORTABLE, 0);
        assert_ne!(whole, start);
        for isa in Isa::available() {
            assert_eq!(run(isa, 17), whole, "{optimizer:?}, {}", isa.name());
        }
    }
}

#[test]
fn a_nan_gradient_shows() {
    for optimizer in all() {
        let mut slots = vec![vec![0.0; 2]; super::slots(&optimizer)];
        let mut views: Vec<&mut [f32]> = slots.iter_mut().map(|slot| &mut slot[..]).collect();
        let mut parameters = [1.0, 1.0];
        super::update(
            &optimizer,
            Isa::detect(),
            1,
            &mut parameters,
            &[f32::NAN, 0.0],
            &mut views,
        );
        assert!(
            parameters[0].is_nan() && parameters[1] == 1.0,
            "{optimizer:?}: {parameters:?}"
        );
    }
}
