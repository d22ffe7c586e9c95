//! The gradient of a kernel on few channels, for a convolution that a fused max-pool follows.
//!
//! A patch of few values does not fill vectors, so here vectors run along the filters, as the kernel is stored. A block
//! of the gradient, some taps times some filters, stays in registers while all windows of the pool pass:
//!
//! ```text
//! dK[tap][filters] += dz[filters] * x[patch of argmax[filters] + tap]
//! ```
//!
//! The values that a window has for a tap are in short rows of the padded input. One permutation covers two of these
//! rows: each lane, a filter, selects the value at its own argmax. A pool of more than two rows is taken pair by pair.
//! Lanes whose argmax is in another pair select any value and add it times 0.
//!
//! If filters fill less than half of a vector, neighbouring windows share one, each with its own sums, which are added
//! up at the end:
//!
//! ```text
//! window    0 0 0 0 0 0 1 1 1 1 1 1
//! filter    0 1 2 3 4 5 0 1 2 3 4 5 - - - -
//! ```

use super::choice::pooled::whole_windows;
use super::padded_input::PaddedInput;
use super::{BackwardKernel, Conv2d, FusedPool};
use crate::kernels::simd::{Kernel, MAX_LANES, Simd, ValidPointers};
use core::ops::Range;

/// Values of a kernel row in the widest block.
const MAX_COLUMNS: usize = 5;

/// Floats of scratch memory.
pub(super) const fn kernel_gradient_scratch(conv: &Conv2d) -> usize {
    let Some(pool) = conv.pool else { return 0 };
    PaddedInput::new(&whole_windows(conv, &pool).0).scratch()
}

/// Adds to the gradient, laid out as the kernel, of a convolution that is
/// [supported](super::choice::pooled::supports_permutation).
pub(super) fn kernel_gradient(conv: &Conv2d, operands: BackwardKernel<'_>) {
    let BackwardKernel {
        isa,
        x,
        dz,
        argmax,
        kernel_gradient,
        scratch,
    } = operands;
    let pool = conv.pool.expect("a fused pool");
    let (conv, pool) = &whole_windows(conv, &pool);
    let padded_input = PaddedInput::new(conv);
    let images = x
        .chunks_exact(conv.input_len())
        .zip(dz.chunks_exact(conv.output_len()))
        .zip(argmax.chunks_exact(conv.output_len()));
    for ((x, dz), argmax) in images {
        isa.run(Image {
            conv,
            pool: *pool,
            padded_input,
            x: padded_input.of(conv, x, &mut scratch[..padded_input.scratch()]),
            dz,
            argmax,
            kernel_gradient: kernel_gradient.as_mut_ptr(),
            // SAFETY: the gradient is as long as the kernel.
            _valid: unsafe { ValidPointers::guarantee() },
        });
    }
}

/// The part of one image in the gradient.
struct Image<'a> {
    /// As [`whole_windows`] says, like the pool.
    conv: &'a Conv2d,
    pool: FusedPool,
    padded_input: PaddedInput,
    /// The padded input.
    x: &'a [f32],
    dz: &'a [f32],
    argmax: &'a [u8],
    /// As long as the kernel.
    kernel_gradient: *mut f32,
    /// The gradient is valid, and so long.
    _valid: ValidPointers,
}

/// The first tap of a block.
#[derive(Clone, Copy)]
struct Taps {
    /// Its row of the kernel.
    row: usize,
    /// Its value of that row.
    column: usize,
    /// Its offset in a patch of the padded input.
    offset: usize,
}

/// Adds the part of an image in the gradient of a block.
///
/// # Safety
/// The machine has the target features that the function is compiled with.
type Add = unsafe fn(Block<'_>);

impl Kernel for Image<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // Asked in a `const` block, so that nothing is compiled for an instruction set without permutations.
        if const { S::REACH == 0 } {
            unreachable!("no permutation");
        }
        let PaddedInput { run, runs, .. } = self.padded_input;
        let filters = self.conv.output[2];
        let shared = WindowsPerVector::new::<S>(&self);
        for part in 0..runs {
            for columns in pieces(run, MAX_COLUMNS) {
                let [max_rows, _] = largest_block::<S>(1, columns.len());
                for rows in pieces(self.conv.kernel[0], max_rows) {
                    let taps = Taps {
                        row: rows.start,
                        column: part * run + columns.start,
                        offset: part * self.padded_input.run_step
                            + rows.start * self.padded_input.patch_row
                            + columns.start,
                    };
                    let [rows, columns] = [rows.len(), columns.len()];
                    let [_, vectors] = largest_block::<S>(rows, columns);
                    for filter in (0..filters).step_by(vectors * S::LANES) {
                        let count = filters.min(filter + vectors * S::LANES) - filter;
                        let add = block_of::<S>(rows, columns, count.div_ceil(S::LANES));
                        // SAFETY: the caller vouches for the target features; the taps are parts of the
                        // kernel, and the filters exist.
                        unsafe {
                            add(Block {
                                image: &self,
                                shared: &shared,
                                taps,
                                filter,
                                count,
                                _valid: ValidPointers::guarantee(),
                            });
                        }
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

/// Some taps of some filters. Each shape of a block is compiled as a function of its own and called by pointer, because
/// one function with all of them takes LLVM very long.
struct Block<'a> {
    image: &'a Image<'a>,
    shared: &'a WindowsPerVector,
    taps: Taps,
    /// The first filter, and how many there are.
    filter: usize,
    count: usize,
    /// Taps and filters are the image's.
    _valid: ValidPointers,
}

impl Block<'_> {
    /// Filters of one of its vectors.
    #[inline(always)]
    fn lanes<S: Simd>(&self, vector: usize) -> usize {
        (self.count - vector * S::LANES).min(S::LANES)
    }

    /// The address of a vector of filters in the gradient of a tap.
    #[inline(always)]
    fn gradient<S: Simd>(&self, row: usize, column: usize, vector: usize) -> *mut f32 {
        let conv = self.image.conv;
        let row = (self.taps.row + row) * conv.kernel[1] * conv.input[2];
        let tap = row + self.taps.column + column;
        let offset = tap * conv.output[2] + self.filter + vector * S::LANES;
        self.image.kernel_gradient.wrapping_add(offset)
    }

    /// Loads the gradient of the block.
    ///
    /// # Safety
    /// The machine has the target features of `S`.
    #[inline(always)]
    unsafe fn load<S: Simd, const ROWS: usize, const COLUMNS: usize, const VECTORS: usize>(
        &self,
    ) -> [[[S::V; VECTORS]; COLUMNS]; ROWS] {
        // SAFETY: these are taps and filters of the image.
        unsafe {
            let mut sums = [[[S::splat(0.0); VECTORS]; COLUMNS]; ROWS];
            for (r, sums) in sums.iter_mut().enumerate() {
                for (c, sums) in sums.iter_mut().enumerate() {
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = S::load_first(self.gradient::<S>(r, c, v), self.lanes::<S>(v));
                    }
                }
            }
            sums
        }
    }

    /// Stores the gradient of the block.
    ///
    /// # Safety
    /// As for [`Self::load`].
    #[inline(always)]
    unsafe fn store<S: Simd, const ROWS: usize, const COLUMNS: usize, const VECTORS: usize>(
        &self,
        sums: &[[[S::V; VECTORS]; COLUMNS]; ROWS],
    ) {
        // SAFETY: as in `load`.
        unsafe {
            for (r, sums) in sums.iter().enumerate() {
                for (c, sums) in sums.iter().enumerate() {
                    for (v, &sum) in sums.iter().enumerate() {
                        S::store_first(self.gradient::<S>(r, c, v), sum, self.lanes::<S>(v));
                    }
                }
            }
        }
    }
}

/// Neighbouring windows of a row that share a vector.
struct WindowsPerVector {
    windows: usize,
    /// For each lane the offset of its window from the first one: of a whole vector, and of the windows that are left
    /// at the end of a row. Lanes without a window have the offset of the last one, and add its values times 0.
    shifts: [[f32; MAX_LANES]; 2],
}

impl WindowsPerVector {
    /// As many windows as have lanes in a vector and values in the reach of [`Simd::permute`].
    fn new<S: Simd>(image: &Image<'_>) -> Self {
        let Image {
            conv,
            pool,
            padded_input,
            ..
        } = image;
        let offset = |column: usize| padded_input.patch(conv, [0, column]);
        let filters = conv.output[2];
        let apart = offset(pool.strides[1]);
        let fit = (S::LANES / filters).min(pool.output[1]);
        let reached = 1 + (S::REACH - 1 - offset(pool.size[1] - 1)) / apart.max(1);
        let windows = fit.min(reached).max(1);
        let mut shifts = [[0.0; MAX_LANES]; 2];
        for (shifts, windows) in shifts.iter_mut().zip([windows, pool.output[1] % windows]) {
            for (lane, shift) in shifts.iter_mut().enumerate() {
                *shift = ((lane / filters).min(windows.saturating_sub(1)) * apart) as f32;
            }
        }
        Self { windows, shifts }
    }
}

/// The most rows of a block with so many columns, and the most vectors of filters of a block with so many rows and
/// columns. Asked in `const` blocks, so that larger blocks are not compiled.
const fn largest_block<S: Simd>(rows: usize, columns: usize) -> [usize; 2] {
    // Kernel rows of so few values are rare: not worth more blocks to compile.
    if columns <= 2 {
        return [1, 1];
    }
    let max_rows = match S::ACCUMULATORS / columns {
        0 | 1 => 1,
        2 => 2,
        _ => 3,
    };
    let is_double = 2 * rows * columns <= S::ACCUMULATORS;
    [max_rows, if is_double { 2 } else { 1 }]
}

/// The function of the block with so many rows, columns, and vectors of filters.
fn block_of<S: Simd>(rows: usize, columns: usize, vectors: usize) -> Add {
    const { assert!(MAX_COLUMNS == 5) };
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
        3 if const { largest_block::<S>(1, COLUMNS)[0] >= 3 } => {
            block_of_rows::<S, 3, COLUMNS>(vectors)
        }
        2 if const { largest_block::<S>(1, COLUMNS)[0] >= 2 } => {
            block_of_rows::<S, 2, COLUMNS>(vectors)
        }
        _ => block_of_rows::<S, 1, COLUMNS>(vectors),
    }
}

fn block_of_rows<S: Simd, const ROWS: usize, const COLUMNS: usize>(vectors: usize) -> Add {
    match vectors {
        2 if const { largest_block::<S>(ROWS, COLUMNS)[1] >= 2 } => add::<S, ROWS, COLUMNS, 2>,
        _ => add::<S, ROWS, COLUMNS, 1>,
    }
}

/// # Safety
/// See [`Add`].
unsafe fn add<S: Simd, const ROWS: usize, const COLUMNS: usize, const VECTORS: usize>(
    block: Block<'_>,
) {
    // Asked in a `const` block, so that nothing is compiled for an instruction set without permutations.
    if const { S::REACH == 0 } {
        unreachable!("no permutation");
    }
    // SAFETY: the caller vouches for it.
    unsafe { S::call(Permuted::<ROWS, COLUMNS, VECTORS>(block)) }
}

/// `ROWS x COLUMNS` taps of filters that `VECTORS` vectors hold.
struct Permuted<'a, const ROWS: usize, const COLUMNS: usize, const VECTORS: usize>(Block<'a>);

impl<const ROWS: usize, const COLUMNS: usize, const VECTORS: usize> Kernel
    for Permuted<'_, ROWS, COLUMNS, VECTORS>
{
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller vouches for the instruction set; taps and filters are the image's.
        unsafe {
            let mut sums = self.0.load::<S, ROWS, COLUMNS, VECTORS>();
            for pair in 0..self.0.image.pool.size[0].div_ceil(2) {
                pair_of_rows::<S, ROWS, COLUMNS, VECTORS>(&self.0, pair, &mut sums);
            }
            if VECTORS == 1 && self.0.shared.windows > 1 {
                let mut lanes = [[[0.0; MAX_LANES]; COLUMNS]; ROWS];
                for (lanes, sums) in lanes.iter_mut().zip(&sums) {
                    for (lanes, sums) in lanes.iter_mut().zip(sums) {
                        S::store(lanes.as_mut_ptr(), sums[0]);
                    }
                }
                return S::call(AddWindows {
                    block: self.0,
                    columns: COLUMNS,
                    lanes: lanes.as_flattened(),
                });
            }
            self.0.store::<S, ROWS, COLUMNS, VECTORS>(&sums);
        }
    }
}

/// Adds the part of those filters of all windows whose argmax is in a pair of rows. A last row without a partner is
/// paired with the row before it, whose filters add 0.
///
/// # Safety
/// The machine has the target features of `S`.
#[inline(always)]
unsafe fn pair_of_rows<S: Simd, const ROWS: usize, const COLUMNS: usize, const VECTORS: usize>(
    block: &Block<'_>,
    pair: usize,
    sums: &mut [[[S::V; VECTORS]; COLUMNS]; ROWS],
) {
    let Image {
        conv,
        pool,
        padded_input,
        x,
        dz,
        argmax,
        ..
    } = block.image;
    let filters = conv.output[2];
    let [height, width] = pool.size;
    let row = (2 * pair).min(height.saturating_sub(2));
    let step = padded_input.patch(conv, [0, 1]);
    let last = padded_input.patch(conv, [1, width - 1]);
    // SAFETY: for the whole function: the block's filters exist, and with them their gradients and argmax. The padded
    // input has the patches of whole windows, and with them both runs that `permute` reads: `supports_permutation` and
    // `WindowsPerVector::new` compare them with the reach.
    unsafe {
        let splat = |value: f32| S::splat(value);
        // From a window to the next, and how many share a vector.
        let apart = pool.strides[1] * step;
        let per_vector = block.shared.windows;
        // The index of a value for `permute` is `argmax * slope` plus a start, which differs between the two rows: the
        // upper row is found from its first value on, the lower one backwards from its last value.
        let slope = splat(step as f32);
        let upper = splat(-((row * width * step) as f32));
        let behind = (((row + 2) * width - 1) * step) as f32;
        let [whole, rest] = &block.shared.shifts;
        // Between the last index of a row of the window and the first one of the next row.
        let border = |row: usize| splat((row * width) as f32 - 0.5);
        let middle = border(row + 1);
        let [first, end] = [border(2 * pair), border(2 * pair + 2)];
        for window_row in 0..pool.output[0] {
            let patch = padded_input.patch(conv, [window_row * pool.strides[0] + row, 0]);
            let mut x = x.as_ptr().add(patch + block.taps.offset);
            let mut cell = window_row * pool.output[1] * filters + block.filter;
            let mut left = pool.output[1];
            while left > 0 {
                let (windows, shifts) = match left >= per_vector {
                    true => (per_vector, whole),
                    false => (left, rest),
                };
                let shifts = S::load(shifts.as_ptr());
                let further = (windows - 1) * apart;
                let last = last + further;
                let upper = S::add(upper, shifts);
                let lower = splat((2 * S::REACH - 1) as f32 - behind - further as f32);
                let lower = S::add(lower, shifts);
                let mut indices = [slope; VECTORS];
                let mut gradients = [slope; VECTORS];
                for v in 0..VECTORS {
                    let from = cell + v * S::LANES;
                    let count = block.lanes::<S>(v) + (windows - 1) * filters;
                    let argmax = S::load_bytes(argmax.as_ptr().add(from), count);
                    let start = S::select(S::greater(argmax, middle), lower, upper);
                    indices[v] = S::fma(argmax, slope, start);
                    gradients[v] = S::load_first(dz.as_ptr().add(from), count);
                    if height > 2 {
                        let zero = splat(0.0);
                        let masked = S::select(S::greater(argmax, end), zero, gradients[v]);
                        gradients[v] = S::select(S::greater(argmax, first), masked, zero);
                    }
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (c, sums) in sums.iter_mut().enumerate() {
                        let x = x.wrapping_add(r * padded_input.patch_row + c);
                        for v in 0..VECTORS {
                            let value = S::permute(x, x.wrapping_add(last), indices[v]);
                            sums[v] = S::fma(value, gradients[v], sums[v]);
                        }
                    }
                }
                x = x.wrapping_add(windows * apart);
                cell += windows * filters;
                left -= windows;
            }
        }
    }
}

/// Adds the sums of windows that share a vector, and these to the gradient.
struct AddWindows<'a> {
    block: Block<'a>,
    columns: usize,
    /// The vector of each tap, row by row.
    lanes: &'a [[f32; MAX_LANES]],
}

impl Kernel for AddWindows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let filters = self.block.count;
        for (tap, lanes) in self.lanes.iter().enumerate() {
            // SAFETY: the caller vouches for the instruction set. These are taps and filters of the image, and the
            // lanes hold the filters of all windows.
            unsafe {
                let mut total = S::load_first(lanes.as_ptr(), filters);
                for window in 1..self.block.shared.windows {
                    let other = S::load_first(lanes.as_ptr().add(window * filters), filters);
                    total = S::add(total, other);
                }
                let [row, column] = [tap / self.columns, tap % self.columns];
                let gradient = self.block.gradient::<S>(row, column, 0);
                S::store_first(gradient, total, filters);
            }
        }
    }
}
