//! The gradient of a bias: the sum of the rows of the gradient with respect to its output. A few vectors of sums stay
//! in registers while all rows are added.

use super::Isa;
use super::simd::{Kernel, Simd};

/// Adds the rows of `dy`, `[.., units]`, to the gradient of a bias, in their order; an empty one is left alone.
pub(crate) fn add_rows(isa: Isa, units: usize, dy: &[f32], bias_gradient: &mut [f32]) {
    if bias_gradient.is_empty() {
        return;
    }
    assert_eq!(bias_gradient.len(), units, "values of a bias gradient");
    assert_eq!(dy.len() % units, 0, "whole rows of a gradient");
    isa.run(AddRows { dy, bias_gradient });
}

struct AddRows<'a> {
    /// Rows as long as `bias_gradient`.
    dy: &'a [f32],
    bias_gradient: &'a mut [f32],
}

impl Kernel for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let units = self.bias_gradient.len();
        let mut unit = 0;
        while unit < units {
            let left = units - unit;
            // SAFETY: the units from `unit` on that the vectors hold exist, in every whole row.
            unit += unsafe {
                if left >= 4 * S::LANES {
                    columns::<S, 4>(self.dy, self.bias_gradient, unit, S::LANES)
                } else if left >= 2 * S::LANES {
                    columns::<S, 2>(self.dy, self.bias_gradient, unit, S::LANES)
                } else {
                    columns::<S, 1>(self.dy, self.bias_gradient, unit, left.min(S::LANES))
                }
            };
        }
    }
}

/// The sums of `VECTORS` vectors of `count` units from `unit` on. Returns how many units that are.
///
/// # Safety
/// The machine has the target features of `S`. The vectors hold units that exist.
#[inline(always)]
unsafe fn columns<S: Simd, const VECTORS: usize>(
    dy: &[f32],
    bias_gradient: &mut [f32],
    unit: usize,
    count: usize,
) -> usize {
    // SAFETY: for the whole function: the caller vouches for the units.
    unsafe {
        let gradient = bias_gradient.as_mut_ptr().add(unit);
        let mut sums = [S::splat(0.0); VECTORS];
        for (v, sum) in sums.iter_mut().enumerate() {
            *sum = S::load_first(gradient.add(v * S::LANES), count);
        }
        for row in dy.chunks_exact(bias_gradient.len()) {
            for (v, sum) in sums.iter_mut().enumerate() {
                let row = row.as_ptr().add(unit + v * S::LANES);
                *sum = S::add(*sum, S::load_first(row, count));
            }
        }
        for (v, &sum) in sums.iter().enumerate() {
            S::store_first(gradient.add(v * S::LANES), sum, count);
        }
    }
    VECTORS * count
}
