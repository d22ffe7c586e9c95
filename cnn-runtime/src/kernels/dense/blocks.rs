//! How the products of dense layers are cut into blocks, and copies of blocks.
//!
//! A block of `B` is copied so that its rows follow each other in memory: then the block stays in the second-level
//! cache, and each cache line of it is used whole.

pub(super) use super::choice::BLOCK_COLUMNS;
use crate::kernels::simd::Simd;

/// The most rows of a block of `B`. A third as many would fit the first-level cache, but then the sums in `C` are
/// loaded and stored three times as often, which costs more.
pub(super) const BLOCK_DEPTH: usize = 192;

/// Rows of a block of `A` and `C`.
pub(super) const BLOCK_ROWS: usize = 128;

/// From a row of a copied block of `A` to the next: an odd number of cache lines, so that neighbours in a column do not
/// share a cache set.
pub(super) const COPY_STRIDE: usize = BLOCK_ROWS + 16;

/// Cuts a depth into blocks of nearly equal length, `[start, length]`. A depth of 0 has one empty block, in which the
/// sums get their start.
#[inline(always)]
pub(super) fn depth_blocks(depth: usize) -> impl Iterator<Item = [usize; 2]> {
    let count = depth.div_ceil(BLOCK_DEPTH).max(1);
    (0..count).map(move |block| {
        let [start, end] = [block, block + 1].map(|block| depth * block / count);
        [start, end - start]
    })
}

/// Copies a matrix of `rows` times `columns` values, whose rows start `from_row` and `to_row` floats apart.
///
/// # Safety
/// The machine has the target features of `S`. Both matrices are valid, and they do not overlap.
#[inline(always)]
pub(super) unsafe fn copy<S: Simd>(
    rows: usize,
    columns: usize,
    from: *const f32,
    from_row: usize,
    to: *mut f32,
    to_row: usize,
) {
    // SAFETY: values of the two matrices alone.
    unsafe {
        for row in 0..rows {
            let (from, to) = (from.add(row * from_row), to.add(row * to_row));
            let mut column = 0;
            while column + S::LANES <= columns {
                S::store(to.add(column), S::load(from.add(column)));
                column += S::LANES;
            }
            if column < columns {
                let left = columns - column;
                S::store_first(to.add(column), S::load_first(from.add(column), left), left);
            }
        }
    }
}
