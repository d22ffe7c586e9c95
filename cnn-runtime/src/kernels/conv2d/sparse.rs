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
//! Images are worked off in blocks of pooled cells, so that lists and what they name stay in L1.

use super::field::{Field, Window};
use super::{BackwardInput, BackwardKernel, Conv2d, FusedPool};
use crate::kernels::simd::{Kernel, Promise, Simd};

/// Pooled cells of a block of the kernel gradient.
const KERNEL_BLOCK: usize = 32;
/// Pooled cells of a block of the input gradient.
const INPUT_BLOCK: usize = 32;
/// Rows of a patch that are summed up at once: kernels of 3x3 need one pass on few channels.
const MOST_ROWS: usize = 3;
/// The most weights that the input gradient takes at once; if there are more, it takes a row of the kernel
/// at a time, whose weights stay in L1.
const MOST_WEIGHTS: usize = 10_000;
/// Lanes of the widest vector.
const WIDEST: usize = 16;

/// Floats of scratch memory.
pub(super) const fn kernel_gradient_scratch(conv: &Conv2d) -> usize {
    let block = min(pooled_cells(conv), KERNEL_BLOCK);
    Field::new(conv).scratch() + Lists::scratch(block * conv.output[2], conv.output[2])
}

/// Floats of scratch memory.
pub(super) const fn input_gradient_scratch(conv: &Conv2d) -> usize {
    let Some(pool) = conv.pool else { return 0 };
    let block = min(pooled_cells(conv), INPUT_BLOCK);
    let places = block * pool.size[0] * pool.size[1];
    Field::new(conv).scratch()
        + Lists::scratch(block * conv.output[2] + WIDEST, places)
        + 3 * conv.output[2].next_multiple_of(WIDEST)
}

/// Adds to the gradient, laid out as `[filters, ..patch]`.
pub(super) fn kernel_gradient(conv: &Conv2d, operands: BackwardKernel<'_>) {
    let BackwardKernel {
        isa,
        x,
        dz,
        codes,
        kernel_gradient,
        scratch,
    } = operands;
    let pool = fused(conv);
    let field = Field::new(conv);
    let filters = conv.output[2];
    let cells = pooled_cells(conv);
    let (copy, scratch) = scratch.split_at_mut(field.scratch());
    let block = cells.min(KERNEL_BLOCK);
    let mut lists = Lists::new(scratch, block * filters, filters);
    let last = field.patch(conv, [conv.output[0] - 1, conv.output[1] - 1]) as u32;

    // Where the patch of each cell of a window starts, from the first one's. A window that hangs over
    // the border starts at a negative place, and the sums wrap.
    let mut in_window = [0_u32; 256];
    for (code, place) in in_window
        .iter_mut()
        .enumerate()
        .take(pool.size[0] * pool.size[1])
    {
        let cell = [code / pool.size[1], code % pool.size[1]];
        *place = field.patch(conv, cell) as u32;
    }

    let images = x
        .chunks_exact(conv.input_len())
        .zip(dz.chunks_exact(cells * filters))
        .zip(codes.chunks_exact(cells * filters));
    for ((x, dz), codes) in images {
        let x = field.whole(conv, x, copy);
        for first in (0..cells).step_by(KERNEL_BLOCK) {
            let mut windows = [0_u32; KERNEL_BLOCK];
            let windows = &mut windows[..KERNEL_BLOCK.min(cells - first)];
            for (i, window) in windows.iter_mut().enumerate() {
                let cell = [(first + i) / pool.output[1], (first + i) % pool.output[1]];
                let start = [0, 1].map(|axis| Window::new(conv, &pool, axis, cell[axis]).start);
                *window = field.patch(conv, start) as u32;
            }
            let block = first * filters..(first + windows.len()) * filters;
            let (dz, codes) = (&dz[block.clone()], &codes[block]);
            lists.clear();
            for filter in 0..filters {
                lists.gather(filter, filters, dz, codes, windows, &in_window, last);
                lists.end((filter * conv.patch()) as u32);
            }
            isa.run(&Sums {
                rows: conv.kernel[0],
                rows_at_once: MOST_ROWS,
                runs: field.runs,
                run: field.run,
                to: kernel_gradient.as_mut_ptr(),
                to_row: field.runs * field.run,
                to_run: field.run,
                from: x.as_ptr(),
                from_row: field.tap_row,
                from_run: field.run_step,
                lists: &lists,
                // SAFETY: the lists hold places of patches, at most the last one, of a field that holds all
                // of them, and end with places of filters in a gradient as long as the kernel.
                _promise: unsafe { Promise::new() },
            });
        }
    }
}

/// Overwrites `dx`. The weights are laid out as `[filters, ..patch]`.
pub(super) fn input_gradient(conv: &Conv2d, operands: BackwardInput<'_>) {
    let BackwardInput {
        isa,
        dz,
        codes,
        prepared,
        dx,
        scratch,
        ..
    } = operands;
    let pool = fused(conv);
    let field = Field::new(conv);
    let filters = conv.output[2];
    let cells = pooled_cells(conv);
    let (copy, scratch) = scratch.split_at_mut(field.scratch());
    let padded = filters.next_multiple_of(WIDEST);
    let (gradients, scratch) = scratch.split_at_mut(padded);
    let (winners, scratch) = scratch.split_at_mut(padded);
    let (filter_places, scratch) = scratch.split_at_mut(padded);
    let filter_places = as_u32(filter_places);
    for (filter, place) in filter_places.iter_mut().enumerate() {
        *place = (filter * conv.patch()) as u32;
    }
    let block = cells.min(INPUT_BLOCK);
    let places = block * pool.size[0] * pool.size[1];
    let mut lists = Lists::new(scratch, block * filters + WIDEST, places);

    let images = dx
        .chunks_exact_mut(conv.input_len())
        .zip(dz.chunks_exact(cells * filters))
        .zip(codes.chunks_exact(cells * filters));
    for ((dx, dz), codes) in images {
        let to = if field.stored { &mut *dx } else { &mut *copy };
        to.fill(0.0);
        for first in (0..cells).step_by(INPUT_BLOCK) {
            isa.run(InputBlock {
                conv,
                pool,
                field,
                cells: [first, cells.min(first + INPUT_BLOCK)],
                dz,
                codes,
                weights: prepared,
                dx: to,
                filters: filter_places,
                gradients,
                winners,
                lists: &mut lists,
            });
        }
        if !field.stored {
            field.extract(conv, copy, dx);
        }
    }
}

/// The input gradient of some pooled cells of an image.
struct InputBlock<'a, 'b> {
    conv: &'a Conv2d,
    pool: FusedPool,
    field: Field,
    /// First and end of the cells.
    cells: [usize; 2],
    dz: &'a [f32],
    codes: &'a [u8],
    weights: &'a [f32],
    /// The field of the image.
    dx: &'a mut [f32],
    /// For each filter where its weights start; here and in the next two whole vectors.
    filters: &'a [u32],
    /// The gradients of a cell.
    gradients: &'a mut [f32],
    /// Its codes; -1, which no place of a window has, where the gradient is 0.
    winners: &'a mut [f32],
    lists: &'a mut Lists<'b>,
}

impl Kernel for InputBlock<'_, '_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            conv,
            pool,
            field,
            lists,
            ..
        } = self;
        let filters = conv.output[2];
        let (gradients, winners) = (self.gradients.as_mut_ptr(), self.winners.as_mut_ptr());
        lists.clear();
        for cell in self.cells[0]..self.cells[1] {
            let dz = &self.dz[cell * filters..][..filters];
            let codes = &self.codes[cell * filters..][..filters];
            for filter in (0..filters).step_by(S::LANES) {
                let count = S::LANES.min(filters - filter);
                // SAFETY: `count` filters from `filter` on exist, and a vector of each of the others.
                unsafe {
                    let g = S::load_first(dz.as_ptr().add(filter), count);
                    let code = S::load_bytes(codes.as_ptr().add(filter), count);
                    let dead = S::eq(g, S::splat(0.0));
                    S::store(gradients.add(filter), g);
                    S::store(winners.add(filter), S::select(dead, S::splat(-1.0), code));
                }
            }
            let rows = Window::new(conv, &pool, 0, cell / pool.output[1]);
            let columns = Window::new(conv, &pool, 1, cell % pool.output[1]);
            for y in rows.cells.clone() {
                for x in columns.cells.clone() {
                    let code = rows.place(y) * pool.size[1] + columns.place(x);
                    let mut length = lists.length;
                    for filter in (0..filters).step_by(S::LANES) {
                        // SAFETY: as above; a filter is put into one list of a cell at most, so the
                        // lists have room for all, and for a vector behind them.
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
                    lists.length = length;
                    lists.end(field.patch(conv, [y, x]) as u32);
                }
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
                runs: field.runs,
                run: field.run,
                to: self.dx.as_mut_ptr(),
                to_row: field.tap_row,
                to_run: field.run_step,
                from: self.weights.as_ptr(),
                from_row: field.runs * field.run,
                from_run: field.run,
                lists,
                _promise: Promise::new(),
            });
        }
    }
}

/// Lists of (place, scale), each with a place for its sum, in scratch memory.
struct Lists<'a> {
    /// The scales.
    values: &'a mut [f32],
    /// What they scale.
    places: &'a mut [u32],
    /// Entries in all lists.
    length: usize,
    /// For each list the place of its sum, and where it ends.
    ends: &'a mut [[u32; 2]],
    /// How many lists there are.
    count: usize,
}

impl<'a> Lists<'a> {
    /// Floats for so many entries in so many lists.
    const fn scratch(entries: usize, lists: usize) -> usize {
        2 * (entries + lists)
    }

    fn new(scratch: &'a mut [f32], entries: usize, lists: usize) -> Self {
        let (values, scratch) = scratch.split_at_mut(entries);
        let (places, scratch) = scratch.split_at_mut(entries);
        let places = as_u32(places);
        let (ends, _) = as_u32(&mut scratch[..2 * lists]).as_chunks_mut();
        Self {
            values,
            places,
            length: 0,
            ends,
            count: 0,
        }
    }

    fn clear(&mut self) {
        self.length = 0;
        self.count = 0;
    }

    /// Adds the winners of a filter among the cells of some windows: the places of these plus those of
    /// the codes, at most `last`.
    #[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
    fn gather(
        &mut self,
        filter: usize,
        filters: usize,
        dz: &[f32],
        codes: &[u8],
        windows: &[u32],
        in_window: &[u32; 256],
        last: u32,
    ) {
        assert!(filter < filters && self.length + windows.len() <= self.values.len());
        assert!(dz.len() == codes.len() && windows.len() * filters <= dz.len());
        // SAFETY: for the whole loop: a value and a code for each window and filter, and room for an entry
        // of each window, exist by the above.
        let (mut dz, mut codes) = unsafe { (dz.as_ptr().add(filter), codes.as_ptr().add(filter)) };
        let (values, places) = (self.values.as_mut_ptr(), self.places.as_mut_ptr());
        let mut length = self.length;
        for window in windows {
            unsafe {
                let scale = *dz;
                // Only codes that no forward pass wrote lead behind the last patch.
                let place = window.wrapping_add(in_window[usize::from(*codes)]);
                *values.add(length) = scale;
                *places.add(length) = place.min(last);
                // The bits but the sign: no branch, and NaN counts. What does not is overwritten.
                length += usize::from(scale.to_bits() << 1 != 0);
                dz = dz.wrapping_add(filters);
                codes = codes.wrapping_add(filters);
            }
        }
        self.length = length;
    }

    /// Ends a list, whose sum goes to `to`. One without entries is dropped.
    #[inline(always)]
    fn end(&mut self, to: u32) {
        let start = match self.count {
            0 => 0,
            count => self.ends[count - 1][1],
        };
        if self.length as u32 > start {
            self.ends[self.count] = [to, self.length as u32];
            self.count += 1;
        }
    }
}

/// For each list, `to[r][s][i] += Σ scale * from[place][r][s][i]`, for all values `i` of all runs `s` of all
/// rows `r` of a patch. The sum starts with what is there, and takes the entries in their order.
///
struct Sums<'a> {
    rows: usize,
    /// How many of them one pass over the lists takes at most, up to [`MOST_ROWS`].
    rows_at_once: usize,
    /// Runs of neighbouring values in a row.
    runs: usize,
    /// Values of a run.
    run: usize,
    to: *mut f32,
    to_row: usize,
    to_run: usize,
    from: *const f32,
    from_row: usize,
    from_run: usize,
    lists: &'a Lists<'a>,
    /// That what the lists name may be read and written.
    _promise: Promise,
}

impl Kernel for &Sums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let groups = self.rows.div_ceil(self.rows_at_once);
        for run in 0..self.runs {
            let mut row = 0;
            for part in 0..groups {
                let end = self.rows * (part + 1) / groups;
                // SAFETY: these are a part of the patches that the caller vouches for.
                unsafe {
                    let to = self.to.add(row * self.to_row + run * self.to_run);
                    let from = self.from.add(row * self.from_row + run * self.from_run);
                    match end - row {
                        3 => group::<S, 3>(self, to, from),
                        2 => group::<S, 2>(self, to, from),
                        _ => group::<S, 1>(self, to, from),
                    }
                }
                row = end;
            }
        }
    }
}

/// A run of `ROWS` rows, which starts at `to` and `from`.
#[inline(always)]
unsafe fn group<S: Simd, const ROWS: usize>(sums: &Sums<'_>, to: *mut f32, from: *const f32) {
    let most = (S::ACCUMULATORS / ROWS).min(8);
    let vectors = sums.run.div_ceil(S::LANES);
    let blocks = vectors.div_ceil(most);
    let mut vector = 0;
    for block in 0..blocks {
        let end = vectors * (block + 1) / blocks;
        let column = vector * S::LANES;
        let width = sums.run.min(end * S::LANES) - column;
        // SAFETY: these columns are a part of the run.
        unsafe {
            let (to, from) = (to.add(column), from.add(column));
            match end - vector {
                8 if most >= 8 => pass::<S, ROWS, 8, false>(sums, to, from, width),
                7 if most >= 7 => pass::<S, ROWS, 7, false>(sums, to, from, width),
                6 if most >= 6 => pass::<S, ROWS, 6, false>(sums, to, from, width),
                5 if most >= 5 => pass::<S, ROWS, 5, false>(sums, to, from, width),
                4 if most >= 4 => pass::<S, ROWS, 4, false>(sums, to, from, width),
                3 if most >= 3 => pass::<S, ROWS, 3, false>(sums, to, from, width),
                2 => pass::<S, ROWS, 2, false>(sums, to, from, width),
                _ if width < S::LANES => pass::<S, ROWS, 1, true>(sums, to, from, width),
                _ => pass::<S, ROWS, 1, false>(sums, to, from, width),
            }
        }
        vector = end;
    }
}

/// `ROWS` rows of `width` columns, which `VECTORS` vectors hold, from `to` and `from` on, for all lists. The
/// last one ends with them and overlaps the one before it: both compute the same. A single vector is
/// `PARTIAL` if `width` does not fill it.
#[inline(always)]
unsafe fn pass<S: Simd, const ROWS: usize, const VECTORS: usize, const PARTIAL: bool>(
    sums: &Sums<'_>,
    to: *mut f32,
    from: *const f32,
    width: usize,
) {
    // SAFETY: for the whole function: these rows and columns are among those that the caller vouches
    // for, and no vector leaves them.
    unsafe {
        let last = width.saturating_sub(S::LANES);
        let column_of = |vector: usize| {
            if vector + 1 == VECTORS {
                last
            } else {
                vector * S::LANES
            }
        };
        let load = |p: *const f32| {
            if PARTIAL {
                S::load_first(p, width)
            } else {
                S::load(p)
            }
        };
        let scales = sums.lists.values.as_ptr();
        let places = sums.lists.places.as_ptr();
        let mut entry = 0;
        for &[place, end] in &sums.lists.ends[..sums.lists.count] {
            let to = to.add(place as usize);
            let mut totals = [[S::splat(0.0); VECTORS]; ROWS];
            for (r, totals) in totals.iter_mut().enumerate() {
                for (v, total) in totals.iter_mut().enumerate() {
                    *total = load(to.add(r * sums.to_row + column_of(v)));
                }
            }
            while entry < end as usize {
                let from = from.add(*places.add(entry) as usize);
                let scale = S::splat(*scales.add(entry));
                for (r, totals) in totals.iter_mut().enumerate() {
                    for (v, total) in totals.iter_mut().enumerate() {
                        let value = load(from.add(r * sums.from_row + column_of(v)));
                        *total = S::fma(scale, value, *total);
                    }
                }
                entry += 1;
            }
            for (r, totals) in totals.into_iter().enumerate() {
                for (v, total) in totals.into_iter().enumerate() {
                    let to = to.add(r * sums.to_row + column_of(v));
                    if PARTIAL {
                        S::store_first(to, total, width);
                    } else {
                        S::store(to, total);
                    }
                }
            }
        }
    }
}

/// The same memory, for whole numbers.
fn as_u32(scratch: &mut [f32]) -> &mut [u32] {
    // SAFETY: both have the same size and alignment and take any bits, and the slice stays borrowed.
    unsafe { core::slice::from_raw_parts_mut(scratch.as_mut_ptr().cast(), scratch.len()) }
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
