//! The sums of a block, cell by cell of the pool's windows. At each cell, the gradients of the filters whose argmax is
//! another cell are masked to zero.

use super::{Add, Block, FusedPool, Image, MAX_COLUMNS};
use crate::kernels::simd::{Kernel, MAX_LANES, Simd, accumulate};

/// Windows whose gradients are loaded at once, unless one row has more.
const WINDOWS: usize = 96;
/// Rows and vectors of the largest block. Larger blocks would be many functions, and no faster on the instruction set
/// that runs them most, the portable one.
pub(super) const LARGEST_BLOCK: [usize; 2] = [1, 1];

/// Floats of scratch memory: for each window of the rows that are taken at once a vector of gradients and of argmax.
pub(super) const fn scratch(pool: &FusedPool) -> usize {
    2 * rows_at_once(pool.output[1]) * pool.output[1] * MAX_LANES
}

/// The function of the block with so many columns.
pub(super) fn block_of<S: Simd>(columns: usize) -> Add {
    const { assert!(MAX_COLUMNS == 5) };
    match columns {
        5 => add::<S, 5>,
        4 => add::<S, 4>,
        3 => add::<S, 3>,
        2 => add::<S, 2>,
        _ => add::<S, 1>,
    }
}

/// # Safety
/// See [`Add`].
unsafe fn add<S: Simd, const COLUMNS: usize>(block: Block<'_>) {
    // SAFETY: the caller vouches for it.
    unsafe { S::call(Masked::<COLUMNS>(block)) }
}

/// `COLUMNS` taps of filters that one vector holds.
struct Masked<'a, const COLUMNS: usize>(Block<'a>);

impl<const COLUMNS: usize> Kernel for Masked<'_, COLUMNS> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Block {
            image,
            taps,
            filter,
            count,
            ..
        } = self.0;
        let Image {
            conv,
            pool,
            padded_input,
            ..
        } = image;
        let filters = conv.output[2];
        let windows = pool.output[1];
        let rows_at_once = rows_at_once(windows);
        let [window_down, window_right] =
            [[pool.strides[0], 0], [0, pool.strides[1]]].map(|cell| padded_input.patch(conv, cell));
        // SAFETY: for the whole function: the caller vouches for the instruction set; `count` filters from `filter` on
        // exist, at most a vector; the scratch memory has two vectors for each window of the rows that are taken at
        // once; and the padded input has the patches of whole windows.
        unsafe {
            let gradients = image.scratch;
            let argmax = gradients.add(rows_at_once * windows * S::LANES);
            let mut sums = self.0.load::<S, 1, COLUMNS, 1>();
            for first in (0..pool.output[0]).step_by(rows_at_once) {
                let end = pool.output[0].min(first + rows_at_once);
                for window in 0..(end - first) * windows {
                    let from = (first * windows + window) * filters + filter;
                    let g = S::load_first(image.dz.as_ptr().add(from), count);
                    let index = S::load_bytes(image.argmax.as_ptr().add(from), count);
                    S::store(gradients.add(window * S::LANES), g);
                    S::store(argmax.add(window * S::LANES), index);
                }
                // The loop over cells is the outer one, so that the loop over windows is long and simple.
                for cell in 0..pool.size[0] * pool.size[1] {
                    let index = S::splat(cell as f32);
                    let cell = [cell / pool.size[1], cell % pool.size[1]];
                    let line = [first * pool.strides[0] + cell[0], cell[1]];
                    let mut line = padded_input.patch(conv, line) + taps.offset;
                    for row in 0..end - first {
                        let mut x = image.x.as_ptr().add(line);
                        line += window_down;
                        for window in row * windows..(row + 1) * windows {
                            let from = window * S::LANES;
                            let is_argmax = S::eq(S::load(argmax.add(from)), index);
                            let g = S::load(gradients.add(from));
                            let masked = S::select(is_argmax, g, S::splat(0.0));
                            for (c, sum) in sums[0].iter_mut().enumerate() {
                                accumulate::<S, _>(sum, S::splat(*x.add(c)), &[masked]);
                            }
                            x = x.wrapping_add(window_right);
                        }
                    }
                }
            }
            self.0.store::<S, 1, COLUMNS, 1>(&sums);
        }
    }
}

/// Rows of the pool's output that are taken at once: so many that their gradients stay in the first-level cache.
#[inline(always)]
const fn rows_at_once(width: usize) -> usize {
    if width < WINDOWS { WINDOWS / width } else { 1 }
}
