//! The sums of a block, where a permutation finds the value of each filter's argmax.
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

use super::{Add, Block, Image, MAX_COLUMNS};
use crate::kernels::simd::{Kernel, MAX_LANES, Simd};

/// Neighbouring windows of a row that share a vector.
pub(super) struct WindowsPerVector {
    windows: usize,
    /// For each lane the offset of its window from the first one: of a whole vector, and of the windows that are left
    /// at the end of a row. Lanes without a window have the offset of the last one, and add its values times 0.
    shifts: [[f32; MAX_LANES]; 2],
}

impl WindowsPerVector {
    /// As many windows as have lanes in a vector and values in the reach of [`Simd::permute`].
    pub(super) fn new<S: Simd>(image: &Image<'_>) -> Self {
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

    /// One window in each vector.
    pub(super) const ONE: Self = Self {
        windows: 1,
        shifts: [[0.0; MAX_LANES]; 2],
    };
}

/// The most rows of a block with so many columns, and the most vectors of filters of a block with so many rows and
/// columns. Asked in `const` blocks, so that larger blocks are not compiled.
pub(super) const fn largest_block<S: Simd>(rows: usize, columns: usize) -> [usize; 2] {
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
pub(super) fn block_of<S: Simd>(rows: usize, columns: usize, vectors: usize) -> Add {
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
