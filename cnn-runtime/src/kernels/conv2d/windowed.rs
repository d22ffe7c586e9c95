//! The gradient of a kernel on few channels, behind a fused max-pool.
//!
//! A patch of few values does not fill vectors, so here they run along the filters, as the kernel lies in
//! memory. The sums of a block of filters stay in registers, one for each tap, while all windows run by;
//! at each place of a window the gradients of the filters that have their winner elsewhere are masked to
//! zero:
//!
//! ```text
//! dW[tap][filters] += x[place + tap] * (codes[filters] == place ? dz[filters] : 0)
//! ```

use super::field::Field;
use super::{BackwardKernel, Conv2d, FusedPool, max, planar};
use crate::kernels::simd::{Kernel, Promise, Simd, accumulate};
use core::ops::Range;

/// Cells of the pool that are taken at once, unless one row has more.
const CELLS: usize = 96;
/// Values of a kernel's row in the widest block.
const MOST_COLUMNS: usize = 5;
/// Lanes of the widest vector.
const WIDEST: usize = 16;

/// Floats of scratch memory.
pub(super) const fn kernel_gradient_scratch(conv: &Conv2d) -> usize {
    let Some(pool) = conv.pool else { return 0 };
    max(
        Field::new(conv).scratch() + 2 * vectors(&pool),
        planar::kernel_gradient_scratch(conv),
    )
}

/// Floats of two vectors for each cell of the rows that are taken at once.
const fn vectors(pool: &FusedPool) -> usize {
    2 * rows_at_once(pool.output[1]) * pool.output[1] * WIDEST
}

/// Adds to the gradient, laid out as the kernel.
pub(super) fn kernel_gradient(conv: &Conv2d, operands: BackwardKernel<'_>) {
    if planar::is_best(conv, operands.isa.lanes()) {
        return planar::kernel_gradient(conv, operands);
    }
    let BackwardKernel {
        isa,
        x,
        dz,
        codes,
        kernel_gradient,
        scratch,
    } = operands;
    let pool = conv.pool.expect("a fused pool behind a windowed gradient");
    let field = Field::new(conv);
    let (copy, scratch) = scratch.split_at_mut(field.scratch());
    let (gradients, scratch) = scratch.split_at_mut(vectors(&pool));
    let winners = &mut scratch[..vectors(&pool)];
    let images = x
        .chunks_exact(conv.input_len())
        .zip(dz.chunks_exact(conv.output_len()))
        .zip(codes.chunks_exact(conv.output_len()));
    for ((x, dz), codes) in images {
        isa.run(Image {
            conv,
            pool,
            field,
            x: field.whole(conv, x, copy),
            dz,
            codes,
            kernel_gradient: kernel_gradient.as_mut_ptr(),
            gradients: gradients.as_mut_ptr(),
            winners: winners.as_mut_ptr(),
        });
    }
}

/// What one image adds.
struct Image<'a> {
    conv: &'a Conv2d,
    pool: FusedPool,
    field: Field,
    /// The field of the image.
    x: &'a [f32],
    dz: &'a [f32],
    codes: &'a [u8],
    /// As long as the kernel.
    kernel_gradient: *mut f32,
    /// For some cells of the pool the gradients of a block of filters, and what their codes are.
    gradients: *mut f32,
    winners: *mut f32,
}

/// Where the taps of a block start in the kernel.
#[derive(Clone, Copy)]
struct Taps {
    row: usize,
    column: usize,
    /// Where they start in a patch of the field.
    place: usize,
}

impl Kernel for Image<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Field { run, runs, .. } = self.field;
        let filters = self.conv.output[2];
        for part in 0..runs {
            for columns in pieces(run, MOST_COLUMNS) {
                for rows in pieces(self.conv.kernel[0], tallest::<S>(columns.len())) {
                    let taps = Taps {
                        row: rows.start,
                        column: part * run + columns.start,
                        place: part * self.field.run_step
                            + rows.start * self.field.tap_row
                            + columns.start,
                    };
                    let [rows, columns] = [rows.len(), columns.len()];
                    let widest = most_vectors::<S>(rows, columns) * S::LANES;
                    for filter in (0..filters).step_by(widest) {
                        let count = widest.min(filters - filter);
                        let block = block_of::<S>(rows, columns, count.div_ceil(S::LANES));
                        // SAFETY: the caller vouches for the target features; the taps are parts of the
                        // kernel, and the filters exist.
                        unsafe { block(&self, taps, filter, count) };
                    }
                }
            }
        }
    }
}

/// `0..length` in parts of about the same length, of at most `most`.
fn pieces(length: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = length.div_ceil(most);
    (0..count).map(move |index| length * index / count..length * (index + 1) / count)
}

/// Whether blocks of so many columns are of one row and one vector: there are many blocks to compile. In the
/// portable instance, whose steps take no longer then, and where a whole row of the kernel sees so little.
const fn is_small<S: Simd>(columns: usize) -> bool {
    S::IS_PORTABLE || columns <= 2
}

/// Rows of the largest block of so many columns. Asked in `const` blocks, so that larger ones are not compiled.
const fn tallest<S: Simd>(columns: usize) -> usize {
    match S::ACCUMULATORS / columns {
        _ if is_small::<S>(columns) => 1,
        0 | 1 => 1,
        2 => 2,
        _ => 3,
    }
}

/// Vectors of filters of the largest block of so many taps.
const fn most_vectors<S: Simd>(rows: usize, columns: usize) -> usize {
    if 2 * rows * columns <= S::ACCUMULATORS && !is_small::<S>(columns) {
        2
    } else {
        1
    }
}

/// Adds what a block of taps has of some filters: their first one and their count.
///
/// # Safety
/// The machine has the target features of the block's instruction set, and taps and filters exist.
type Add = unsafe fn(&Image<'_>, Taps, usize, usize);

/// That of so many rows and columns, and vectors of filters.
///
/// Each is a function of its own: all of them in one took LLVM a minute.
fn block_of<S: Simd>(rows: usize, columns: usize, vectors: usize) -> Add {
    match columns {
        5 => block_of_columns::<S, 5>(rows, vectors),
        4 => block_of_columns::<S, 4>(rows, vectors),
        3 => block_of_columns::<S, 3>(rows, vectors),
        2 => block_of_columns::<S, 2>(rows, vectors),
        _ => block_of_columns::<S, 1>(rows, vectors),
    }
}

fn block_of_columns<S: Simd, const COLUMNS: usize>(rows: usize, vectors: usize) -> Add {
    match rows {
        3 if const { tallest::<S>(COLUMNS) >= 3 } => block_of_rows::<S, 3, COLUMNS>(vectors),
        2 if const { tallest::<S>(COLUMNS) >= 2 } => block_of_rows::<S, 2, COLUMNS>(vectors),
        _ => block_of_rows::<S, 1, COLUMNS>(vectors),
    }
}

fn block_of_rows<S: Simd, const ROWS: usize, const COLUMNS: usize>(vectors: usize) -> Add {
    match vectors {
        2 if const { most_vectors::<S>(ROWS, COLUMNS) >= 2 } => add::<S, ROWS, COLUMNS, 2>,
        _ => add::<S, ROWS, COLUMNS, 1>,
    }
}

/// # Safety
/// See [`Add`].
unsafe fn add<S: Simd, const ROWS: usize, const COLUMNS: usize, const VECTORS: usize>(
    image: &Image<'_>,
    taps: Taps,
    filter: usize,
    count: usize,
) {
    // SAFETY: the caller vouches for it all.
    unsafe {
        S::call(Block::<ROWS, COLUMNS, VECTORS> {
            image,
            taps,
            filter,
            count,
            _promise: Promise::new(),
        });
    }
}

/// `ROWS x COLUMNS` taps of `count` filters from `filter` on, which `VECTORS` vectors hold.
struct Block<'a, const ROWS: usize, const COLUMNS: usize, const VECTORS: usize> {
    image: &'a Image<'a>,
    taps: Taps,
    filter: usize,
    count: usize,
    /// That taps and filters are the image's.
    _promise: Promise,
}

impl<const ROWS: usize, const COLUMNS: usize, const VECTORS: usize> Kernel
    for Block<'_, ROWS, COLUMNS, VECTORS>
{
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller vouches for the instruction set, the promise for the rest.
        unsafe {
            block::<S, ROWS, COLUMNS, VECTORS>(self.image, self.taps, self.filter, self.count)
        }
    }
}

/// See [`Block`].
#[inline(always)]
unsafe fn block<S: Simd, const ROWS: usize, const COLUMNS: usize, const VECTORS: usize>(
    image: &Image<'_>,
    taps: Taps,
    filter: usize,
    count: usize,
) {
    let Image {
        conv, pool, field, ..
    } = image;
    let filters = conv.output[2];
    let columns = conv.kernel[1] * conv.input[2];
    let rows_at_once = rows_at_once(pool.output[1]);
    let (gradients, winners) = (image.gradients, image.winners);
    let lanes = |vector: usize| (count - vector * S::LANES).min(S::LANES);
    // SAFETY: for the whole function: `count` filters from `filter` on exist; the taps are the kernel's;
    // the scratch memory holds two vectors for each cell of the rows that are taken at once; and the field
    // holds the patches of all outputs, whose places `windows` keeps to.
    unsafe {
        let first_tap = taps.row * columns + taps.column;
        let gradient = image.kernel_gradient.add(first_tap * filters + filter);
        let gradient = |row: usize, column: usize, vector: usize| {
            gradient.add((row * columns + column) * filters + vector * S::LANES)
        };
        let mut sums = [[[S::splat(0.0); VECTORS]; COLUMNS]; ROWS];
        for (r, sums) in sums.iter_mut().enumerate() {
            for (c, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = S::load_first(gradient(r, c, v), lanes(v));
                }
            }
        }
        for first in (0..pool.output[0]).step_by(rows_at_once) {
            let end = pool.output[0].min(first + rows_at_once);
            for cell in 0..(end - first) * pool.output[1] {
                for v in 0..VECTORS {
                    let at = (first * pool.output[1] + cell) * filters + filter + v * S::LANES;
                    let g = S::load_first(image.dz.as_ptr().add(at), lanes(v));
                    let code = S::load_bytes(image.codes.as_ptr().add(at), lanes(v));
                    S::store(gradients.add((cell * VECTORS + v) * S::LANES), g);
                    S::store(winners.add((cell * VECTORS + v) * S::LANES), code);
                }
            }
            // Place by place, so that the loop over the cells is long and has nothing to look up.
            for place in 0..pool.size[0] * pool.size[1] {
                let wins = S::splat(place as f32);
                let Places {
                    rows,
                    columns,
                    step,
                    mut line,
                    line_step,
                } = Places::new(image, place, first..end);
                for row in rows {
                    let mut x = image.x.as_ptr().wrapping_add(line + taps.place);
                    line = line.wrapping_add(line_step);
                    let row = (row - first) * pool.output[1];
                    for cell in row + columns.start..row + columns.end {
                        let mut won = [S::splat(0.0); VECTORS];
                        for (v, won) in won.iter_mut().enumerate() {
                            let at = (cell * VECTORS + v) * S::LANES;
                            let wins = S::eq(S::load(winners.add(at)), wins);
                            *won = S::select(wins, S::load(gradients.add(at)), *won);
                        }
                        for (r, sums) in sums.iter_mut().enumerate() {
                            for (c, sums) in sums.iter_mut().enumerate() {
                                let x = S::splat(*x.add(r * field.tap_row + c));
                                accumulate::<S, _>(sums, x, &won);
                            }
                        }
                        x = x.wrapping_add(step);
                    }
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (c, sums) in sums.iter().enumerate() {
                for (v, &sum) in sums.iter().enumerate() {
                    S::store_first(gradient(r, c, v), sum, lanes(v));
                }
            }
        }
    }
}

/// The cells of the convolution's output that are at one place of their windows.
struct Places {
    /// The windows that have one, of some rows of the pool's output.
    rows: Range<usize>,
    columns: Range<usize>,
    /// Where the patch of the first one starts, from a column to the next, and from a row to the next.
    line: usize,
    step: usize,
    line_step: usize,
}

impl Places {
    /// Those at `place`, counted row by row. Out of line: the blocks are many.
    #[inline(never)]
    fn new(image: &Image<'_>, place: usize, within: Range<usize>) -> Self {
        let Image {
            conv, pool, field, ..
        } = image;
        let place = [place / pool.size[1], place % pool.size[1]];
        let [rows, columns] = [0, 1].map(|axis| windows(conv, pool, axis, place[axis]));
        let rows = rows.start.max(within.start)..rows.end.min(within.end);
        let first = [rows.start, columns.start];
        let cell = [0, 1].map(|axis| {
            (first[axis] * pool.strides[axis] + place[axis]).wrapping_sub(pool.padding[axis])
        });
        Self {
            line: field.patch(conv, cell),
            step: field.patch(conv, [0, pool.strides[1]]),
            line_step: field.patch(conv, [pool.strides[0], 0]),
            rows,
            columns,
        }
    }
}

/// Rows of the pool's output whose gradients are laid side by side: they stay in L1.
#[inline(always)]
const fn rows_at_once(width: usize) -> usize {
    if width < CELLS { CELLS / width } else { 1 }
}

/// The outputs of the pool, along an axis, whose window has a cell of the convolution's output at `place`.
fn windows(conv: &Conv2d, pool: &FusedPool, axis: usize, place: usize) -> Range<usize> {
    let [padding, stride] = [pool.padding[axis], pool.strides[axis]];
    let first = padding.saturating_sub(place).div_ceil(stride);
    let end = (conv.output[axis] + padding)
        .saturating_sub(place)
        .div_ceil(stride);
    first..end.min(pool.output[axis])
}
