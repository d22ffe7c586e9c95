//! Passes over operands that have the shape of the output, or over rows of them.

use crate::kernels::simd::Loop;
use cnn_ir::operation::MergeKind;

/// `y = a ∘ b`.
pub(super) struct Combine<'a> {
    pub(super) kind: MergeKind,
    /// The first value; none: what `y` holds.
    pub(super) a: Option<&'a [f32]>,
    pub(super) b: &'a [f32],
    /// Whether a relu follows.
    pub(super) relu: bool,
    pub(super) y: &'a mut [f32],
}

impl Loop for Combine<'_> {
    #[inline(always)]
    fn run(self) {
        match self.relu {
            true => self.then(|z| if z < 0.0 { 0.0 } else { z }),
            false => self.then(|z| z),
        }
    }
}

impl Combine<'_> {
    #[inline(always)]
    fn then(self, f: impl Fn(f32) -> f32) {
        let Self { kind, a, b, y, .. } = self;
        match kind {
            // The sum of all values is divided in the end.
            MergeKind::Add | MergeKind::Average => pass(a, b, y, |a, b| f(a + b)),
            MergeKind::Subtract => pass(a, b, y, |a, b| f(a - b)),
            MergeKind::Multiply => pass(a, b, y, |a, b| f(a * b)),
            // What is not a number stays, whichever of the two it is.
            MergeKind::Maximum => {
                pass(a, b, y, |a, b| f(if b > a || b.is_nan() { b } else { a }));
            }
            MergeKind::Minimum => {
                pass(a, b, y, |a, b| f(if b < a || b.is_nan() { b } else { a }));
            }
            MergeKind::Concat => {}
        }
    }
}

/// `y = factor * x`.
pub(super) struct Scale<'a> {
    pub(super) factor: f32,
    /// None: what `y` holds.
    pub(super) x: Option<&'a [f32]>,
    pub(super) y: &'a mut [f32],
}

impl Loop for Scale<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { factor, x, y } = self;
        match x {
            Some(x) => y.iter_mut().zip(x).for_each(|(y, x)| *y = factor * x),
            None => y.iter_mut().for_each(|y| *y *= factor),
        }
    }
}

/// Passes the gradient on where a value is the largest of two; with a sign of -1 the smallest.
pub(super) struct Winner<'a> {
    pub(super) is_before: bool,
    pub(super) sign: f32,
    pub(super) mine: &'a [f32],
    pub(super) theirs: &'a [f32],
    /// The gradient; none: what `dx` holds.
    pub(super) dy: Option<&'a [f32]>,
    pub(super) dx: &'a mut [f32],
}

impl Loop for Winner<'_> {
    #[inline(always)]
    fn run(self) {
        let Self {
            is_before, sign, ..
        } = self;
        let wins = |mine: f32, theirs: f32| {
            let (mine, theirs) = (sign * mine, sign * theirs);
            (mine > theirs) | (is_before & (mine == theirs))
        };
        let values = self.dx.iter_mut().zip(self.mine).zip(self.theirs);
        match self.dy {
            Some(dy) => {
                for (((dx, mine), theirs), dy) in values.zip(dy) {
                    *dx = if wins(*mine, *theirs) { *dy } else { 0.0 };
                }
            }
            None => {
                for ((dx, mine), theirs) in values {
                    *dx = if wins(*mine, *theirs) { *dx } else { 0.0 };
                }
            }
        }
    }
}

#[inline(always)]
fn pass(a: Option<&[f32]>, b: &[f32], y: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    match a {
        Some(a) => {
            for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
                *y = f(*a, *b);
            }
        }
        None => {
            for (y, b) in y.iter_mut().zip(b) {
                *y = f(*y, *b);
            }
        }
    }
}
