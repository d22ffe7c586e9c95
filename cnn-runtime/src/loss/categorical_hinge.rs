//! `max(1 + max((1 - t) * y) - sum(t * y), 0)` over the classes, as the mean over the positions of an output: the score
//! of the right class should be the largest by 1. A position without a label has no loss.

use super::{Function, sum};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct CategoricalHinge {
    /// The scores of a position.
    pub(super) classes: usize,
}

/// How much the largest score of another class exceeds that of the right class less 1, and the place of that class;
/// 0 without a label.
#[inline(always)]
fn margin(y: &[f32], t: &[f32]) -> (f32, usize) {
    let (mut largest, mut place, mut has_label) = (f32::NEG_INFINITY, 0, false);
    for (index, (y, t)) in y.iter().zip(t).enumerate() {
        has_label |= *t > 0.0;
        let other = (1.0 - t) * y;
        if other > largest {
            (largest, place) = (other, index);
        }
    }
    let right = sum(y, t, |y, t| t * y) as f32;
    let margin = 1.0 + largest - right;
    // NaN passes both.
    let margin = if margin < 0.0 { 0.0 } else { margin };
    (if has_label { margin } else { 0.0 * right }, place)
}

impl Function for CategoricalHinge {
    #[inline(always)]
    fn forward(self, units: usize, output: &mut [f32], target: &[f32], losses: &mut [f32]) {
        let positions = (units / self.classes) as f64;
        let examples = output.chunks_exact(units).zip(target.chunks_exact(units));
        for (loss, (y, t)) in losses.iter_mut().zip(examples) {
            let rows = y
                .chunks_exact(self.classes)
                .zip(t.chunks_exact(self.classes));
            let all: f64 = rows.map(|(y, t)| f64::from(margin(y, t).0)).sum();
            *loss = (all / positions) as f32;
        }
    }

    #[inline(always)]
    fn backward(self, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
        let scale = scale / (output.len() / self.classes) as f32;
        let rows = output
            .chunks_exact(self.classes)
            .zip(target.chunks_exact(self.classes));
        for (gradient, (y, t)) in gradient.chunks_exact_mut(self.classes).zip(rows) {
            let (margin, place) = margin(y, t);
            // Without a margin there is no gradient, and NaN is passed on.
            let scale = scale * if margin > 0.0 { 1.0 } else { margin };
            for (g, t) in gradient.iter_mut().zip(t) {
                *g = -scale * t;
            }
            gradient[place] += scale * (1.0 - t[place]);
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: &[T], t: &[T]) -> T {
        let [mean, one, zero] = [self.classes as f64 / y.len() as f64, 1.0, 0.0].map(T::from_f64);
        let rows = y.chunks(self.classes).zip(t.chunks(self.classes));
        let of = |(y, t): (&[T], &[T])| {
            let right: T = y.iter().zip(t).map(|(y, t)| *t * *y).sum();
            let others = y.iter().zip(t).map(|(y, t)| (one - *t) * *y);
            let largest = others
                .reduce(|a, b| if b > a { b } else { a })
                .unwrap_or(zero);
            let margin = one + largest - right;
            let has_label = t.iter().any(|t| *t > zero);
            let is_none = margin < zero || !has_label;
            if is_none { zero } else { mean * margin }
        };
        rows.map(of).sum()
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: &[T], t: &[T]) -> Vec<T> {
        let [mean, one, zero] = [self.classes as f64 / y.len() as f64, 1.0, 0.0].map(T::from_f64);
        let rows = y.chunks(self.classes).zip(t.chunks(self.classes));
        let of = |(y, t): (&[T], &[T])| {
            let margin = Self { classes: y.len() }.twin(y, t);
            let others: Vec<T> = y.iter().zip(t).map(|(y, t)| (one - *t) * *y).collect();
            let largest =
                (0..y.len()).find(|place| others.iter().all(|other| others[*place] >= *other));
            let slopes = t.iter().enumerate().map(|(place, t)| {
                let of_largest = if Some(place) == largest {
                    one - *t
                } else {
                    zero
                };
                if margin > zero {
                    mean * (of_largest - *t)
                } else {
                    zero
                }
            });
            slopes.collect::<Vec<_>>()
        };
        rows.flat_map(of).collect()
    }
}
