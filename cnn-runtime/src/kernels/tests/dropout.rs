use super::support::{Guarded, Random};
use crate::kernels::{Dropout, Isa};
use crate::reference;

fn mask(rate: f32, seed: u64, length: usize) -> Vec<f32> {
    let mut mask = Guarded::new(length);
    let mut y = vec![f32::NAN; length];
    let ones = vec![1.0; length];
    Dropout { rate }.forward(Isa::PORTABLE, seed, 0, &ones, &mut y, mask.values());
    mask.into_values()
}

#[test]
fn passes_follow_the_mask() {
    let mut random = Random::new(1);
    for rate in [0.0, 0.25, 0.5, 0.9] {
        let (x, dy) = (random.floats(33), random.floats(33));
        for isa in Isa::available() {
            let [mut y, mut mask, mut dx] = [33; 3].map(Guarded::new);
            Dropout { rate }.forward(isa, 5, 0, &x, y.values(), mask.values());
            let mask = mask.into_values();
            Dropout { rate }.backward(&mask, &dy, dx.values());
            assert_eq!(y.into_values(), reference::dropout::forward(&x, &mask));
            assert_eq!(dx.into_values(), reference::dropout::forward(&dy, &mask));
            assert!(mask.iter().all(|m| *m == 0.0 || *m == 1.0 / (1.0 - rate)));
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
            let [mut y, mut pieces] = [vec![f32::NAN; 100], vec![f32::NAN; 100]];
            for (first, end) in [(0, cut), (cut, 100)] {
                let x = vec![1.0; end - first];
                let (y, mask) = (&mut y[first..end], &mut pieces[first..end]);
                Dropout { rate: 0.5 }.forward(isa, 3, first, &x, y, mask);
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
