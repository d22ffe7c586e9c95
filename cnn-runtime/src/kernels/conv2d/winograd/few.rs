//! The products of so few tiles that reading U would take longer than multiplying with it.
//!
//! U of 4x4 outputs is four times as long as the kernel. An image of 8x8 has four tiles, so each of its values is
//! multiplied four times and then waits for the next image, by which time larger caches than the second have to bring it
//! again. Here the kernel itself is read instead, once, and transformed on the way:
//!
//! ```text
//! for a vector of filters, for a block of channels:
//!   kernel ── G g, down the columns ──▶ [rows of cells][channels][3], in the first-level cache
//!   for a row of cells: ── · Gᵀ ──▶ a row of U in registers ── products with V, all tiles ──▶ sums in M
//! ```
//!
//! The values of U and the order of sums are those of [`products`](super::products), so the results are, to the bit.

use super::filtering::{Filtering, Four};
use super::{LINE, TileSize};
use crate::kernels::simd::{Kernel, Promise, Simd};

/// Cells of a row.
pub(super) const EDGE: usize = 6;
/// The most tiles: as many as have room for the sums of a row of cells in registers.
const TILES: usize = 4;
/// Channels of a block: their kernels, transformed down the columns, take 36 KiB.
const CHANNELS: usize = 16;
/// Bytes of U from which on it is too long: half a second-level cache of 1 MiB.
const LONG: usize = 512 * 1024;

/// Floats of scratch for the kernels of a block.
pub(super) const SCRATCH: usize = EDGE * CHANNELS * 3 * LINE;

/// Whether this is for calls of `tiles`.
#[inline(always)]
pub(super) const fn is_best(size: TileSize, tiles: usize, [channels, filters]: [usize; 2]) -> bool {
    let u = EDGE * EDGE * channels * filters * size_of::<f32>();
    matches!(size, TileSize::Four) && 0 < tiles && tiles <= TILES && u > LONG
}

/// Whether it is compiled for an instruction set.
pub(super) const fn is_compiled<S: Simd>() -> bool {
    S::ACCUMULATORS >= EDGE * TILES
}

/// Floats of V from a row of cells, from a cell, and from a line of channels to the next.
#[inline(always)]
pub(super) const fn v_steps(tiles: usize, channels: usize) -> [usize; 3] {
    let cell = tiles * LINE;
    [channels.div_ceil(LINE) * EDGE * cell, cell, EDGE * cell]
}

/// The products of all cells with one vector of filters.
pub(super) struct FewTiles<'a> {
    pub tiles: usize,
    pub channels: usize,
    pub filters: usize,
    /// The first filter of the vector.
    pub filter: usize,
    /// `[9, channels, filters]`
    pub kernel: &'a [f32],
    /// `[cell rows, channels / LINE, cells of a row, tiles, LINE]`
    pub v: *const f32,
    /// `[cells, tiles, LANES]`, overwritten.
    pub m: *mut f32,
    /// From a cell of M to the next.
    pub m_cell: usize,
    /// [`SCRATCH`] floats.
    pub scratch: *mut f32,
    /// That V may be read, and M and the scratch written.
    pub _promise: Promise,
}

impl Kernel for &FewTiles<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        if const { !is_compiled::<S>() } {
            unreachable!("few tiles with few registers");
        }
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            match self.tiles {
                1 => multiply::<S, 1>(self),
                2 => multiply::<S, 2>(self),
                3 => multiply::<S, 3>(self),
                4 => multiply::<S, 4>(self),
                tiles => unreachable!("{tiles} are not few tiles"),
            }
        }
    }
}

#[inline(always)]
unsafe fn multiply<S: Simd, const COUNT: usize>(few: &FewTiles<'_>) {
    let FewTiles {
        channels,
        filters,
        filter,
        kernel,
        v,
        m,
        m_cell,
        scratch,
        ..
    } = *few;
    assert!(kernel.len() == 9 * channels * filters && filter < filters);
    let tap = channels * filters;
    let [v_row, v_cell, v_line] = v_steps(COUNT, channels);
    for first in (0..channels).step_by(CHANNELS) {
        let count = CHANNELS.min(channels - first);
        let block = kernel.as_ptr().wrapping_add(first * filters + filter);
        // What comes next: the following channels, or the next vector of filters.
        let next = match first + CHANNELS < channels {
            true => block.wrapping_add(CHANNELS * filters),
            false => kernel.as_ptr().wrapping_add(filter + S::LANES),
        };
        // SAFETY: filters and channels are those of the kernel; the promise covers the rest.
        unsafe {
            transform::<S>(
                block,
                [tap, filters],
                count,
                S::LANES.min(filters - filter),
                scratch,
            );
            for i in 0..EDGE {
                let m = m.add(i * EDGE * m_cell);
                let mut sums = [[S::splat(0.0); EDGE]; COUNT];
                if first > 0 {
                    for (t, sums) in sums.iter_mut().enumerate() {
                        for (j, sum) in sums.iter_mut().enumerate() {
                            *sum = S::load(m.add(j * m_cell + t * S::LANES));
                        }
                    }
                }
                let mut g = scratch.cast_const().add(i * CHANNELS * 3 * S::LANES);
                let mut soon = next.wrapping_add(i * tap + S::LANES - 1);
                let mut line = v.add(i * v_row + first / LINE * v_line);
                let mut left = count;
                while left > 0 {
                    for channel in 0..left.min(LINE) {
                        let row = [0, 1, 2].map(|j| S::load(g.add(j * S::LANES)));
                        let u = Four::kernel::<S>(row);
                        for (t, sums) in sums.iter_mut().enumerate() {
                            for (j, sum) in sums.iter_mut().enumerate() {
                                let value = *line.add(j * v_cell + t * LINE + channel);
                                *sum = S::fma(S::splat(value), u[j], *sum);
                            }
                        }
                        g = g.wrapping_add(3 * S::LANES);
                        S::prefetch(soon);
                        if i < 9 - EDGE {
                            S::prefetch(soon.wrapping_add(EDGE * tap));
                        }
                        soon = soon.wrapping_add(filters);
                    }
                    line = line.wrapping_add(v_line);
                    left = left.saturating_sub(LINE);
                }
                for (t, sums) in sums.iter().enumerate() {
                    for (j, &sum) in sums.iter().enumerate() {
                        S::store(m.add(j * m_cell + t * S::LANES), sum);
                    }
                }
            }
        }
    }
}

/// `G g` of a block of channels to `to`, `[EDGE, CHANNELS, 3, LANES]`. A tap and a channel go `steps` further.
#[inline(always)]
unsafe fn transform<S: Simd>(
    kernel: *const f32,
    steps: [usize; 2],
    channels: usize,
    filters: usize,
    to: *mut f32,
) {
    for channel in 0..channels {
        for j in 0..3 {
            // SAFETY: the caller vouches for the kernel and the scratch.
            unsafe {
                let g = [0, 1, 2].map(|i| {
                    let place = (i * 3 + j) * steps[0] + channel * steps[1];
                    S::load_first(kernel.add(place), filters)
                });
                for (i, &value) in Four::kernel::<S>(g).iter().enumerate() {
                    S::store(to.add(((i * CHANNELS + channel) * 3 + j) * S::LANES), value);
                }
            }
        }
    }
}

const _: () = assert!(CHANNELS.is_multiple_of(LINE));
