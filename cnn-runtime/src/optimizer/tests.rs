use super::{Bounds, bounds};
use crate::kernels::Isa;
use crate::kernels::test_support::{Failures, Guarded, Random, to_f64};
use crate::reference;
use cnn_ir::Optimizer;
use cnn_ir::vocabulary::{Kind, Range, Setting};

/// Every optimizer with its defaults, with momentum where it has some, and with its switches on.
fn all() -> Vec<Optimizer> {
    let mut all = Vec::new();
    for word in Optimizer::WORDS {
        for momentum in [0.0, 0.9] {
            for on in [false, true] {
                let mut settings = [Setting::Switch(false); cnn_ir::vocabulary::MOST];
                for (setting, parameter) in settings.iter_mut().zip(word.parameters) {
                    *setting = match (parameter.name, parameter.kind.default(false)) {
                        ("momentum", _) => Setting::Number(momentum),
                        (_, Some(Setting::Switch(_))) => Setting::Switch(on),
                        (_, default) => default.expect("a default"),
                    };
                }
                let optimizer = (word.make)(&settings);
                if !all.contains(&optimizer) {
                    all.push(optimizer);
                }
            }
        }
    }
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

/// An optimizer whose hyperparameters are anything that a trainer takes.
fn any(random: &mut Random) -> Optimizer {
    let word = &Optimizer::WORDS[random.below(Optimizer::WORDS.len())];
    let mut settings = [Setting::Switch(false); cnn_ir::vocabulary::MOST];
    for (setting, parameter) in settings.iter_mut().zip(word.parameters) {
        *setting = match parameter.kind {
            Kind::Switch { .. } => Setting::Switch(random.bits().is_multiple_of(2)),
            Kind::Number { range, default, .. } => Setting::Number(match range {
                Range::Fraction => random.pick(&[0.0, 0.5, 0.9, 0.999_999]),
                Range::Positive | Range::NonNegative | Range::Any => match random.below(3) {
                    0 => default,
                    _ => f64::from(magnitude(random, -45.0, 38.0)).max(1e-45),
                },
            }),
            Kind::OneOf { .. } | Kind::Other(_) => unreachable!("numbers and switches"),
        };
    }
    (word.make)(&settings)
}

/// A power of ten.
fn magnitude(random: &mut Random, least: f64, most: f64) -> f32 {
    let share = f64::from(random.value()) * 0.5 + 0.5;
    10_f64.powf(least + share * (most - least)) as f32
}

/// What a rule claims of the results of an update holds, from any state that updates lead to.
#[test]
fn bounds_hold_for_any_magnitudes() {
    let mut wrong = Vec::new();
    let (mut finite, mut overflown) = (0, 0);
    let largest_of = |values: &[f32]| values.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    for isa in Isa::available() {
        let mut random = Random::new(3);
        for _ in 0..20_000 {
            let optimizer = any(&mut random);
            let largest: [f32; 3] = std::array::from_fn(|_| match random.below(4) {
                0 => 0.0,
                1 => magnitude(&mut random, -3.0, 3.0),
                _ => magnitude(&mut random, -45.0, 38.0),
            });
            let mut values = |largest: f32| -> Vec<f32> {
                let factors = [1.0, -1.0, 0.0, random.value()];
                (0..9).map(|_| largest * random.pick(&factors)).collect()
            };
            let [mut parameters, first, second] = largest.map(&mut values);
            let mut slots = vec![vec![0.0; 9]; super::slots(&optimizer)];
            let mut update = |iteration: u64, parameters: &mut [f32], gradients: &[f32]| {
                let mut views: Vec<&mut [f32]> =
                    slots.iter_mut().map(|slot| &mut slot[..]).collect();
                super::update(
                    &optimizer, isa, iteration, parameters, gradients, &mut views,
                );
                let mut most = [0.0; super::MAX_SLOTS];
                for (most, slot) in most.iter_mut().zip(&slots) {
                    *most = f64::from(largest_of(slot));
                }
                most
            };
            // Slots that a step has left, of parameters that are set anew.
            let before = Bounds {
                slots: update(1, &mut parameters.clone(), &first),
                parameters: largest_of(&parameters).into(),
            };
            let gradient = largest_of(&second);
            let bounds = bounds(&optimizer, before, gradient.into());
            let limits = [bounds.parameters].into_iter().chain(bounds.slots);
            if !limits
                .clone()
                .all(|limit| limit < f64::from(f32::MAX) / 2.0)
            {
                overflown += 1;
                continue;
            }
            finite += 1;
            let iteration = random.pick(&[2, 3, 1000, 1_000_000_000]);
            let slots = update(iteration, &mut parameters, &second);
            let after = [f64::from(largest_of(&parameters))]
                .into_iter()
                .chain(slots);
            // A subnormal number, rounded and divided by `epsilon`, is off by 1 at most: nothing beside
            // what overflows.
            let holds = after
                .clone()
                .zip(limits)
                .all(|(most, limit)| most.is_finite() && most <= limit * (1.0 + 1e-5) + 1.0);
            let is_finite = parameters.iter().all(|value| value.is_finite());
            if !holds || !is_finite {
                let after: Vec<_> = after.collect();
                wrong.push(format!(
                    "{optimizer:?}, {before:?}, {gradient}: {after:?}, {bounds:?}"
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong: {:#?}",
        wrong.len(),
        &wrong[..3.min(wrong.len())]
    );
    assert!(finite > 1000 && overflown > 1000, "{finite} {overflown}");
}
