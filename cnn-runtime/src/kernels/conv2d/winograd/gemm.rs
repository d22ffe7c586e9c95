//! The products of transformed tiles and kernels, `M = V · U`, in register tiles.
//!
//! Tiles of images stand in [`TileGroups`], each the rows of a register tile. A group has its cells one behind the
//! other in V, in each the channels by cache lines, and of a line its tiles side by side: so a
//! register tile reads one stream, and its rows lie a constant apart. U comes in panels of few
//! vectors and is a stream as well, of which the first group fetches what the next cell needs.
//!
//! The inner loop is that of [`crate::kernels::tile`], for small matrices in a layout of their own: with 32
//! channels a register tile is done after some 300 cycles, so there is little before and behind the loop, and
//! four of its steps take one turn.

use super::{LINE, odd_lines};
use crate::kernels::simd::{Kernel, Simd, ValidPointers, accumulate, from_fn};

/// Channels of a turn of the inner loop. V and U have zeros up to a multiple of it.
pub(super) const UNROLL: usize = 4;

/// Floats of U for a cell and a panel of four vectors. Wider panels make for longer register tiles, but the next
/// cell has to find its place beside this one, V and M: with 64 channels a panel of two vectors is faster.
const CACHED: usize = 2048;

/// Rows of U that a single group fetches ahead. Measured with AVX-512 on one image of 8x8 cells, 128 -> 128 channels, in
/// tiles of 4x4, whose U comes from the third level: 25 µs with 32 rows, 26 with 64, 28 with 128, 30 where half of it was
/// fetched a cell ahead.
const SOON: usize = 32;

/// Vectors of the widest panel of U, if it has `channels` rows and `columns`.
#[inline(always)]
fn panel_vectors<S: Simd>(channels: usize, columns: usize) -> usize {
    let widest = match S::TILE_VECTORS {
        4 if 4 * S::LANES * channels <= CACHED => 4,
        _ => 2,
    };
    widest.min(columns.div_ceil(S::LANES))
}

/// The width of the panel of U that starts at `column`: whole vectors.
#[inline(always)]
pub(super) fn panel_width<S: Simd>(channels: usize, columns: usize, column: usize) -> usize {
    let left = (columns - column).div_ceil(S::LANES);
    panel_vectors::<S>(channels, columns).min(left) * S::LANES
}

/// Floats of a cell of a panel of U with as many rows, and a way to the next one: an odd number of cache lines. Otherwise
/// the cells, a power of two apart, would share a set of the cache while all are written for a kernel.
#[inline(always)]
pub(super) const fn u_cell(rows: usize, width: usize) -> usize {
    odd_lines(rows * width)
}

/// Where the panel of U starts that begins at `column`; with all columns, where U ends at the latest.
#[inline(always)]
pub(super) fn panel_start<S: Simd>(
    cells: usize,
    [channels, columns]: [usize; 2],
    column: usize,
) -> usize {
    let width = panel_width::<S>(channels, columns, 0);
    let rows = channels.next_multiple_of(UNROLL);
    let panels = column / width.max(1);
    let last = panel_width::<S>(channels, columns, panels * width);
    let end = match column == columns && last > 0 {
        true => u_cell(rows, last),
        false => 0,
    };
    cells * (panels * u_cell(rows, width) + end)
}

/// The most rows of a register tile that is so wide. Asked in `const` blocks where that decides what is compiled.
#[inline(always)]
const fn tile_height<S: Simd>(vectors: usize) -> usize {
    let fit = S::ACCUMULATORS / vectors.next_power_of_two();
    if fit < 8 { fit } else { 8 }
}

/// Tiles of images that stand together.
#[derive(Clone, Copy)]
pub(super) struct TileGroups {
    pub cells: usize,
    /// How many tiles there are in all.
    tiles: usize,
    /// How many groups.
    pub count: usize,
    /// Places of a group.
    pub most: usize,
}

impl TileGroups {
    /// TileGroups for the products of `tiles` with U of `channels` rows and `columns`.
    #[inline(always)]
    pub fn new<S: Simd>(cells: usize, tiles: usize, channels: usize, columns: usize) -> Self {
        let most = tile_height::<S>(panel_vectors::<S>(channels, columns));
        Self {
            cells,
            tiles,
            count: tiles.div_ceil(most),
            most,
        }
    }

    /// One group of all tiles.
    #[inline(always)]
    pub const fn single(cells: usize, tiles: usize) -> Self {
        Self {
            cells,
            tiles,
            count: 1,
            most: tiles,
        }
    }

    /// How many groups have a tile more than the others, and how many tiles these have: heights that differ by
    /// one at most, because a register tile of one row waits for its own sums.
    #[inline(always)]
    fn heights(&self) -> [usize; 2] {
        [self.tiles % self.count, self.tiles / self.count]
    }

    /// Tiles of a group.
    #[inline(always)]
    pub fn height(&self, group: usize) -> usize {
        let [higher, height] = self.heights();
        height + usize::from(group < higher)
    }

    /// Floats from a cell to the next, if each tile has `values`.
    #[inline(always)]
    pub fn cell(&self, values: usize) -> usize {
        odd_lines(self.most * values)
    }
}

/// The products of all cells with a panel.
pub(super) struct BatchedGemm {
    pub groups: TileGroups,
    /// Rows of U, before zeros.
    pub channels: usize,
    /// Columns of the panel.
    pub width: usize,
    /// `[groups, cells, channels / LINE, most, LINE]`, see [`TileGroups::cell`].
    pub v: *const f32,
    /// `[cells, channels, width]`, see [`u_cell`].
    pub u: *const f32,
    /// `[groups, cells, most, width]`, overwritten.
    pub m: *mut f32,
    /// That these places may be read, and those of M written.
    pub _valid: ValidPointers,
}

impl Kernel for &BatchedGemm {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for cell in 0..self.groups.cells {
            let mut column = 0;
            while column < self.width {
                let left = self.width - column;
                // SAFETY: the columns are those of the panel.
                unsafe {
                    if const { S::TILE_VECTORS == 4 } && left >= 4 * S::LANES {
                        columns::<S, 4>(self, cell, column);
                        column += 4 * S::LANES;
                    } else if left >= 2 * S::LANES {
                        columns::<S, 2>(self, cell, column);
                        column += 2 * S::LANES;
                    } else {
                        columns::<S, 1>(self, cell, column);
                        column += S::LANES;
                    }
                }
            }
        }
    }
}

/// Whether there is a register tile so high and wide. Asked in `const` blocks, so that no others are compiled.
///
/// Low tiles wait for their own sums: one of 2 vectors takes as long with 4 rows as with one, one of a single
/// vector as long with all rows of a group.
const fn is_compiled<S: Simd>(height: usize, vectors: usize) -> bool {
    let most = tile_height::<S>(vectors);
    match vectors {
        1 => {
            let wider = tile_height::<S>(2);
            height == most || height == wider || height == tile_height::<S>(S::TILE_VECTORS)
        }
        2 => 4 <= height && height <= most,
        _ => 2 <= height && height <= most,
    }
}

/// The columns from `column` on that `VECTORS` vectors hold.
///
/// # Safety
/// The machine has the target features of `S`. The columns are those of the panel; the promise of `products`
/// covers the rest.
#[inline(always)]
unsafe fn columns<S: Simd, const VECTORS: usize>(
    products: &BatchedGemm,
    cell: usize,
    column: usize,
) {
    let [higher, height] = products.groups.heights();
    let count = products.groups.count;
    for &(first, end, height) in &[(0, higher, height + 1), (higher, count, height)] {
        if first == end {
            continue;
        }
        let place = Place {
            cell,
            column,
            groups: [first, end],
        };
        // Empty places of the groups are computed too, where there is no tile for fewer.
        let height = match VECTORS {
            1 => products.groups.most,
            2 => height.max(4),
            _ => height.max(2),
        };
        // SAFETY: the groups are those of the products. All have `most` places, which are 4 at least, and no
        // fewer than tiles.
        unsafe {
            match height {
                8 if const { is_compiled::<S>(8, VECTORS) } => {
                    tiles::<S, 8, VECTORS>(products, place)
                }
                7 if const { is_compiled::<S>(7, VECTORS) } => {
                    tiles::<S, 7, VECTORS>(products, place)
                }
                6 if const { is_compiled::<S>(6, VECTORS) } => {
                    tiles::<S, 6, VECTORS>(products, place)
                }
                5 if const { is_compiled::<S>(5, VECTORS) } => {
                    tiles::<S, 5, VECTORS>(products, place)
                }
                4 if const { is_compiled::<S>(4, VECTORS) } => {
                    tiles::<S, 4, VECTORS>(products, place)
                }
                3 if const { is_compiled::<S>(3, VECTORS) } => {
                    tiles::<S, 3, VECTORS>(products, place)
                }
                2 if const { is_compiled::<S>(2, VECTORS) } => {
                    tiles::<S, 2, VECTORS>(products, place)
                }
                _ => unreachable!("a tile of another height"),
            }
        }
    }
}

/// Register tiles of one height.
struct Place {
    cell: usize,
    column: usize,
    /// The first group, and the one behind the last.
    groups: [usize; 2],
}

/// # Safety
/// The machine has the target features of `S`. The groups have `HEIGHT` places, and the panel these columns;
/// the promise of `products` covers the rest.
#[inline(always)]
unsafe fn tiles<S: Simd, const HEIGHT: usize, const VECTORS: usize>(
    products: &BatchedGemm,
    place: Place,
) {
    let BatchedGemm {
        groups,
        channels,
        width,
        ..
    } = *products;
    let v_cell = groups.cell(channels.next_multiple_of(LINE));
    let m_cell = groups.cell(width);
    let rows = channels.next_multiple_of(UNROLL);
    // SAFETY: for the whole function: `HEIGHT` rows and the columns are inside the places that the caller
    // vouches for.
    unsafe {
        let u_cell = u_cell(rows, width);
        let start = products.u.add(place.cell * u_cell + place.column);
        for group in place.groups[0]..place.groups[1] {
            let at = group * groups.cells + place.cell;
            let mut v = products.v.add(at * v_cell);
            let mut u = start;
            // The first group fetches U for the next cell, a single one what it needs soon itself.
            let mut next = match group {
                0 if groups.count == 1 => start.wrapping_add(SOON * width),
                0 => start.wrapping_add(u_cell),
                _ => start,
            };
            let mut sums = [[S::splat(0.0); VECTORS]; HEIGHT];
            let mut left = rows;
            while left > 0 {
                let line = left.min(LINE);
                for turn in (0..line).step_by(UNROLL) {
                    for channel in turn..turn + UNROLL {
                        let vectors: [S::V; VECTORS] = from_fn(|j| S::load(u.add(j * S::LANES)));
                        for (i, sums) in sums.iter_mut().enumerate() {
                            let value = S::splat(*v.add(i * LINE + channel));
                            accumulate::<S, _>(sums, value, &vectors);
                        }
                        u = u.wrapping_add(width);
                        for j in (0..VECTORS * S::LANES).step_by(LINE) {
                            S::prefetch(next.wrapping_add(j));
                        }
                        next = next.wrapping_add(width);
                    }
                }
                v = v.wrapping_add(groups.most * LINE);
                left -= line;
            }
            let m = products.m.add(at * m_cell + place.column);
            for (i, sums) in sums.iter().enumerate() {
                for (j, &sum) in sums.iter().enumerate() {
                    S::store(m.add(i * width + j * S::LANES), sum);
                }
            }
        }
    }
}
