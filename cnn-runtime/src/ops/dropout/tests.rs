use crate::kernels::Isa;
use crate::kernels::test_support::{Guarded, Random};
use crate::ops::{Backward, Execute, Forward, Run};
use crate::reference;
use cnn_ir::operation::Dropout;

fn mask(rate: f32, seed: u64, length: usize) -> Vec<f32> {
    let mut mask = Guarded::new(length);
    super::mask(rate, Isa::PORTABLE, seed, 0, mask.values());
    mask.into_values()
}

#[test]
fn passes_follow_the_mask() {
    let mut random = Random::new(1);
    for rate in [0.0, 0.25, 0.5, 0.9] {
        let (x, dy) = (random.floats(33), random.floats(33));
        for isa in Isa::available() {
            let dropout = Dropout {
                rate,
                stream: 2,
                input: [1, 1, 11],
                output: [1, 1, 11],
            };
            let run = Run {
                isa,
                examples: 3,
                first: 0,
                seed: 5,
                threads: 1,
            };
            let [mut y, mut mask, mut dx] = [33; 3].map(Guarded::new);
            dropout.forward(Forward {
                run,
                inputs: &[&x],
                tensors: &[],
                packed: &[],
                output: y.values(),
                saved: mask.values(),
                argmax: &mut [],
                scratch: &mut [],
            });
            let mask = mask.into_values();
            dropout.backward(Backward {
                run,
                inputs: &[],
                tensors: &[],
                packed: &[],
                output: &[],
                saved: &mask,
                argmax: &[],
                gradient: &mut dy.clone(),
                tensor_gradients: &mut [],
                input_gradients: &mut [dx.values()],
                scratch: &mut [],
            });
            assert_eq!(y.into_values(), reference::dropout::forward(&x, &mask));
            assert_eq!(dx.into_values(), reference::dropout::forward(&dy, &mask));
            assert!(mask.iter().all(|m| *m == 0.0 || *m == 1.0 / (1.0 - rate)));
            assert_eq!(mask, self::mask(rate, 7, 33), "the stream shifts the seed");
        }
    }
}

#[test]
fn rate_zero_is_the_identity() {
    assert_eq!(mask(0.0, 3, 1000), [1.0; 1000]);
}

#[test]
fn the_share_of_zeros_is_the_rate() {
    for rate in [0.1, 0.5, 0.9] {
        for seed in 0..4 {
            const LENGTH: usize = 40_000;
            let zeros = mask(rate, seed, LENGTH)
                .iter()
                .filter(|m| **m == 0.0)
                .count();
            let share = zeros as f32 / LENGTH as f32;
            // Five standard deviations.
            let bound = 5.0 * (rate * (1.0 - rate) / LENGTH as f32).sqrt();
            assert!(
                (share - rate).abs() < bound,
                "rate {rate}, seed {seed}: {share}"
            );
        }
    }
}

/// Masks of different seeds, also shifted against each other, must agree in as many places
/// as chance says.
#[test]
fn seeds_are_independent() {
    const LENGTH: usize = 10_000;
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    let first = mask(0.5, 7, LENGTH);
    assert_eq!(
        first,
        mask(0.5, 7, LENGTH),
        "the same seed gives the same mask"
    );
    for seed in [
        8,
        7 + (1 << 32),
        7 + (1 << 63),
        GAMMA + 7,
        GAMMA.wrapping_mul(2) + 7,
    ] {
        let other = mask(0.5, seed, LENGTH);
        for shift in 0..4 {
            for (a, b) in [(&first[shift..], &other[..]), (&first[..], &other[shift..])] {
                let equal = a.iter().zip(b).filter(|(a, b)| a == b).count();
                let share = equal as f64 / (LENGTH - shift) as f64;
                assert!(
                    (share - 0.5).abs() < 0.025,
                    "seed {seed}, shift {shift}: {share}"
                );
            }
        }
    }
}

#[test]
fn pieces_and_instruction_sets_give_the_same_mask() {
    let whole = mask(0.5, 3, 100);
    for isa in Isa::available() {
        for cut in [0, 1, 37] {
            let mut pieces = vec![f32::NAN; 100];
            for (first, end) in [(0, cut), (cut, 100)] {
                super::mask(0.5, isa, 3, first, &mut pieces[first..end]);
            }
            assert_eq!(pieces, whole, "{}, cut at {cut}", isa.name());
        }
    }
}

#[test]
#[should_panic(expected = "a rate in 0.0..1.0")]
fn rate_one_is_refused() {
    mask(1.0, 0, 1);
}
