//! The transpose of a matrix, square by square: a square has as many rows and columns as a vector has lanes, and is
//! transposed in registers.

use super::Isa;
use super::simd::{Kernel, Simd};

/// Writes `from`, of shape `[rows, columns]`, to `to`, `[columns, rows]`.
///
/// # Panics
/// If a slice is of another length than the shape says.
pub(crate) fn transpose(isa: Isa, shape: [usize; 2], from: &[f32], to: &mut [f32]) {
    let [rows, columns] = shape;
    assert_eq!(from.len(), rows * columns, "values of a matrix");
    assert_eq!(to.len(), rows * columns, "values of a transposed matrix");
    isa.run(Transpose { shape, from, to });
}

struct Transpose<'a> {
    shape: [usize; 2],
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let [rows, columns] = self.shape;
        // SAFETY: [`transpose`] has compared the lengths with the shape.
        unsafe {
            squares::<S>(
                self.shape,
                self.from.as_ptr(),
                columns,
                self.to.as_mut_ptr(),
                rows,
            );
        }
    }
}

/// Writes the transpose of a matrix of `shape`. Rows start `from_row` and `to_row` floats apart.
///
/// # Safety
/// Both matrices are valid and do not overlap, and the machine has the target features of `S`.
#[inline(always)]
pub(crate) unsafe fn squares<S: Simd>(
    [rows, columns]: [usize; 2],
    from: *const f32,
    from_row: usize,
    to: *mut f32,
    to_row: usize,
) {
    for row in (0..rows).step_by(S::LANES) {
        for column in (0..columns).step_by(S::LANES) {
            let shape = [S::LANES.min(rows - row), S::LANES.min(columns - column)];
            // SAFETY: a part of the matrix and of its transpose.
            unsafe {
                let from = from.add(row * from_row + column);
                let to = to.add(column * to_row + row);
                S::transpose(shape, from, from_row, to, to_row);
            }
        }
    }
}
