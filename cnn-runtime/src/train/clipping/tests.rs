use super::*;
use crate::kernels::test_support::Random;

/// Two tensors, of which the first is longer than a piece.
const LENGTHS: [usize; 2] = [PIECE + 13, 7];

fn clipping(isa: Isa, threads: usize, clip: Kind) -> Clipping {
    let [first, second] = LENGTHS;
    Clipping {
        isa,
        threads,
        clip,
        tensors: vec![
            vec![0..PIECE, PIECE..first],
            // Three frozen values lie between.
            std::iter::once(first + 3..first + 3 + second).collect(),
        ],
    }
}

/// The gradients, with zeros where they are frozen.
fn gradients(scale: f32) -> Vec<f32> {
    let [first, second] = LENGTHS;
    let mut random = Random::new(1);
    let mut values = random.floats(first + 3 + second);
    values[first..first + 3].fill(0.0);
    values.iter().map(|value| value * scale).collect()
}

fn norm(values: &[f32]) -> f64 {
    let squares = values.iter().map(|value| f64::from(*value).powi(2));
    squares.sum::<f64>().sqrt()
}

/// `clip_by_norm` of Keras 3: `values * most / max(norm, most)`.
fn clipped(values: &[f32], most: f64, norm: f64) -> Vec<f64> {
    let values = values.iter().map(|value| f64::from(*value));
    values.map(|value| value * most / norm.max(most)).collect()
}

#[test]
fn gradients_are_clipped_as_by_keras() {
    let first = LENGTHS[0];
    let mut wrong = Vec::new();
    for scale in [1e-3, 1.0, 1e30] {
        let before = gradients(scale);
        let (a, b) = before.split_at(first);
        let most = 0.5;
        let values = before.iter();
        let values = values.map(|value| f64::from(*value).clamp(-most, most));
        let cases = [
            (Kind::Value(0.5), values.collect::<Vec<_>>()),
            (
                Kind::Norm(most),
                [clipped(a, most, norm(a)), clipped(b, most, norm(b))].concat(),
            ),
            (
                Kind::GlobalNorm(most),
                clipped(&before, most, norm(&before)),
            ),
        ];
        for (index, (clip, expected)) in cases.into_iter().enumerate() {
            let clipping = clipping(Isa::detect(), 1, clip);
            let mut after = before.clone();
            clipping.apply(&mut after);
            let largest = after
                .iter()
                .fold(0.0_f32, |most, value| most.max(value.abs()));
            let deviation = (after.iter().zip(&expected))
                .map(|(found, expected)| (f64::from(*found) - expected).abs())
                .fold(0.0, f64::max);
            if deviation > 1e-6 || largest > clipping.largest() {
                wrong.push((scale, index, deviation, largest));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn threads_and_instruction_sets_give_the_same_bits() {
    let kinds: [fn() -> Kind; 3] = [
        || Kind::Value(0.5),
        || Kind::Norm(0.5),
        || Kind::GlobalNorm(0.5),
    ];
    for (index, kind) in kinds.into_iter().enumerate() {
        let run = |isa, threads| {
            let mut values = gradients(1.0);
            clipping(isa, threads, kind()).apply(&mut values);
            values
        };
        let expected = run(Isa::PORTABLE, 1);
        for isa in Isa::available() {
            for threads in [1, 4] {
                assert_eq!(
                    run(isa, threads),
                    expected,
                    "{index}, {}, {threads}",
                    isa.name()
                );
            }
        }
    }
}
