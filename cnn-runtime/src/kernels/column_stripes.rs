//! Stripes of the columns of a matrix, which several threads write at the same time.
//!
//! Rows of a stripe do not lie side by side, so it is no slice. It stands among the kernels because only they may use
//! `unsafe`.

use core::marker::PhantomData;
use core::ops::Range;
use core::ptr;

/// Some columns of a matrix, to be written.
pub(crate) struct ColumnStripe<'a> {
    first: *mut f32,
    rows: usize,
    columns: usize,
    /// From a row to the next.
    step: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

// SAFETY: no two stripes have a value in common, see `ColumnStripes::next`; so each is as a mutable slice.
unsafe impl Send for ColumnStripe<'_> {}

/// What cuts a matrix into stripes.
pub(crate) struct ColumnStripes<'a> {
    matrix: *mut f32,
    rows: usize,
    /// Values of a row.
    step: usize,
    /// The first column that no stripe has.
    free: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

impl<'a> ColumnStripes<'a> {
    /// Of a matrix whose rows have `step` values.
    ///
    /// # Panics
    /// If it has no whole rows.
    pub fn new(matrix: &'a mut [f32], step: usize) -> Self {
        assert!(matrix.len().is_multiple_of(step), "whole rows");
        Self {
            rows: matrix.len() / step,
            matrix: matrix.as_mut_ptr(),
            step,
            free: 0,
            borrowed: PhantomData,
        }
    }

    /// The next stripe, behind the ones before it.
    ///
    /// # Panics
    /// If a stripe has some of the columns, or they are none of the matrix.
    pub fn next(&mut self, columns: Range<usize>) -> ColumnStripe<'a> {
        let Range { start, end } = columns;
        assert!(self.free <= start && start < end && end <= self.step);
        self.free = end;
        ColumnStripe {
            first: self.matrix.wrapping_add(start),
            rows: self.rows,
            columns: end - start,
            step: self.step,
            borrowed: PhantomData,
        }
    }
}

impl ColumnStripe<'_> {
    /// How many values it has.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// Writes its values, row by row.
    ///
    /// # Panics
    /// If there are more or fewer.
    pub fn write(&mut self, values: &[f32]) {
        assert_eq!(values.len(), self.len(), "values of a stripe");
        for (row, values) in values.chunks_exact(self.columns).enumerate() {
            // SAFETY: the matrix is borrowed mutably for as long as there are stripes, and has this row, by `rows`, and
            // these columns of it, which are this stripe's alone, by the assertion of `ColumnStripes::next`. So `values`, which
            // is borrowed meanwhile, lies elsewhere.
            unsafe {
                let to = self.first.add(row * self.step);
                ptr::copy_nonoverlapping(values.as_ptr(), to, values.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_are_written_by_several_threads() {
        let mut matrix = [-1.0; 12];
        let mut stripes = ColumnStripes::new(&mut matrix, 4);
        let (mut left, mut right) = (stripes.next(0..1), stripes.next(2..4));
        assert_eq!([left.len(), right.len()], [3, 6]);
        std::thread::scope(|scope| {
            scope.spawn(move || left.write(&[0.0, 1.0, 2.0]));
            scope.spawn(move || right.write(&[3.0, 4.0, 5.0, 6.0, 7.0, 8.0]));
        });
        let expected = [
            0.0, -1.0, 3.0, 4.0, 1.0, -1.0, 5.0, 6.0, 2.0, -1.0, 7.0, 8.0,
        ];
        assert_eq!(matrix, expected);
    }

    #[test]
    #[should_panic]
    fn stripes_have_no_column_in_common() {
        let mut matrix = [0.0; 12];
        let mut stripes = ColumnStripes::new(&mut matrix, 4);
        let _left = stripes.next(0..2);
        let _right = stripes.next(1..4);
    }

    #[test]
    #[should_panic]
    fn a_stripe_lies_inside_the_matrix() {
        let mut matrix = [0.0; 12];
        let _beyond = ColumnStripes::new(&mut matrix, 4).next(3..5);
    }
}
