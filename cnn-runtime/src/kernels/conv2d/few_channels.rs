//! Convolution of images with few channels, grey or coloured, with its 2x2 max-pool in registers: first layers.
//!
//! If a kernel sees few values, storing the convolution's output and loading it for the pool takes most of the time. So
//! here the sums of all four cells of a window stay in registers, and only the maximum is stored, with its argmax:
//!
//! ```text
//! image ── for some windows, for a vector or two of filters: sums of 2x2 cells ── maximum, argmax ──▶ y, argmax
//! ```
//!
//! Sums have the order of [`super::direct`], which computes the windows at the upper and lower border, so both give the
//! same bits.

use super::Conv2d;
use super::choice::pooled::{
    FEW_CHANNELS_ACCUMULATORS as ACCUMULATORS, FEW_CHANNELS_WINDOWS as WINDOWS, cell_step,
};
use super::pooled::{load, max_of_four, store};
use crate::kernels::simd::{Kernel, Simd, accumulate};

/// One row of windows, whose cells see the whole height of the kernel.
pub(super) struct WindowRow<'a> {
    /// One that this module [supports](super::choice::pooled::supports_few_channels).
    pub conv: &'a Conv2d,
    /// Starts with the first value that the first window sees.
    pub image: &'a [f32],
    /// From a row of the image to the next.
    pub image_row: usize,
    /// `[kernel height, kernel width, channels, filters]`.
    pub kernel: &'a [f32],
    /// `[filters]` or empty.
    pub bias: &'a [f32],
    /// Whether negative results become 0.
    pub relu: bool,
    /// `[windows, filters]`, overwritten.
    pub y: &'a mut [f32],
    /// As long as `y`, or empty: then none is written.
    pub argmax: &'a mut [u8],
}

impl Kernel for WindowRow<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // Asked in a `const` block, so that nothing is compiled for the portable instance.
        if const { S::ACCUMULATORS < ACCUMULATORS } {
            unreachable!("no registers for a tile");
        }
        // SAFETY: the caller vouches for the features.
        unsafe {
            match cell_step(self.conv) {
                1 => tiles::<S, 1>(self),
                3 => tiles::<S, 3>(self),
                _ => unreachable!("a geometry that is not supported"),
            }
        }
    }
}

/// All tiles of the row: all windows for the first filters, then for the next ones.
///
/// # Safety
/// The machine has the features of `S`.
#[inline(always)]
unsafe fn tiles<S: Simd, const STEP: usize>(mut row: WindowRow<'_>) {
    let conv = row.conv;
    let [windows, filters] = [row.y.len() / conv.output[2], conv.output[2]];
    // Values of a row that the kernel sees side by side.
    let run = conv.kernel[1] * conv.input[2];
    let last_row = conv.strides[0] + (conv.kernel[0] - 1) * conv.dilation[0];
    assert!(windows >= WINDOWS, "windows of a tile");
    assert!(
        last_row * row.image_row + (2 * windows - 1) * STEP + run <= row.image.len(),
        "what a row of windows sees"
    );
    assert_eq!(row.kernel.len(), conv.kernel[0] * run * filters, "a kernel");
    assert!(row.bias.is_empty() || row.bias.len() == filters);
    assert_eq!(row.y.len(), windows * filters, "a row of windows");
    assert!(row.argmax.is_empty() || row.argmax.len() == row.y.len());
    let mut filter = 0;
    while filter < filters {
        let left = filters - filter;
        let is_double = is_wide::<S>() && left >= 2 * S::LANES;
        let count = left.min(S::LANES);
        for first in (0..windows).step_by(WINDOWS) {
            // The last tile may overlap the one before it; both compute the same.
            let first = first.min(windows - WINDOWS);
            // SAFETY: the assertions above; `first + WINDOWS` is at most `windows`, and the vectors end
            // before `filters`.
            unsafe {
                if const { is_wide::<S>() } && is_double {
                    tile::<S, STEP, 2, false>(&mut row, first, filter, count);
                } else if const { !is_wide::<S>() } && left >= S::LANES {
                    tile::<S, STEP, 1, false>(&mut row, first, filter, count);
                } else {
                    // Instruction sets with enough registers for two vectors mask without cost, so full vectors take
                    // this tile too: one tile less to compile.
                    tile::<S, STEP, 1, true>(&mut row, first, filter, count);
                }
            }
        }
        filter += if is_double { 2 * count } else { count };
    }
}

/// Whether there are registers for tiles of two vectors. Asked in `const` blocks, so that only the tiles that run are
/// compiled.
#[inline(always)]
const fn is_wide<S: Simd>() -> bool {
    2 * ACCUMULATORS <= S::ACCUMULATORS
}

/// `WINDOWS` windows from `first` on, and the filters from `filter` on that `VECTORS` vectors hold, of
/// `count` lanes each: all of them, unless it is `MASKED`.
///
/// # Safety
/// They are inside the row, whose lengths [`tiles`] has asserted, and the machine has the target features of `S`.
#[inline(always)]
unsafe fn tile<S: Simd, const STEP: usize, const VECTORS: usize, const MASKED: bool>(
    row: &mut WindowRow<'_>,
    first: usize,
    filter: usize,
    count: usize,
) {
    let conv = row.conv;
    let filters = conv.output[2];
    let run = conv.kernel[1] * conv.input[2];
    // SAFETY: for the whole function: the windows and filters exist, so by the lengths that `tiles` asserts, what their
    // cells see is in the image, and their results are in `y` and `argmax`.
    unsafe {
        let mut start = [S::splat(0.0); VECTORS];
        if !row.bias.is_empty() {
            for (j, start) in start.iter_mut().enumerate() {
                *start = load::<S>(row.bias.as_ptr().add(filter + j * S::LANES), count);
            }
        }
        // The cells of all windows in the upper row, then those in the lower one.
        let mut sums = [[start; 2 * WINDOWS]; 2];
        let image = row.image.as_ptr().add(2 * first * STEP);
        let mut kernel = row.kernel.as_ptr().add(filter);
        for ky in 0..conv.kernel[0] {
            let upper = image.add(ky * conv.dilation[0] * row.image_row);
            let lower = upper.add(conv.strides[0] * row.image_row);
            for value in 0..run {
                let mut weights = start;
                for (j, weights) in weights.iter_mut().enumerate() {
                    // Not `load`: it has a branch, which costs more in here than a mask.
                    *weights = match MASKED {
                        true => S::load_first(kernel.add(j * S::LANES), count),
                        false => S::load(kernel.add(j * S::LANES)),
                    };
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let image = [upper, lower][row];
                    for (column, sums) in sums.iter_mut().enumerate() {
                        let value = S::splat(*image.add(column * STEP + value));
                        accumulate::<S, _>(sums, value, &weights);
                    }
                }
                kernel = kernel.wrapping_add(filters);
            }
        }
        let [upper, lower] = sums;
        for window in 0..WINDOWS {
            let [left, right] = [2 * window, 2 * window + 1];
            for j in 0..VECTORS {
                let cells = [
                    [upper[left][j], upper[right][j]],
                    [lower[left][j], lower[right][j]],
                ];
                let (maximum, argmax) = max_of_four::<S>(cells, [0, 2]);
                let maximum = if row.relu { S::relu(maximum) } else { maximum };
                let offset = (first + window) * filters + filter + j * S::LANES;
                store::<S>(row.y.as_mut_ptr().add(offset), maximum, count);
                if !row.argmax.is_empty() {
                    S::store_bytes(row.argmax.as_mut_ptr().add(offset), argmax, count);
                }
            }
        }
    }
}
