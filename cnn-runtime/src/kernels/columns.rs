//! Columns of a matrix, copied between rows of other lengths: values that lie side by side along the channels.
//!
//! A few vectors of columns are copied from the first row to the last. A call of `memcpy` for the few values of each row
//! takes longer than they do.

use super::Isa;
use super::simd::{Kernel, Simd, load, store, unrolled};

/// Copies the first `width` values of each row of `x` to the first ones of each row of `y`. Rows start `x_row` and `y_row`
/// values apart, and both have as many; what lies between them in `y` stays as it is.
///
/// # Panics
/// If the rows are shorter than `width`, or one has more of them than the other.
pub(crate) fn copy(isa: Isa, width: usize, [x_row, y_row]: [usize; 2], x: &[f32], y: &mut [f32]) {
    assert!(width <= x_row && width <= y_row, "columns of the rows");
    // The last row may end with its last column.
    let rows = |values: usize, row: usize| (values + row - width) / row;
    let count = rows(x.len(), x_row);
    assert_eq!(count, rows(y.len(), y_row), "as many rows");
    isa.run(Copy {
        width,
        rows: count,
        x_row,
        y_row,
        x,
        y,
    });
}

struct Copy<'a> {
    width: usize,
    rows: usize,
    x_row: usize,
    y_row: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Copy<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let width = self.width;
        // SAFETY: for the whole function: the machine has the features of `S`, and the columns exist.
        unsafe {
            if width < S::LANES {
                return self.columns::<S, 1, true>(0, 0, width);
            }
            for first in (0..width).step_by(4 * S::LANES) {
                let vectors = (width - first).div_ceil(S::LANES);
                let last = (first + 3 * S::LANES).min(width - S::LANES);
                match vectors {
                    1 => self.columns::<S, 1, false>(first, last, S::LANES),
                    2 => self.columns::<S, 2, false>(first, last, S::LANES),
                    3 => self.columns::<S, 3, false>(first, last, S::LANES),
                    _ => self.columns::<S, 4, false>(first, last, S::LANES),
                }
            }
        }
    }
}

impl Copy<'_> {
    /// `V` vectors of columns, `count` values of each: side by side from `first` on, but the last one from `last` on. It
    /// may lie over the one before it.
    ///
    /// # Safety
    /// The machine has the features of `S`, and the columns exist.
    #[inline(always)]
    unsafe fn columns<S: Simd, const V: usize, const CUT: bool>(
        &mut self,
        first: usize,
        last: usize,
        count: usize,
    ) {
        for row in 0..self.rows {
            // SAFETY: as above, and `copy` has made sure of the columns of each row.
            unsafe {
                let from = self.x.as_ptr().add(row * self.x_row);
                let to = self.y.as_mut_ptr().add(row * self.y_row);
                unrolled!(i in 0..V => {
                    let column = if i + 1 < V { first + i * S::LANES } else { last };
                    let vector = load::<S, CUT>(from.add(column), count);
                    store::<S, CUT>(to.add(column), vector, count);
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
