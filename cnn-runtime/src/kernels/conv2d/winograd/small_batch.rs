//! The products of so few tiles that reading U takes longer than multiplying with it.
//!
//! U of 4x4 outputs is four times as long as the kernel. An image of 8x8 has four tiles, so each value of U is
//! multiplied four times and then waits for the next image, for which it comes from the third-level cache again. Here a
//! kernel is read that is transformed down its columns alone, half as long, and multiplied with the rows of Gᵀ on the way:
//!
//! ```text
//! kernel ── G g, once after each change ──▶ W [vectors of filters][rows of cells][channels][3]
//! for a vector of filters, for a row of cells:
//!   W ── · Gᵀ ──▶ a row of U in registers ── products with V, all tiles ──▶ M
//! ```
//!
//! Values of U and the order of sums are those of [`products`](super::gemm), so the results are the same to the bit.

use super::filtering::{Filtering, Four};
use super::{LINE, TileSize};
use crate::kernels::simd::{Kernel, Simd, ValidPointers, from_fn};

/// Cells of a row.
pub(super) const EDGE: usize = 6;
/// The most tiles: as many as have room for the sums of a row of cells in registers.
const TILES: usize = 4;
/// Bytes of U from which on it is too long: half a second-level cache of 1 MiB. On a Xeon with AVX-512, 64 -> 128 channels
/// on 8x8 cells take 24 µs with a U in cache and 49 µs with one beyond; with W 25 and 28. 128 -> 128 take 96 and 55 µs,
/// both beyond.
const LONG: usize = 512 * 1024;
/// Channels whose part of W is fetched ahead.
const SOON: usize = 16;

/// Floats of W for images of `tiles`, with the longest vectors; 0 if they take U in any case.
pub(super) const fn packed(size: TileSize, tiles: usize, [channels, filters]: [usize; 2]) -> usize {
    let u = EDGE * EDGE * channels * filters * size_of::<f32>();
    match size {
        TileSize::Four if tiles <= TILES && u > LONG => {
            filters.div_ceil(LINE) * panel(channels, LINE)
        }
        _ => 0,
    }
}

/// Floats of W of a vector of filters.
const fn panel(channels: usize, lanes: usize) -> usize {
    EDGE * channels * 3 * lanes
}

/// Floats of W.
#[inline(always)]
pub(super) const fn length<S: Simd>([channels, filters]: [usize; 2]) -> usize {
    filters.div_ceil(S::LANES) * panel(channels, S::LANES)
}

/// Whether a call with so many tiles takes W, where there is one.
#[inline(always)]
pub(super) const fn is_best<S: Simd>(tiles: usize) -> bool {
    is_compiled::<S>() && 0 < tiles && tiles <= TILES
}

/// Whether there are registers for the sums.
const fn is_compiled<S: Simd>() -> bool {
    S::ACCUMULATORS >= EDGE * TILES
}

/// Floats of V from a row of cells, from a cell, and from a line of channels to the next.
#[inline(always)]
pub(super) const fn v_steps(tiles: usize, channels: usize) -> [usize; 3] {
    let cell = tiles * LINE;
    [channels.div_ceil(LINE) * EDGE * cell, cell, EDGE * cell]
}

/// Writes W, where it is taken.
pub(super) struct TransformColumns<'a> {
    pub channels: usize,
    pub filters: usize,
    /// `[9, channels, filters]`
    pub kernel: &'a [f32],
    /// [`packed`] floats.
    pub w: &'a mut [f32],
}

impl Kernel for TransformColumns<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            channels,
            filters,
            kernel,
            w,
        } = self;
        if const { !is_compiled::<S>() } {
            return;
        }
        let tap = channels * filters;
        assert!(kernel.len() == 9 * tap && w.len() >= length::<S>([channels, filters]));
        for filter in (0..filters).step_by(S::LANES) {
            let count = S::LANES.min(filters - filter);
            for channel in 0..channels {
                // SAFETY: the filters are those of the kernel, and the places those of their panel.
                unsafe {
                    let g = kernel.as_ptr().add(channel * filters + filter);
                    let w = w.as_mut_ptr().add(length::<S>([channels, filter]));
                    let mut rows = [[S::splat(0.0); 3]; EDGE];
                    for j in 0..3 {
                        let column = Four::kernel::<S>(from_fn(|i| {
                            S::load_first(g.add((i * 3 + j) * tap), count)
                        }));
                        for (i, row) in rows.iter_mut().enumerate() {
                            row[j] = column[i];
                        }
                    }
                    for (i, &row) in rows.iter().enumerate() {
                        for (j, &value) in Four::scale::<S>(row).iter().enumerate() {
                            let place = (i * channels + channel) * 3 + j;
                            S::store(w.add(place * S::LANES), value);
                        }
                    }
                }
            }
        }
    }
}

/// The products of all cells with one vector of filters.
pub(super) struct SmallBatch {
    pub tiles: usize,
    pub channels: usize,
    /// `[cell rows, channels / LINE, cells of a row, tiles, LINE]`
    pub v: *const f32,
    /// `[cell rows, channels, 3, LANES]`
    pub w: *const f32,
    /// `[cells, tiles, LANES]`, overwritten.
    pub m: *mut f32,
    /// From a cell of M to the next.
    pub m_cell: usize,
    /// That V and W may be read, and M written.
    pub _valid: ValidPointers,
}

impl Kernel for &SmallBatch {
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
unsafe fn multiply<S: Simd, const COUNT: usize>(few: &SmallBatch) {
    let [v_row, v_cell, v_line] = v_steps(COUNT, few.channels);
    let mut w = few.w;
    for i in 0..EDGE {
        // SAFETY: the promise covers the rows of cells, and `left` counts their channels.
        unsafe {
            let mut sums = [[S::splat(0.0); EDGE]; COUNT];
            let mut v = few.v.add(i * v_row);
            let mut left = few.channels;
            while left > 0 {
                for channel in 0..left.min(LINE) {
                    let g = from_fn(|j| S::load(w.add(j * S::LANES)));
                    let u = Four::scaled_kernel::<S>(g);
                    for (t, sums) in sums.iter_mut().enumerate() {
                        for (j, sum) in sums.iter_mut().enumerate() {
                            let value = S::splat(*v.add(j * v_cell + t * LINE + channel));
                            *sum = S::fma(value, u[j], *sum);
                        }
                    }
                    for j in 0..3 {
                        S::prefetch(w.wrapping_add((3 * SOON + j) * S::LANES));
                    }
                    w = w.wrapping_add(3 * S::LANES);
                }
                v = v.wrapping_add(v_line);
                left = left.saturating_sub(LINE);
            }
            let m = few.m.add(i * EDGE * few.m_cell);
            for (t, sums) in sums.iter().enumerate() {
                for (j, &sum) in sums.iter().enumerate() {
                    S::store(m.add(j * few.m_cell + t * S::LANES), sum);
                }
            }
        }
    }
}
