//! The products of transformed tiles and kernels, `M = V · U`: a batch of matrix products, one for each cell.
//!
//! Tiles are rows of these products, channels their depth, filters their columns. Some tiles together are a group, the
//! rows of a register tile ([`TileGroups`]). V has its groups one behind the other, in each the cells, in each cell the
//! channels by cache lines, and of each line the tiles of the group. So a register tile reads V as one stream, and its
//! rows are a constant apart. U is in panels of a few vectors of filters and is read as one stream as well; the first
//! group prefetches what the next cell needs.
//!
//! The inner loop is that of [`crate::kernels::microkernel`], in a layout of its own for small matrices: with few
//! channels a register tile is done soon, so there is little before and behind the loop, and the loop is unrolled.

use super::{LINE, odd_lines};
use crate::kernels::conv2d::choice::winograd::panel_columns;
use crate::kernels::simd::{Kernel, Simd, ValidPointers, accumulate, from_fn};

/// Channels of an iteration of the unrolled inner loop. V and U have zeros up to a multiple of it.
pub(super) const UNROLL: usize = 4;

/// Vectors of the widest panel of U, if it has `channels` rows and `columns`.
#[inline(always)]
fn panel_vectors<S: Simd>(channels: usize, columns: usize) -> usize {
    let widest = panel_columns(channels, S::SHAPE) / S::LANES;
    widest.min(columns.div_ceil(S::LANES))
}

/// The width of the panel of U that starts at `column`: whole vectors.
#[inline(always)]
pub(super) fn panel_width<S: Simd>(channels: usize, columns: usize, column: usize) -> usize {
    let left = (columns - column).div_ceil(S::LANES);
    panel_vectors::<S>(channels, columns).min(left) * S::LANES
}

/// From a cell of a panel of U with so many rows to the next: an odd number of cache lines. A power of two would put
/// all cells into the same cache sets, and the transform of a kernel writes to all of them in turn.
#[inline(always)]
pub(super) const fn u_cell(rows: usize, width: usize) -> usize {
    odd_lines(rows * width)
}

/// The offset in U of the panel that begins at `column`; for the number of columns, the length of U.
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

/// The most rows of a register tile that is so wide. Asked in `const` blocks where it decides what is compiled.
#[inline(always)]
const fn tile_height<S: Simd>(vectors: usize) -> usize {
    let fit = S::ACCUMULATORS / vectors.next_power_of_two();
    if fit < 8 { fit } else { 8 }
}

/// Groups of tiles, each the rows of a register tile.
#[derive(Clone, Copy)]
pub(super) struct TileGroups {
    pub cells: usize,
    /// How many tiles there are in all.
    tiles: usize,
    /// How many groups.
    pub count: usize,
    /// The tiles that each group has room for.
    pub capacity: usize,
}

impl TileGroups {
    /// TileGroups for the products of `tiles` with U of `channels` rows and `columns`.
    #[inline(always)]
    pub fn new<S: Simd>(cells: usize, tiles: usize, channels: usize, columns: usize) -> Self {
        let capacity = tile_height::<S>(panel_vectors::<S>(channels, columns));
        Self {
            cells,
            tiles,
            count: tiles.div_ceil(capacity),
            capacity,
        }
    }

    /// How many groups have one tile more than the others, and how many tiles the others have. Heights differ by one at
    /// most: a register tile of one row would be slow, because each of its sums waits for the one before.
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

    /// From a cell of a group to the next, if each tile has `values`.
    #[inline(always)]
    pub fn cell(&self, values: usize) -> usize {
        odd_lines(self.capacity * values)
    }
}

/// The products of all cells with one panel.
pub(super) struct BatchedGemm {
    pub groups: TileGroups,
    /// Rows of U, before zeros.
    pub channels: usize,
    /// Columns of the panel.
    pub width: usize,
    /// `[groups, cells, channels / LINE, capacity, LINE]`, see [`TileGroups::cell`].
    pub v: *const f32,
    /// `[cells, channels, width]`, see [`u_cell`].
    pub u: *const f32,
    /// `[groups, cells, capacity, width]`, overwritten.
    pub m: *mut f32,
    /// V and U are valid for reads, and M for writes.
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
/// In a low tile each multiply-add waits for the one before it. So a tile of 2 vectors takes as long with one row as
/// with 4, and one of a single vector as long as with all rows of a group: the lower ones would gain nothing.
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
/// The machine has the target features of `S`. The columns are those of the panel, and the pointers of `products` are
/// valid.
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
        let part = Part {
            cell,
            column,
            groups: [first, end],
        };
        // If there is no register tile for so few rows, it computes rows without a tile too.
        let height = match VECTORS {
            1 => products.groups.capacity,
            2 => height.max(4),
            _ => height.max(2),
        };
        // SAFETY: the groups are those of the products. All have room for `capacity` tiles: 4 at least, and no fewer
        // than there are.
        unsafe {
            match height {
                8 if const { is_compiled::<S>(8, VECTORS) } => {
                    tiles::<S, 8, VECTORS>(products, part)
                }
                7 if const { is_compiled::<S>(7, VECTORS) } => {
                    tiles::<S, 7, VECTORS>(products, part)
                }
                6 if const { is_compiled::<S>(6, VECTORS) } => {
                    tiles::<S, 6, VECTORS>(products, part)
                }
                5 if const { is_compiled::<S>(5, VECTORS) } => {
                    tiles::<S, 5, VECTORS>(products, part)
                }
                4 if const { is_compiled::<S>(4, VECTORS) } => {
                    tiles::<S, 4, VECTORS>(products, part)
                }
                3 if const { is_compiled::<S>(3, VECTORS) } => {
                    tiles::<S, 3, VECTORS>(products, part)
                }
                2 if const { is_compiled::<S>(2, VECTORS) } => {
                    tiles::<S, 2, VECTORS>(products, part)
                }
                _ => unreachable!("a tile of another height"),
            }
        }
    }
}

/// Register tiles of one height, for one cell.
struct Part {
    cell: usize,
    column: usize,
    /// The first group, and the one behind the last.
    groups: [usize; 2],
}

/// The register tiles of `HEIGHT` rows and `VECTORS` vectors of a part.
///
/// # Safety
/// The machine has the target features of `S`. The groups have room for `HEIGHT` tiles, the panel has these columns,
/// and the pointers of `products` are valid.
#[inline(always)]
unsafe fn tiles<S: Simd, const HEIGHT: usize, const VECTORS: usize>(
    products: &BatchedGemm,
    part: Part,
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
    // SAFETY: for the whole function: the rows and columns are those of V, U and M, which are valid.
    unsafe {
        let u_cell = u_cell(rows, width);
        let start = products.u.add(part.cell * u_cell + part.column);
        for group in part.groups[0]..part.groups[1] {
            let at = group * groups.cells + part.cell;
            let mut v = products.v.add(at * v_cell);
            let mut u = start;
            // The first group prefetches U for the next cell.
            let mut next = match group {
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
                v = v.wrapping_add(groups.capacity * LINE);
                left -= line;
            }
            let m = products.m.add(at * m_cell + part.column);
            for (i, sums) in sums.iter().enumerate() {
                for (j, &sum) in sums.iter().enumerate() {
                    S::store(m.add(i * width + j * S::LANES), sum);
                }
            }
        }
    }
}
