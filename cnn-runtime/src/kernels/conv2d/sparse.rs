//! The gradients of a convolution that a fused max-pool follows, from the argmax alone.
//!
//! A pool of `k x k` windows leaves at most one of `k²` gradients of the convolution's output that is not zero, and a
//! relu zeroes more of them. So both gradients are sums of few scaled patches or weights. [`Sums`] computes both, from
//! lists of (offset, scale):
//!
//! ```text
//! dz, argmax ──▶ lists ──▶ Sums
//! kernel gradient: a list for each filter:      dK[filter] += Σ over its windows  g * patch of x at the argmax
//! input gradient:  a list for each argmax cell: dx[patch]  += Σ over its filters  g * K[filter]
//! ```
//!
//! Images are processed in blocks of windows, so that the lists and what they name stay in the first-level cache.

mod lists;
mod sums;

use self::lists::{Lists, as_u32};
use self::sums::Sums;
use super::padded_input::PaddedInput;
use super::{BackwardInput, BackwardKernel, Conv2d, FusedPool};
use crate::kernels::simd::{Kernel, MAX_LANES, Simd, ValidPointers};

/// Windows of a block of the kernel gradient.
const KERNEL_BLOCK: usize = 32;
/// Windows of a block of the input gradient.
const INPUT_BLOCK: usize = 32;
/// Rows of a patch that one pass over the lists sums up: all rows of 3x3 and 5x5 kernels, if channels are few. Another
/// pass reads the lists again, and the ends of short lists are mispredicted branches.
const MAX_ROWS: usize = 5;
/// The most weights for which the input gradient reads all rows of the kernel in one pass. If there are more, it reads
/// a row of the kernel at a time, whose weights stay in the first-level cache.
const MAX_WEIGHTS: usize = 10_000;

/// Floats of scratch memory.
pub(super) const fn kernel_gradient_scratch(conv: &Conv2d) -> usize {
    let Some(pool) = conv.pool else { return 0 };
    PaddedInput::new(conv).scratch()
        + Lists::scratch(
            min(windows_of_image(conv), KERNEL_BLOCK) * conv.output[2] + MAX_LANES,
            conv.output[2],
        )
        + TRANSPOSED
        + windows_of_image(conv) * pool.size[0] * pool.size[1]
}

/// Floats of scratch memory.
pub(super) const fn input_gradient_scratch(conv: &Conv2d) -> usize {
    let Some(pool) = conv.pool else { return 0 };
    let block = min(windows_of_image(conv), INPUT_BLOCK);
    let lists = block * pool.size[0] * pool.size[1];
    PaddedInput::new(conv).scratch()
        + Lists::scratch(block * conv.output[2] + MAX_LANES, lists)
        + 3 * conv.output[2].next_multiple_of(MAX_LANES)
        + windows_of_image(conv) * pool.size[0] * pool.size[1]
}

/// Adds to the gradient, laid out as `[filters, ..patch]`.
pub(super) fn kernel_gradient(conv: &Conv2d, operands: BackwardKernel<'_>) {
    let BackwardKernel {
        isa,
        x,
        dz,
        argmax,
        kernel_gradient,
        scratch,
    } = operands;
    let pool = fused(conv);
    let padded_input = PaddedInput::new(conv);
    let filters = conv.output[2];
    let windows = windows_of_image(conv);
    let block = windows.min(KERNEL_BLOCK);
    let (copy, scratch) = scratch.split_at_mut(padded_input.scratch());
    let (transposed, scratch) = scratch.split_at_mut(TRANSPOSED);
    let cells_per_window = pool.size[0] * pool.size[1];
    let (patches, scratch) = scratch.split_at_mut(windows * cells_per_window);
    let patches = as_u32(patches);
    write_patch_offsets(conv, &pool, &padded_input, patches);
    let mut lists = Lists::new(scratch, block * filters + MAX_LANES, filters);

    let images = x
        .chunks_exact(conv.input_len())
        .zip(dz.chunks_exact(windows * filters))
        .zip(argmax.chunks_exact(windows * filters));
    for ((x, dz), argmax) in images {
        let x = padded_input.of(conv, x, copy);
        for first in (0..windows).step_by(block) {
            let end = windows.min(first + block);
            let block = first * filters..end * filters;
            isa.run(KernelBlock {
                conv,
                pool,
                padded_input,
                x,
                dz: &dz[block.clone()],
                argmax: &argmax[block],
                kernel_gradient,
                patches: &patches[first * cells_per_window..end * cells_per_window],
                transposed,
                lists: &mut lists,
            });
        }
    }
}

/// Writes the offset of the patch of each cell of each window of the pool.
///
/// Cells in the padding have a negative offset, which wraps. They are never an argmax; an argmax that no forward pass
/// wrote leads to the last patch at most.
fn write_patch_offsets(
    conv: &Conv2d,
    pool: &FusedPool,
    padded_input: &PaddedInput,
    patches: &mut [u32],
) {
    // Products are computed once: the loops below run for each image.
    let [down, right] = [[1, 0], [0, 1]].map(|cell| padded_input.patch(conv, cell) as u32);
    let last = (conv.output[0] - 1) as u32 * down + (conv.output[1] - 1) as u32 * right;
    let first = 0_u32
        .wrapping_sub(pool.padding[0] as u32 * down)
        .wrapping_sub(pool.padding[1] as u32 * right);
    let [window_down, window_right] = [
        pool.strides[0] as u32 * down,
        pool.strides[1] as u32 * right,
    ];
    // The innermost loop is the longest.
    let cells = pool.size[0] * pool.size[1];
    for cell in 0..cells {
        let [row, column] = [cell / pool.size[1], cell % pool.size[1]].map(|index| index as u32);
        let mut line = first.wrapping_add(row * down).wrapping_add(column * right);
        for patches in patches.chunks_exact_mut(pool.output[1] * cells) {
            let mut offset = line;
            let mut at = cell;
            while at < patches.len() {
                patches[at] = offset.min(last);
                offset = offset.wrapping_add(window_right);
                at += cells;
            }
            line = line.wrapping_add(window_down);
        }
    }
}

/// The part of some windows of an image in the gradient of the kernel.
struct KernelBlock<'a, 'b> {
    conv: &'a Conv2d,
    pool: FusedPool,
    padded_input: PaddedInput,
    /// The padded input of the image.
    x: &'a [f32],
    /// `[windows, filters]`.
    dz: &'a [f32],
    /// As long as `dz`.
    argmax: &'a [u8],
    /// `[filters, ..patch]`.
    kernel_gradient: &'a mut [f32],
    /// The offset of the patch of each cell of each window in the padded input.
    patches: &'a [u32],
    /// As [`TRANSPOSED`] says.
    transposed: &'a mut [f32],
    lists: &'a mut Lists<'b>,
}

/// Floats of three matrices: offsets of patches as `[windows, filters]`, a square of vectors; and for all windows of a
/// block, as `[filters, windows]`, these offsets and the gradients.
const TRANSPOSED: usize = MAX_LANES * MAX_LANES + 2 * MAX_LANES * KERNEL_BLOCK;

impl Kernel for KernelBlock<'_, '_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            conv,
            padded_input,
            lists,
            ..
        } = self;
        let filters = conv.output[2];
        let cells_per_window = self.pool.size[0] * self.pool.size[1];
        let windows = self.dz.len() / filters;
        assert!(windows <= KERNEL_BLOCK && self.transposed.len() == TRANSPOSED);
        assert!(self.dz.len() == windows * filters && self.argmax.len() == self.dz.len());
        assert!(self.patches.len() >= windows * cells_per_window);
        assert!(lists.scales.len() >= self.dz.len() + S::LANES);
        let square = self.transposed.as_mut_ptr();
        lists.clear();
        for first in (0..filters).step_by(S::LANES) {
            let count = S::LANES.min(filters - first);
            // SAFETY: a window and `count` filters from `first` on are inside `dz` and `argmax`; the square has a
            // vector for each of up to `LANES` windows; the other two matrices have `KERNEL_BLOCK` values for each of
            // up to `LANES` filters; and the lists have room for all windows and filters, and for a vector behind them, by
            // the assertions above.
            unsafe {
                let offsets = square.add(MAX_LANES * MAX_LANES);
                let gradients = offsets.add(MAX_LANES * KERNEL_BLOCK);
                for window in (0..windows).step_by(S::LANES) {
                    let rows = S::LANES.min(windows - window);
                    for row in 0..rows {
                        let from = (window + row) * filters + first;
                        let argmax = S::load_bytes(self.argmax.as_ptr().add(from), count);
                        let patches = &self.patches[(window + row) * cells_per_window..];
                        let mut offset = S::splat(f32::from_bits(patches[0]));
                        for (cell, patch) in
                            patches.iter().enumerate().take(cells_per_window).skip(1)
                        {
                            let is_argmax = S::eq(argmax, S::splat(cell as f32));
                            let patch = S::splat(f32::from_bits(*patch));
                            offset = S::select(is_argmax, patch, offset);
                        }
                        S::store(square.add(row * S::LANES), offset);
                    }
                    let dz = self.dz.as_ptr().add(window * filters + first);
                    S::transpose(
                        [rows, count],
                        square,
                        S::LANES,
                        offsets.add(window),
                        KERNEL_BLOCK,
                    );
                    S::transpose(
                        [rows, count],
                        dz,
                        filters,
                        gradients.add(window),
                        KERNEL_BLOCK,
                    );
                }
                for filter in 0..count {
                    let mut length = lists.length;
                    for window in (0..windows).step_by(S::LANES) {
                        let rows = S::LANES.min(windows - window);
                        let g = S::load(gradients.add(filter * KERNEL_BLOCK + window));
                        let offset = S::load(offsets.add(filter * KERNEL_BLOCK + window));
                        // True for NaN too.
                        let is_entry = S::ne(g, S::splat(0.0));
                        let scales = lists.scales.as_mut_ptr().add(length);
                        S::compress(
                            lists.offsets.as_mut_ptr().add(length).cast(),
                            is_entry,
                            offset,
                            rows,
                        );
                        length += S::compress(scales, is_entry, g, rows);
                    }
                    lists.end(((first + filter) * conv.patch()) as u32, length);
                }
            }
        }
        // SAFETY: the lists have offsets of patches of the padded input, and their sums are filters of a gradient that
        // is as long as the kernel.
        unsafe {
            S::call(&Sums {
                rows: conv.kernel[0],
                rows_at_once: MAX_ROWS,
                runs: padded_input.runs,
                run: padded_input.run,
                to: self.kernel_gradient.as_mut_ptr(),
                to_row: padded_input.runs * padded_input.run,
                to_run: padded_input.run,
                from: self.x.as_ptr(),
                from_row: padded_input.patch_row,
                from_run: padded_input.run_step,
                lists,
                _valid: ValidPointers::guarantee(),
            });
        }
    }
}

/// Overwrites `dx`. The weights are `[filters, ..patch]`.
pub(super) fn input_gradient(conv: &Conv2d, operands: BackwardInput<'_>) {
    let BackwardInput {
        isa,
        dz,
        argmax,
        packed,
        dx,
        scratch,
        ..
    } = operands;
    let pool = fused(conv);
    let padded_input = PaddedInput::new(conv);
    let filters = conv.output[2];
    let windows = windows_of_image(conv);
    let (copy, scratch) = scratch.split_at_mut(padded_input.scratch());
    let padded = filters.next_multiple_of(MAX_LANES);
    let (gradients, scratch) = scratch.split_at_mut(padded);
    let (argmax_of_window, scratch) = scratch.split_at_mut(padded);
    let (weight_offsets, scratch) = scratch.split_at_mut(padded);
    let weight_offsets = as_u32(weight_offsets);
    for (filter, offset) in weight_offsets.iter_mut().enumerate() {
        *offset = (filter * conv.patch()) as u32;
    }
    let block = windows.min(INPUT_BLOCK);
    let cells_per_window = pool.size[0] * pool.size[1];
    let (patches, scratch) = scratch.split_at_mut(windows * cells_per_window);
    let patches = as_u32(patches);
    write_patch_offsets(conv, &pool, &padded_input, patches);
    let count = block * cells_per_window;
    let mut lists = Lists::new(scratch, block * filters + MAX_LANES, count);

    let images = dx
        .chunks_exact_mut(conv.input_len())
        .zip(dz.chunks_exact(windows * filters))
        .zip(argmax.chunks_exact(windows * filters));
    for ((dx, dz), argmax) in images {
        let to = if padded_input.is_image {
            &mut *dx
        } else {
            &mut *copy
        };
        to.fill(0.0);
        for first in (0..windows).step_by(block) {
            let end = windows.min(first + block);
            let block = first * filters..end * filters;
            isa.run(InputBlock {
                conv,
                padded_input,
                dz: &dz[block.clone()],
                argmax: &argmax[block],
                patches: &patches[first * cells_per_window..end * cells_per_window],
                weights: packed,
                dx: to,
                weight_offsets,
                gradients,
                argmax_of_window,
                lists: &mut lists,
            });
        }
        if !padded_input.is_image {
            padded_input.crop(conv, copy, dx);
        }
    }
}

/// The part of some windows of an image in the input gradient.
struct InputBlock<'a, 'b> {
    conv: &'a Conv2d,
    padded_input: PaddedInput,
    /// `[windows, filters]`.
    dz: &'a [f32],
    /// As long as `dz`.
    argmax: &'a [u8],
    /// The offset of the patch of each cell of each window in the padded input.
    patches: &'a [u32],
    weights: &'a [f32],
    /// The padded gradient of the image.
    dx: &'a mut [f32],
    /// For each filter the offset of its weights; here and in the next two in whole vectors.
    weight_offsets: &'a [u32],
    /// Room for the gradients of a window.
    gradients: &'a mut [f32],
    /// Room for its argmax: -1, which is no cell, where the gradient is 0.
    argmax_of_window: &'a mut [f32],
    lists: &'a mut Lists<'b>,
}

impl Kernel for InputBlock<'_, '_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            conv,
            padded_input,
            lists,
            ..
        } = self;
        let filters = conv.output[2];
        let windows = self.dz.len() / filters;
        let vectors = filters.next_multiple_of(S::LANES);
        assert!(self.dz.len() == windows * filters && self.argmax.len() == self.dz.len());
        assert!(self.gradients.len() >= vectors && self.argmax_of_window.len() >= vectors);
        assert!(self.weight_offsets.len() >= vectors);
        assert!(lists.scales.len() >= self.dz.len() + S::LANES);
        let gradients = self.gradients.as_mut_ptr();
        let argmax = self.argmax_of_window.as_mut_ptr();
        lists.clear();
        let patches = self.patches.chunks_exact(self.patches.len() / windows);
        for (window, patches) in patches.enumerate() {
            for filter in (0..filters).step_by(S::LANES) {
                let count = S::LANES.min(filters - filter);
                // SAFETY: the window has `count` filters from `filter` on, and gradients and argmax have room for a
                // vector.
                unsafe {
                    let from = window * filters + filter;
                    let g = S::load_first(self.dz.as_ptr().add(from), count);
                    let index = S::load_bytes(self.argmax.as_ptr().add(from), count);
                    let is_zero = S::eq(g, S::splat(0.0));
                    S::store(gradients.add(filter), g);
                    S::store(
                        argmax.add(filter),
                        S::select(is_zero, S::splat(-1.0), index),
                    );
                }
            }
            for (cell, patch) in patches.iter().enumerate() {
                let mut length = lists.length;
                for filter in (0..filters).step_by(S::LANES) {
                    // SAFETY: as above; each filter is in one list of a window at most, so the lists have room for
                    // all, and for a vector behind them.
                    unsafe {
                        let cell = S::splat(cell as f32);
                        let is_entry = S::eq(S::load(argmax.add(filter)), cell);
                        let g = S::load(gradients.add(filter));
                        let offset = S::load(self.weight_offsets.as_ptr().add(filter).cast());
                        let offsets = lists.offsets.as_mut_ptr().add(length).cast();
                        S::compress(offsets, is_entry, offset, S::LANES);
                        let scales = lists.scales.as_mut_ptr().add(length);
                        length += S::compress(scales, is_entry, g, S::LANES);
                    }
                }
                lists.end(*patch, length);
            }
        }
        // SAFETY: the lists have offsets of weights, and their sums are patches of the padded gradient.
        unsafe {
            S::call(&Sums {
                rows: conv.kernel[0],
                rows_at_once: if self.weights.len() > MAX_WEIGHTS {
                    1
                } else {
                    MAX_ROWS
                },
                runs: padded_input.runs,
                run: padded_input.run,
                to: self.dx.as_mut_ptr(),
                to_row: padded_input.patch_row,
                to_run: padded_input.run_step,
                from: self.weights.as_ptr(),
                from_row: padded_input.runs * padded_input.run,
                from_run: padded_input.run,
                lists,
                _valid: ValidPointers::guarantee(),
            });
        }
    }
}

fn fused(conv: &Conv2d) -> FusedPool {
    conv.pool.expect("a fused pool behind a sparse gradient")
}

/// Windows of one image.
const fn windows_of_image(conv: &Conv2d) -> usize {
    match conv.pool {
        Some(pool) => pool.output[0] * pool.output[1],
        None => 0,
    }
}

const fn min(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}
