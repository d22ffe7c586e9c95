//! The 16 products of transformed tiles and transformed kernels, `M = V · U`, in one call.
//!
//! They are register tiles as in [`crate::kernels::tile`], but of small matrices, where the set-up of a
//! tile counts: with 32 channels a tile is done after some 300 cycles. So there are no segments or lines
//! here, and sums start in registers. Two vectors take tiles of up to 12 rows, which spread what is loaded
//! for a step over more multiplications.

use super::CELLS;
use crate::kernels::simd::{Kernel, Simd};
use core::array::from_fn;

/// The cell that counts once in each of the four outputs: its sums start with the bias.
const BIASED: usize = 5;

/// The products of all cells. The caller makes sure that the planes lie inside live buffers, and that those
/// of M overlap nothing else.
pub(super) struct Products {
    /// Rows of V and M.
    pub tiles: usize,
    /// Columns of V, rows of U.
    pub channels: usize,
    /// Columns of U and M.
    pub filters: usize,
    /// `[16, tiles, channels]`.
    pub v: *const f32,
    /// `[16, channels, filters]`.
    pub u: *const f32,
    /// `[16, tiles, filters]`, overwritten.
    pub m: *mut f32,
    /// From a plane to the next in V, U and M.
    pub planes: [usize; 3],
    /// `[filters]`.
    pub bias: Option<*const f32>,
}

impl Kernel for &Products {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for cell in 0..CELLS {
            let mut column = 0;
            while column < self.filters {
                let left = self.filters - column;
                // SAFETY: each panel is a part of the products, whose planes the caller vouches for.
                unsafe {
                    if S::TILE_VECTORS == 4 && left >= 4 * S::LANES {
                        panel::<S, 4>(self, cell, column, S::LANES);
                        column += 4 * S::LANES;
                    } else if left >= 2 * S::LANES {
                        panel::<S, 2>(self, cell, column, S::LANES);
                        column += 2 * S::LANES;
                    } else {
                        let count = left.min(S::LANES);
                        panel::<S, 1>(self, cell, column, count);
                        column += count;
                    }
                }
            }
        }
    }
}

/// The columns from `column` on that `VECTORS` vectors hold; of a single vector only `count` lanes.
#[inline(always)]
unsafe fn panel<S: Simd, const VECTORS: usize>(
    products: &Products,
    cell: usize,
    column: usize,
    count: usize,
) {
    let most = (S::ACCUMULATORS / VECTORS).min(12);
    // Heights that differ by one at most: a tile of one row waits for its own sums.
    let tiles = products.tiles.div_ceil(most);
    let (height, higher) = match tiles {
        0 => return,
        _ => (products.tiles / tiles, products.tiles % tiles),
    };
    let mut row = 0;
    for tile in 0..tiles {
        let height = height + usize::from(tile < higher);
        // SAFETY: the rows are those of the products.
        unsafe {
            let place = Place {
                v: products
                    .v
                    .add(cell * products.planes[0] + row * products.channels),
                u: products.u.add(cell * products.planes[1] + column),
                m: products
                    .m
                    .add(cell * products.planes[2] + row * products.filters + column),
                bias: match products.bias {
                    Some(bias) if cell == BIASED => Some(bias.add(column)),
                    _ => None,
                },
                count,
            };
            match height {
                12 if most >= 12 => self::tile::<S, 12, VECTORS>(products, place),
                11 if most >= 11 => self::tile::<S, 11, VECTORS>(products, place),
                10 if most >= 10 => self::tile::<S, 10, VECTORS>(products, place),
                9 if most >= 9 => self::tile::<S, 9, VECTORS>(products, place),
                8 if most >= 8 => self::tile::<S, 8, VECTORS>(products, place),
                7 if most >= 7 => self::tile::<S, 7, VECTORS>(products, place),
                6 if most >= 6 => self::tile::<S, 6, VECTORS>(products, place),
                5 if most >= 5 => self::tile::<S, 5, VECTORS>(products, place),
                4 => self::tile::<S, 4, VECTORS>(products, place),
                3 => self::tile::<S, 3, VECTORS>(products, place),
                2 => self::tile::<S, 2, VECTORS>(products, place),
                _ => self::tile::<S, 1, VECTORS>(products, place),
            }
        }
        row += height;
    }
}

/// Where a tile lies: its first values.
struct Place {
    v: *const f32,
    u: *const f32,
    m: *mut f32,
    bias: Option<*const f32>,
    /// Lanes of its vector, if it has but one.
    count: usize,
}

#[inline(always)]
unsafe fn tile<S: Simd, const HEIGHT: usize, const VECTORS: usize>(
    products: &Products,
    place: Place,
) {
    // SAFETY: for the whole function: `HEIGHT` rows and the columns of the panel are inside the planes,
    // which the caller vouches for; of a single vector only `count` lanes are touched.
    unsafe {
        let load = |p: *const f32, vector: usize| match VECTORS {
            1 => S::load_first(p, place.count),
            _ => S::load(p.add(vector * S::LANES)),
        };
        let start: [S::V; VECTORS] = match place.bias {
            Some(bias) => from_fn(|j| load(bias, j)),
            None => [S::splat(0.0); VECTORS],
        };
        let mut sums = [start; HEIGHT];
        let rows: [*const f32; HEIGHT] = from_fn(|i| place.v.add(i * products.channels));
        let mut u = place.u;
        for channel in 0..products.channels {
            let vectors: [S::V; VECTORS] = from_fn(|j| load(u, j));
            for (row, sums) in rows.iter().zip(&mut sums) {
                let value = S::splat(*row.add(channel));
                for (sum, vector) in sums.iter_mut().zip(vectors) {
                    *sum = S::fma(value, vector, *sum);
                }
            }
            u = u.wrapping_add(products.filters);
        }
        for (i, sums) in sums.into_iter().enumerate() {
            let m = place.m.add(i * products.filters);
            for (j, sum) in sums.into_iter().enumerate() {
                match VECTORS {
                    1 => S::store_first(m, sum, place.count),
                    _ => S::store(m.add(j * S::LANES), sum),
                }
            }
        }
    }
}
