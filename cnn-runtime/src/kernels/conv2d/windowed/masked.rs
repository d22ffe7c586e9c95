//! The sums of a block, place by place of the pool's windows: at each the gradients of the filters that have
//! their winner elsewhere are masked to zero.

use super::{Add, Block, FusedPool, Image, MOST_COLUMNS};
use crate::kernels::simd::{Kernel, Simd, accumulate};

/// Cells of the pool that are taken at once, unless one row has more.
const CELLS: usize = 96;
/// Lanes of the widest vector.
const WIDEST: usize = 16;
/// Rows and vectors of a block: larger ones are many, and take as long in the portable instance.
pub(super) const MOST: [usize; 2] = [1, 1];

/// Floats of scratch memory: two vectors for each cell of the rows that are taken at once.
pub(super) const fn scratch(pool: &FusedPool) -> usize {
    2 * rows_at_once(pool.output[1]) * pool.output[1] * WIDEST
}

/// The block of so many columns.
pub(super) fn block_of<S: Simd>(columns: usize) -> Add {
    const { assert!(MOST_COLUMNS == 5) };
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
        // SAFETY: for the whole function: the caller vouches for the instruction set; `count` filters from
        // `filter` on exist, at most a vector; the scratch memory holds two vectors for each cell of the rows that
        // are taken at once; and the field holds the patches of whole windows.
        unsafe {
            let gradients = image.scratch;
            let winners = gradients.add(rows_at_once * windows * S::LANES);
            let mut sums = self.0.load::<S, 1, COLUMNS, 1>();
            for first in (0..pool.output[0]).step_by(rows_at_once) {
                let end = pool.output[0].min(first + rows_at_once);
                for cell in 0..(end - first) * windows {
                    let at = (first * windows + cell) * filters + filter;
                    let g = S::load_first(image.dz.as_ptr().add(at), count);
                    let code = S::load_bytes(image.argmax.as_ptr().add(at), count);
                    S::store(gradients.add(cell * S::LANES), g);
                    S::store(winners.add(cell * S::LANES), code);
                }
                // Place by place, so that the loop over the cells is long and has nothing to look up.
                for place in 0..pool.size[0] * pool.size[1] {
                    let wins = S::splat(place as f32);
                    let place = [place / pool.size[1], place % pool.size[1]];
                    let line = [first * pool.strides[0] + place[0], place[1]];
                    let mut line = padded_input.patch(conv, line) + taps.place;
                    for row in 0..end - first {
                        let mut x = image.x.as_ptr().add(line);
                        line += window_down;
                        for cell in row * windows..(row + 1) * windows {
                            let at = cell * S::LANES;
                            let won = S::eq(S::load(winners.add(at)), wins);
                            let won = S::select(won, S::load(gradients.add(at)), S::splat(0.0));
                            for (c, sum) in sums[0].iter_mut().enumerate() {
                                accumulate::<S, _>(sum, S::splat(*x.add(c)), &[won]);
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

/// Rows of the pool's output whose gradients are laid side by side: they stay in L1.
#[inline(always)]
const fn rows_at_once(width: usize) -> usize {
    if width < CELLS { CELLS / width } else { 1 }
}
