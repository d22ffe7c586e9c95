//! The gradients of a convolution behind a fused max-pool, from the winners alone.
//!
//! Behind a pool of `k x k` windows at most one of `k²` gradients of the convolution's output is not zero,
//! and a relu zeroes more. Both gradients are sums of scaled runs of memory then, and [`Sums`] computes
//! both from lists of (place, scale):
//!
//! ```text
//! kernel gradient: for each filter            dW[filter] += Σ over its winners  g * patch of x
//! input gradient:  for each winner's place    dx[patch]  += Σ over its filters  g * w[filter]
//! ```
//!
//! Images are worked off in blocks of pooled cells, so that lists and what they name stay in L1. Short patches of few
//! filters are added window by window, see [`windows`].

mod lists;
mod sums;
mod windows;

use self::lists::{Lists, as_u32};
use self::sums::Sums;
use self::windows::Region;
use super::padded_input::PaddedInput;
use super::{BackwardInput, BackwardKernel, Conv2d, FusedPool};
use crate::kernels::Isa;
use crate::kernels::simd::{Kernel, Simd, ValidPointers};
use crate::kernels::transpose::transpose;

/// Pooled cells of a block of the kernel gradient, if an image has so many.
const KERNEL_BLOCK: usize = 32;
/// The most cells of a block that holds whole images: the sums, more than the nearest cache holds, are loaded and stored
/// once for all of them.
const MOST_CELLS: usize = 64;
/// Pooled cells of a block of the input gradient.
const INPUT_BLOCK: usize = 32;
/// Rows of a patch that are summed up at once: kernels of 3x3 and 5x5 need one pass on few channels. Each
/// pass goes through the lists again, and the ends of short ones are hard to foresee.
const MOST_ROWS: usize = 5;
/// The most weights that the input gradient takes at once; if there are more, it takes a row of the kernel
/// at a time, whose weights stay in L1.
const MOST_WEIGHTS: usize = 10_000;
/// Lanes of the widest vector.
const WIDEST: usize = 16;

/// Floats of scratch memory.
pub(super) const fn kernel_gradient_scratch(conv: &Conv2d) -> usize {
    let Some(pool) = conv.pool else { return 0 };
    PaddedInput::new(conv).scratch()
        + Lists::scratch(kernel_block(conv) * conv.output[2] + WIDEST, conv.output[2])
        + TRANSPOSED
        + images_at_once(conv) * pooled_cells(conv) * pool.size[0] * pool.size[1]
}

/// Images whose cells make a block: more than one where they are small, and stored side by side as they are.
const fn images_at_once(conv: &Conv2d) -> usize {
    match pooled_cells(conv) {
        0 => 1,
        cells
            if cells <= MOST_CELLS
                && PaddedInput::new(conv).stored
                // So that the places of all patches are whole numbers of 32 bits.
                && conv.input_len() <= u32::MAX as usize / MOST_CELLS =>
        {
            MOST_CELLS / cells
        }
        _ => 1,
    }
}

/// Cells of a block of the kernel gradient.
const fn kernel_block(conv: &Conv2d) -> usize {
    match images_at_once(conv) {
        1 => min(pooled_cells(conv), KERNEL_BLOCK),
        images => images * pooled_cells(conv),
    }
}

/// Floats of scratch memory.
pub(super) const fn input_gradient_scratch(conv: &Conv2d) -> usize {
    if let Some(region) = Region::of(conv) {
        return region.scratch(conv);
    }
    let Some(pool) = conv.pool else { return 0 };
    let block = min(pooled_cells(conv), INPUT_BLOCK);
    let places = block * pool.size[0] * pool.size[1];
    PaddedInput::new(conv).scratch()
        + Lists::scratch(block * conv.output[2] + WIDEST, places)
        + 3 * conv.output[2].next_multiple_of(WIDEST)
        + pooled_cells(conv) * pool.size[0] * pool.size[1]
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
    let cells = pooled_cells(conv);
    let (block, at_once) = (kernel_block(conv), images_at_once(conv));
    let (copy, scratch) = scratch.split_at_mut(padded_input.scratch());
    let (transposed, scratch) = scratch.split_at_mut(TRANSPOSED);
    let cells_per_window = pool.size[0] * pool.size[1];
    let (patches, scratch) = scratch.split_at_mut(at_once * cells * cells_per_window);
    let patches = as_u32(patches);
    let (first, others) = patches.split_at_mut(cells * cells_per_window);
    place_patches(conv, &pool, &padded_input, first);
    for (image, others) in others.chunks_exact_mut(first.len()).enumerate() {
        let offset = (image + 1) * conv.input_len();
        for (other, patch) in others.iter_mut().zip(&*first) {
            *other = patch.wrapping_add(offset as u32);
        }
    }
    let mut lists = Lists::new(scratch, block * filters + WIDEST, filters);

    let images = x
        .chunks(at_once * conv.input_len())
        .zip(dz.chunks(at_once * cells * filters))
        .zip(argmax.chunks(at_once * cells * filters));
    for ((x, dz), argmax) in images {
        let x = padded_input.whole(conv, x, copy);
        let cells = dz.len() / filters;
        for first in (0..cells).step_by(block) {
            let end = cells.min(first + block);
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

/// Where the patch starts that the kernel sees at each place of each window of the pool.
///
/// A window that hangs over the border starts at a negative place, which wraps. No winner is there, and
/// what argmax that no forward pass wrote lead to is at most the last patch.
fn place_patches(conv: &Conv2d, pool: &FusedPool, padded_input: &PaddedInput, patches: &mut [u32]) {
    // Sums of steps that are multiplied out once: this is done for each image.
    let [down, right] = [[1, 0], [0, 1]].map(|cell| padded_input.patch(conv, cell) as u32);
    let last = (conv.output[0] - 1) as u32 * down + (conv.output[1] - 1) as u32 * right;
    let first = 0_u32
        .wrapping_sub(pool.padding[0] as u32 * down)
        .wrapping_sub(pool.padding[1] as u32 * right);
    let [window_down, window_right] = [
        pool.strides[0] as u32 * down,
        pool.strides[1] as u32 * right,
    ];
    // Code by code, so that the innermost loop is the longest.
    let argmax = pool.size[0] * pool.size[1];
    for code in 0..argmax {
        let [row, column] = [code / pool.size[1], code % pool.size[1]].map(|place| place as u32);
        let mut line = first.wrapping_add(row * down).wrapping_add(column * right);
        for patches in patches.chunks_exact_mut(pool.output[1] * argmax) {
            let mut place = line;
            let mut at = code;
            while at < patches.len() {
                patches[at] = place.min(last);
                place = place.wrapping_add(window_right);
                at += argmax;
            }
            line = line.wrapping_add(window_down);
        }
    }
}

/// What some pooled cells of an image, or all of several, add to the kernel's gradient.
struct KernelBlock<'a, 'b> {
    conv: &'a Conv2d,
    pool: FusedPool,
    padded_input: PaddedInput,
    /// The field of the image, or of all images.
    x: &'a [f32],
    /// `[cells, filters]`.
    dz: &'a [f32],
    /// As long as `dz`.
    argmax: &'a [u8],
    /// `[filters, ..patch]`.
    kernel_gradient: &'a mut [f32],
    /// For each cell and code a patch of the padded_input.
    patches: &'a [u32],
    /// As [`TRANSPOSED`] says.
    transposed: &'a mut [f32],
    lists: &'a mut Lists<'b>,
}

/// Places of patches of a square block, `[cells, filters]`, then `[filters, cells]`
/// of a whole block: these places, and gradients.
const TRANSPOSED: usize = WIDEST * WIDEST + 2 * WIDEST * MOST_CELLS;

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
        let cells = self.dz.len() / filters;
        assert!(cells <= MOST_CELLS && self.transposed.len() == TRANSPOSED);
        assert!(self.dz.len() == cells * filters && self.argmax.len() == self.dz.len());
        assert!(self.patches.len() >= cells * cells_per_window);
        assert!(lists.values.len() >= self.dz.len() + S::LANES);
        let square = self.transposed.as_mut_ptr();
        lists.clear();
        for first in (0..filters).step_by(S::LANES) {
            let count = S::LANES.min(filters - first);
            // SAFETY: a cell and `count` filters from `first` on are inside `dz` and `argmax`; the square has
            // a vector for each of up to `LANES` cells; the others have `MOST_CELLS` values for each
            // of up to `LANES` filters; and the lists have room for all cells and filters, and for a
            // vector behind them, by the assertions above.
            unsafe {
                let places = square.add(WIDEST * WIDEST);
                let gradients = places.add(WIDEST * MOST_CELLS);
                for cell in (0..cells).step_by(S::LANES) {
                    let rows = S::LANES.min(cells - cell);
                    for row in 0..rows {
                        let at = (cell + row) * filters + first;
                        let winner = S::load_bytes(self.argmax.as_ptr().add(at), count);
                        let patches = &self.patches[(cell + row) * cells_per_window..];
                        let mut place = S::splat(f32::from_bits(patches[0]));
                        for (code, patch) in
                            patches.iter().enumerate().take(cells_per_window).skip(1)
                        {
                            let wins = S::eq(winner, S::splat(code as f32));
                            place = S::select(wins, S::splat(f32::from_bits(*patch)), place);
                        }
                        S::store(square.add(row * S::LANES), place);
                    }
                    let dz = self.dz.as_ptr().add(cell * filters + first);
                    S::transpose(
                        [rows, count],
                        square,
                        S::LANES,
                        places.add(cell),
                        MOST_CELLS,
                    );
                    S::transpose([rows, count], dz, filters, gradients.add(cell), MOST_CELLS);
                }
                for filter in 0..count {
                    let mut length = lists.length;
                    for cell in (0..cells).step_by(S::LANES) {
                        let rows = S::LANES.min(cells - cell);
                        let g = S::load(gradients.add(filter * MOST_CELLS + cell));
                        let place = S::load(places.add(filter * MOST_CELLS + cell));
                        // NaN counts.
                        let counts = S::ne(g, S::splat(0.0));
                        let values = lists.values.as_mut_ptr().add(length);
                        S::compress(
                            lists.places.as_mut_ptr().add(length).cast(),
                            counts,
                            place,
                            rows,
                        );
                        length += S::compress(values, counts, g, rows);
                    }
                    lists.end(((first + filter) * conv.patch()) as u32, length);
                }
            }
        }
        // SAFETY: the lists hold places of patches of a field that holds all of them, and end with places of
        // filters in a gradient as long as the kernel.
        unsafe {
            S::call(&Sums {
                rows: conv.kernel[0],
                rows_at_once: MOST_ROWS,
                runs: padded_input.runs,
                run: padded_input.run,
                to: self.kernel_gradient.as_mut_ptr(),
                to_row: padded_input.runs * padded_input.run,
                to_run: padded_input.run,
                from: self.x.as_ptr(),
                from_row: padded_input.tap_row,
                from_run: padded_input.run_step,
                in_lines: false,
                lists,
                _valid: ValidPointers::new(),
            });
        }
    }
}

/// Whether windows are taken whole: then a gradient that is not finite spreads over its window's region.
#[cfg(test)]
pub(crate) const fn takes_windows(conv: &Conv2d) -> bool {
    Region::of(conv).is_some()
}

/// Floats of what [`pack_backward`] writes.
pub(super) const fn packed_backward(conv: &Conv2d) -> usize {
    match Region::of(conv) {
        Some(region) => region.packed(conv),
        None => conv.patch() * conv.output[2],
    }
}

/// Writes the weights as [`input_gradient`] wants them: `[filters, ..patch]`, or as windows are best taken whole.
pub(super) fn pack_backward(conv: &Conv2d, isa: Isa, kernel: &[f32], packed: &mut [f32]) {
    match Region::of(conv) {
        Some(region) => region.prepare(conv, kernel, packed),
        None => transpose(isa, [conv.patch(), conv.output[2]], kernel, packed),
    }
}

/// Overwrites `dx`. The weights are what [`pack_backward`] wrote.
pub(super) fn input_gradient(conv: &Conv2d, operands: BackwardInput<'_>) {
    if let Some(region) = Region::of(conv) {
        return region.input_gradient(conv, operands);
    }
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
    let cells = pooled_cells(conv);
    let (copy, scratch) = scratch.split_at_mut(padded_input.scratch());
    let padded = filters.next_multiple_of(WIDEST);
    let (gradients, scratch) = scratch.split_at_mut(padded);
    let (winners, scratch) = scratch.split_at_mut(padded);
    let (filter_places, scratch) = scratch.split_at_mut(padded);
    let filter_places = as_u32(filter_places);
    for (filter, place) in filter_places.iter_mut().enumerate() {
        *place = (filter * conv.patch()) as u32;
    }
    let block = cells.min(INPUT_BLOCK);
    let cells_per_window = pool.size[0] * pool.size[1];
    let (patches, scratch) = scratch.split_at_mut(cells * cells_per_window);
    let patches = as_u32(patches);
    place_patches(conv, &pool, &padded_input, patches);
    let places = block * cells_per_window;
    let mut lists = Lists::new(scratch, block * filters + WIDEST, places);

    for_each_block(
        conv,
        &padded_input,
        dx,
        copy,
        (dz, argmax),
        |first, dz, argmax, dx| {
            let end = first + dz.len() / filters;
            isa.run(InputBlock {
                conv,
                padded_input,
                dz,
                argmax,
                patches: &patches[first * cells_per_window..end * cells_per_window],
                weights: packed,
                dx,
                filters: filter_places,
                gradients,
                winners,
                lists: &mut lists,
            });
        },
    );
}

/// Calls `add(first cell, gradients, argmax, field)` for all blocks of pooled cells of all images, so that they add
/// what they have to the field of the image's `dx`, which starts with zeros: `dx` itself or, where that is not whole,
/// `copy`.
#[inline]
fn for_each_block(
    conv: &Conv2d,
    padded_input: &PaddedInput,
    dx: &mut [f32],
    copy: &mut [f32],
    (dz, argmax): (&[f32], &[u8]),
    mut add: impl FnMut(usize, &[f32], &[u8], &mut [f32]),
) {
    let filters = conv.output[2];
    let cells = pooled_cells(conv);
    let images = dx
        .chunks_exact_mut(conv.input_len())
        .zip(dz.chunks_exact(cells * filters))
        .zip(argmax.chunks_exact(cells * filters));
    for ((dx, dz), argmax) in images {
        let to = if padded_input.stored {
            &mut *dx
        } else {
            &mut *copy
        };
        to.fill(0.0);
        for first in (0..cells).step_by(INPUT_BLOCK) {
            let block = first * filters..cells.min(first + INPUT_BLOCK) * filters;
            add(first, &dz[block.clone()], &argmax[block], to);
        }
        if !padded_input.stored {
            padded_input.extract(conv, copy, dx);
        }
    }
}

/// The input gradient of some pooled cells of an image.
struct InputBlock<'a, 'b> {
    conv: &'a Conv2d,
    padded_input: PaddedInput,
    /// `[cells, filters]`.
    dz: &'a [f32],
    /// As long as `dz`.
    argmax: &'a [u8],
    /// For each cell and code a patch of the padded_input.
    patches: &'a [u32],
    weights: &'a [f32],
    /// The field of the image.
    dx: &'a mut [f32],
    /// For each filter where its weights start; here and in the next two whole vectors.
    filters: &'a [u32],
    /// The gradients of a cell.
    gradients: &'a mut [f32],
    /// Its argmax; -1, which no place of a window has, where the gradient is 0.
    winners: &'a mut [f32],
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
        let cells = self.dz.len() / filters;
        let vectors = filters.next_multiple_of(S::LANES);
        assert!(self.dz.len() == cells * filters && self.argmax.len() == self.dz.len());
        assert!(self.gradients.len() >= vectors && self.winners.len() >= vectors);
        assert!(self.filters.len() >= vectors && lists.values.len() >= self.dz.len() + S::LANES);
        let (gradients, winners) = (self.gradients.as_mut_ptr(), self.winners.as_mut_ptr());
        lists.clear();
        let patches = self.patches.chunks_exact(self.patches.len() / cells);
        for (cell, patches) in patches.enumerate() {
            for filter in (0..filters).step_by(S::LANES) {
                let count = S::LANES.min(filters - filter);
                // SAFETY: `count` filters of the cell from `filter` on exist, and a vector of each of the
                // others.
                unsafe {
                    let at = cell * filters + filter;
                    let g = S::load_first(self.dz.as_ptr().add(at), count);
                    let code = S::load_bytes(self.argmax.as_ptr().add(at), count);
                    let dead = S::eq(g, S::splat(0.0));
                    S::store(gradients.add(filter), g);
                    S::store(winners.add(filter), S::select(dead, S::splat(-1.0), code));
                }
            }
            for (code, patch) in patches.iter().enumerate() {
                let mut length = lists.length;
                for filter in (0..filters).step_by(S::LANES) {
                    // SAFETY: as above; a filter is put into one list of a cell at most, so the lists have
                    // room for all, and for a vector behind them.
                    unsafe {
                        let code = S::splat(code as f32);
                        let wins = S::eq(S::load(winners.add(filter)), code);
                        let g = S::load(gradients.add(filter));
                        let place = S::load(self.filters.as_ptr().add(filter).cast());
                        let places = lists.places.as_mut_ptr().add(length).cast();
                        S::compress(places, wins, place, S::LANES);
                        let values = lists.values.as_mut_ptr().add(length);
                        length += S::compress(values, wins, g, S::LANES);
                    }
                }
                lists.end(*patch, length);
            }
        }
        // SAFETY: the lists hold places of filters, and start where patches do.
        unsafe {
            S::call(&Sums {
                rows: conv.kernel[0],
                rows_at_once: if self.weights.len() > MOST_WEIGHTS {
                    1
                } else {
                    MOST_ROWS
                },
                runs: padded_input.runs,
                run: padded_input.run,
                to: self.dx.as_mut_ptr(),
                to_row: padded_input.tap_row,
                to_run: padded_input.run_step,
                from: self.weights.as_ptr(),
                from_row: padded_input.runs * padded_input.run,
                from_run: padded_input.run,
                in_lines: false,
                lists,
                _valid: ValidPointers::new(),
            });
        }
    }
}

fn fused(conv: &Conv2d) -> FusedPool {
    conv.pool.expect("a fused pool behind a sparse gradient")
}

/// Cells of one output image.
const fn pooled_cells(conv: &Conv2d) -> usize {
    match conv.pool {
        Some(pool) => pool.output[0] * pool.output[1],
        None => 0,
    }
}

const fn min(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}
