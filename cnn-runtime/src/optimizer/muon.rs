//! Muon (Jordan et al. 2024): the momentum of a matrix, made nearly orthogonal; AdamW for all that is no matrix.
//!
//! ```text
//! gradient ──▶ momentum ──▶ divided by its norm ──▶ Newton–Schulz: X ← a X + (b A + c A²) X, A = X Xᵀ ──▶ update
//! ```
//!
//! Five such steps bring all singular values of a matrix near 1, between about 0.7 and 1.2, without a decomposition. The
//! coefficients are those of <https://kellerjordan.github.io/posts/muon/>. With `rms_rate`, the update is multiplied by
//! `rms_rate * sqrt(max(rows, columns))`, so that its size is that of Adam's (Liu et al. 2025,
//! <https://arxiv.org/abs/2502.16982>).
//!
//! A matrix is updated as a whole by one thread, so the bits do not depend on their number.

use super::adam::Adam;
use super::{Bounds, Rule, Step, single};
use crate::kernels::matmul::{Matrix, MatrixMut, gemm};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct Muon {
    pub(super) adam_beta_1: f64,
    pub(super) adam_beta_2: f64,
    pub(super) adam_weight_decay: f64,
    pub(super) epsilon: f64,
    pub(super) muon_a: f64,
    pub(super) muon_b: f64,
    pub(super) muon_c: f64,
    pub(super) adam_lr_ratio: f64,
    pub(super) momentum: f64,
    pub(super) ns_steps: u64,
    pub(super) nesterov: bool,
    pub(super) rms_rate: f64,
    pub(super) flatten_kernels: bool,
}

impl Muon {
    /// What is no matrix is updated by.
    fn adam(self) -> Adam {
        Adam {
            beta_1: self.adam_beta_1,
            beta_2: self.adam_beta_2,
            epsilon: self.epsilon,
            amsgrad: false,
        }
    }

    /// What the nearly orthogonal matrix is multiplied by.
    fn rate(self, step: Step, [rows, columns]: [usize; 2]) -> f64 {
        let size = match self.rms_rate == 0.0 {
            true => 1.0,
            false => self.rms_rate * (rows.max(columns) as f64).sqrt(),
        };
        step.learning_rate * size
    }

    /// `a`, `b`, `c`.
    fn coefficients(self) -> [f64; 3] {
        [self.muon_a, self.muon_b, self.muon_c]
    }

    /// No singular value is larger after an update, from a matrix with the norm 1.
    fn largest_singular_value(self) -> f64 {
        /// For rounding in single precision.
        const SLACK: f64 = 1.01;
        let [a, b, c] = self.coefficients();
        let value = |s: f64| (a * s + b * s.powi(3) + c * s.powi(5)).abs();
        // Where the slope `a + 3 b s² + 5 c s⁴` is 0.
        let root = (9.0 * b * b - 20.0 * a * c).sqrt();
        let squares = match c == 0.0 {
            true => [-a / (3.0 * b); 2],
            false => [-1.0, 1.0].map(|sign| (-3.0 * b + sign * root) / (10.0 * c)),
        };
        let mut largest = SLACK;
        for _ in 0..self.ns_steps {
            let extremes = squares.map(f64::sqrt);
            let within = extremes.into_iter().filter(|s| *s <= largest);
            let most = within.map(value).fold(value(largest), f64::max);
            largest = SLACK * most;
        }
        largest
    }
}

impl Rule for Muon {
    fn slots(self) -> &'static [&'static str] {
        &["momentum", "velocity"]
    }

    fn takes_matrices(self, is_flattened: bool) -> bool {
        self.flatten_kernels || !is_flattened
    }

    fn weight_decay(self, weight_decay: f64, is_matrix: bool) -> f64 {
        match is_matrix {
            true => weight_decay,
            false => self.adam_weight_decay,
        }
    }

    #[inline(always)]
    fn update(
        self,
        step: Step,
        parameters: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let Some(shape) = step.matrix else {
            let step = step.times(self.adam_lr_ratio);
            return self.adam().update(step, parameters, gradients, slots);
        };
        let momentum = self.momentum as f32;
        let mut update = gradients.to_vec();
        for ((update, sum), g) in update.iter_mut().zip(slots[0].iter_mut()).zip(gradients) {
            *sum += g + *sum * (momentum - 1.0);
            *update = match self.nesterov {
                true => g + momentum * *sum,
                false => *sum,
            };
        }
        orthogonalize(self.coefficients(), self.ns_steps, shape, &mut update);
        let rate = self.rate(step, shape) as f32;
        for (w, update) in parameters.iter_mut().zip(&update) {
            *w -= rate * update;
        }
    }

    /// Of both kinds of updates: singular values of a matrix are not below any of its values.
    fn bounds(self, step: Step, before: Bounds, gradient: f64) -> Bounds {
        let adam = step.times(self.adam_lr_ratio);
        let adam = self.adam().bounds(adam, before, gradient);
        // More values than fit into memory.
        let size = self
            .rate(step, [1 << (usize::BITS - 2), 1])
            .max(step.learning_rate);
        let [momentum, ..] = before.slots;
        let momentum = single(self.momentum) * momentum + gradient;
        Bounds {
            parameters: (before.parameters + size * self.largest_singular_value())
                .max(adam.parameters),
            slots: [adam.slots[0].max(momentum), adam.slots[1], 0.0],
        }
    }

    /// Of what is no matrix.
    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, step: Step, parameter: T, g: T, slots: &mut [T]) -> T {
        let step = step.times(self.adam_lr_ratio);
        self.adam().twin(step, parameter, g, slots)
    }
}

/// Makes a row-major matrix of this shape nearly orthogonal, by so many steps of Newton and Schulz.
fn orthogonalize([a, b, c]: [f64; 3], steps: u64, shape: [usize; 2], x: &mut [f32]) {
    let norm: f64 = x.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    let scale = (1.0 / (norm.sqrt() + 1e-7)) as f32;
    x.iter_mut().for_each(|x| *x *= scale);
    let [rows, columns] = shape;
    let short = rows.min(columns);
    let mut squares = vec![0.0; short * short];
    let mut polynomial = vec![0.0; short * short];
    let mut before = vec![0.0; x.len()];
    for _ in 0..steps {
        before.copy_from_slice(x);
        let x_before = wide(&before, shape);
        let into = MatrixMut::new(&mut squares, short, short);
        gemm(1.0, x_before, x_before.transposed(), 0.0, into);
        polynomial.copy_from_slice(&squares);
        let square = Matrix::new(&squares, short, short);
        let into = MatrixMut::new(&mut polynomial, short, short);
        gemm(c as f32, square, square, b as f32, into);
        let polynomial = Matrix::new(&polynomial, short, short);
        let into = match rows > columns {
            true => MatrixMut::with_strides(x, [columns, rows], [1, columns]),
            false => MatrixMut::new(x, rows, columns),
        };
        gemm(1.0, polynomial, x_before, a as f32, into);
    }
}

/// A row-major matrix of this shape, transposed if it has more rows than columns.
fn wide(data: &[f32], [rows, columns]: [usize; 2]) -> Matrix<'_> {
    let matrix = Matrix::new(data, rows, columns);
    match rows > columns {
        true => matrix.transposed(),
        false => matrix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use crate::kernels::test_support::{Random, to_f64};
    use cnn_ir::{Optimizer, UpdateRule};

    /// In double precision, value by value.
    fn twin([a, b, c]: [f64; 3], steps: u64, [rows, columns]: [usize; 2], x: &[f64]) -> Vec<f64> {
        let transposed = |x: &[f64], [rows, columns]: [usize; 2]| -> Vec<f64> {
            let places = (0..columns).flat_map(|j| (0..rows).map(move |i| i * columns + j));
            places.map(|place| x[place]).collect()
        };
        if rows > columns {
            let x = transposed(x, [rows, columns]);
            let x = twin([a, b, c], steps, [columns, rows], &x);
            return transposed(&x, [columns, rows]);
        }
        let product = |a: &[f64], b: &[f64], [m, k, n]: [usize; 3]| -> Vec<f64> {
            let value = |i: usize, j: usize| (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum();
            let places = (0..m).flat_map(|i| (0..n).map(move |j| (i, j)));
            places.map(|(i, j)| value(i, j)).collect()
        };
        let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt() + 1e-7;
        let mut x: Vec<f64> = x.iter().map(|x| x / norm).collect();
        for _ in 0..steps {
            let other = transposed(&x, [rows, columns]);
            let squares = product(&x, &other, [rows, columns, rows]);
            let fourth = product(&squares, &squares, [rows; 3]);
            let polynomial: Vec<f64> = (squares.iter().zip(&fourth))
                .map(|(square, fourth)| b * square + c * fourth)
                .collect();
            let added = product(&polynomial, &x, [rows, rows, columns]);
            x = x
                .iter()
                .zip(&added)
                .map(|(x, added)| a * x + added)
                .collect();
        }
        x
    }

    const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];

    #[test]
    fn the_twin_agrees_over_odd_shapes() {
        let mut random = Random::new(1);
        let mut wrong = Vec::new();
        for shape in [
            [1, 1],
            [1, 5],
            [7, 1],
            [3, 3],
            [5, 9],
            [17, 4],
            [33, 40],
            [70, 33],
        ] {
            for steps in [1, 2, 5] {
                let values = random.floats(shape[0] * shape[1]);
                let mut found = values.clone();
                orthogonalize(COEFFICIENTS, steps, shape, &mut found);
                let expected = twin(COEFFICIENTS, steps, shape, &to_f64(&values));
                let pairs = found.iter().zip(&expected);
                let off = pairs.map(|(a, b)| (f64::from(*a) - b).abs());
                let off = off.fold(0.0, f64::max);
                if off.is_nan() || off > 2e-5 {
                    wrong.push((shape, steps, off));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    /// The bound holds of a single value, whose matrix is itself; and of what Jordan chose, it is near 1.
    #[test]
    fn singular_values_are_bounded() {
        let rule = |a, b, c, ns_steps| {
            let UpdateRule::Muon { momentum, .. } = UpdateRule::muon() else {
                panic!("muon");
            };
            Muon {
                adam_beta_1: 0.9,
                adam_beta_2: 0.999,
                adam_weight_decay: 0.0,
                epsilon: 1e-7,
                muon_a: a,
                muon_b: b,
                muon_c: c,
                adam_lr_ratio: 1.0,
                momentum,
                ns_steps,
                nesterov: true,
                rms_rate: 0.2,
                flatten_kernels: false,
            }
        };
        let [a, b, c] = COEFFICIENTS;
        let usual = rule(a, b, c, 5).largest_singular_value();
        assert!((1.0..1.5).contains(&usual), "{usual}");
        for (a, b, c) in [
            (a, b, c),
            (1.5, -0.5, 0.0),
            (2.0, -1.5, 0.5),
            (0.1, 3.0, -2.0),
            (1.0, 0.0, 0.0),
        ] {
            for steps in 1..4 {
                let bound = rule(a, b, c, steps).largest_singular_value();
                for start in 0..=100 {
                    let mut s = f64::from(start) / 100.0;
                    for _ in 0..steps {
                        s = a * s + b * s.powi(3) + c * s.powi(5);
                    }
                    assert!(s.abs() <= bound, "{a} {b} {c}, {steps} steps: {s}, {bound}");
                }
            }
        }
    }

    /// Values of Keras 3.15, from `tests/fixtures/muon.py`: three steps of a matrix, and of a vector.
    #[test]
    fn three_steps_are_those_of_keras() {
        let mut wrong = Vec::new();
        let mut count = 0;
        for line in include_str!("muon.txt").lines() {
            if line.starts_with('#') {
                continue;
            }
            let [shape, nesterov, rms_rate, start, gradients, expected] =
                line.split(';').collect::<Vec<_>>()[..]
            else {
                panic!("six fields: {line}");
            };
            let numbers = |text: &str| -> Vec<f32> {
                let words = text.split_whitespace();
                words.map(|word| word.parse().expect("a number")).collect()
            };
            let shape: Vec<usize> = (shape.split_whitespace())
                .map(|word| word.parse().expect("a size"))
                .collect();
            let rule = match UpdateRule::muon() {
                UpdateRule::Muon {
                    adam_beta_1,
                    adam_beta_2,
                    adam_weight_decay: _,
                    epsilon,
                    muon_a,
                    muon_b,
                    muon_c,
                    adam_lr_ratio: _,
                    momentum,
                    ns_steps,
                    ..
                } => UpdateRule::Muon {
                    adam_beta_1,
                    adam_beta_2,
                    adam_weight_decay: 0.02,
                    epsilon,
                    muon_a,
                    muon_b,
                    muon_c,
                    adam_lr_ratio: 0.5,
                    momentum,
                    ns_steps,
                    nesterov: nesterov == "1",
                    rms_rate: rms_rate.parse().expect("a number"),
                    flatten_kernels: false,
                },
                other => panic!("{other:?}"),
            };
            let optimizer = Optimizer::from(rule)
                .with_learning_rate(0.1)
                .with_weight_decay(0.01);
            let mut parameters = numbers(start);
            let (gradients, expected) = (numbers(gradients), numbers(expected));
            let length = parameters.len();
            let mut slots = [vec![0.0; length], vec![0.0; length]];
            let steps = gradients.chunks(length).zip(expected.chunks(length));
            for (iteration, (gradients, expected)) in (1..).zip(steps) {
                let step = Step {
                    matrix: <[usize; 2]>::try_from(&shape[..]).ok(),
                    ..Step::new(&optimizer, iteration)
                };
                let step = step.decaying(&optimizer);
                let mut views: Vec<&mut [f32]> =
                    slots.iter_mut().map(|slot| &mut slot[..]).collect();
                let isa = Isa::detect();
                super::super::update(&rule, isa, step, &mut parameters, gradients, &mut views);
                let pairs = parameters.iter().zip(expected);
                let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                if off.is_nan() || off > 2e-6 {
                    wrong.push((shape.clone(), nesterov, iteration, off));
                }
                count += 1;
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(count >= 12, "{count}");
    }
}
