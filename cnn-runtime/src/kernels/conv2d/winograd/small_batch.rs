//! The products of a small batch: so few tiles that reading U takes longer than multiplying with it.
//!
//! U of tiles of 4x4 outputs is four times as long as the kernel. One image of 8x8 cells has four tiles: each value of
//! U is used four times, and then leaves the cache before the next image. So here the kernel is stored
//! half-transformed, down its columns alone, which is half as long as U, and the transform of its rows follows in
//! registers:
//!
//! ```text
//! kernel ── G g, once after each change ──▶ W [vectors of filters][rows of cells][channels][3]
//! for a vector of filters, for a row of cells:
//!   W ── · Gᵀ ──▶ a row of U in registers ── products with V, all tiles ──▶ M
//! ```
//!
//! Values of U and the order of sums are those of [`super::gemm`], so the results are the same to the bit.

use super::LINE;
use super::filtering::{Filtering, Four};
use crate::kernels::conv2d::choice::winograd::SMALL_BATCH_ACCUMULATORS;
pub(super) use crate::kernels::conv2d::choice::winograd::SMALL_BATCH_EDGE as EDGE;
use crate::kernels::simd::{Kernel, Simd, ValidPointers, from_fn};

/// How many channels ahead W is prefetched.
const PREFETCH_CHANNELS: usize = 16;

/// Floats of W, for every length of vectors.
pub(super) const fn packed([channels, filters]: [usize; 2]) -> usize {
    filters.div_ceil(LINE) * panel(channels, LINE)
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

/// Whether there are registers for the sums. Asked in `const` blocks, so that nothing is compiled if not.
pub(super) const fn is_compiled<S: Simd>() -> bool {
    S::ACCUMULATORS >= SMALL_BATCH_ACCUMULATORS
}

/// Floats of V from a row of cells to the next, from a cell to the next, and from a line of channels to the next.
#[inline(always)]
pub(super) const fn v_steps(tiles: usize, channels: usize) -> [usize; 3] {
    let cell = tiles * LINE;
    [channels.div_ceil(LINE) * EDGE * cell, cell, EDGE * cell]
}

/// Writes W, on instruction sets that read it.
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
                // SAFETY: the filters are those of the kernel, and W has a panel for each vector of them.
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
                            let offset = (i * channels + channel) * 3 + j;
                            S::store(w.add(offset * S::LANES), value);
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
    /// V and W are valid for reads, and M for writes.
    pub _valid: ValidPointers,
}

impl Kernel for &SmallBatch {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        if const { !is_compiled::<S>() } {
            unreachable!("no registers for the sums");
        }
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            match self.tiles {
                1 => multiply::<S, 1>(self),
                2 => multiply::<S, 2>(self),
                3 => multiply::<S, 3>(self),
                4 => multiply::<S, 4>(self),
                tiles => unreachable!("{tiles} tiles of a small batch"),
            }
        }
    }
}

/// The products of `COUNT` tiles.
///
/// # Safety
/// The machine has the target features of `S`.
#[inline(always)]
unsafe fn multiply<S: Simd, const COUNT: usize>(batch: &SmallBatch) {
    let [v_row, v_cell, v_line] = v_steps(COUNT, batch.channels);
    let mut w = batch.w;
    for i in 0..EDGE {
        // SAFETY: the rows of cells are valid, and `left` counts their channels.
        unsafe {
            let mut sums = [[S::splat(0.0); EDGE]; COUNT];
            let mut v = batch.v.add(i * v_row);
            let mut left = batch.channels;
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
                        S::prefetch(w.wrapping_add((3 * PREFETCH_CHANNELS + j) * S::LANES));
                    }
                    w = w.wrapping_add(3 * S::LANES);
                }
                v = v.wrapping_add(v_line);
                left = left.saturating_sub(LINE);
            }
            let m = batch.m.add(i * EDGE * batch.m_cell);
            for (t, sums) in sums.iter().enumerate() {
                for (j, &sum) in sums.iter().enumerate() {
                    S::store(m.add(j * batch.m_cell + t * S::LANES), sum);
                }
            }
        }
    }
}
