//! The sums of a block, where the values that a window of the pool has for a tap lie side by side in two
//! short rows: each filter picks that of its own winner.
//!
//! A pool of more than two rows is gone through pair by pair; filters whose winner is in another one pick any value,
//! and add it 0 times. Where filters are so few that half of the lanes would stay empty, neighbouring windows share a vector,
//! each with sums of its own:
//!
//! ```text
//! window    0 0 0 0 0 0 1 1 1 1 1 1
//! filter    0 1 2 3 4 5 0 1 2 3 4 5 - - - -
//! ```

use super::{Add, Block, Image, MOST_COLUMNS};
use crate::kernels::simd::{Kernel, Simd};

/// Floats in the longest vector.
const MOST_LANES: usize = 16;

/// Whether [`Simd::permute`] reaches the two rows of a pair, and reads nothing outside of what they enclose.
pub(super) fn is_best<S: Simd>(image: &Image<'_>) -> bool {
    let Image {
        conv,
        pool,
        padded_input,
        ..
    } = image;
    let width = pool.size[1];
    // The portable instance has no permutation.
    !S::IS_PORTABLE
        && padded_input.patch(conv, [0, width - 1]) < S::REACH
        && padded_input.patch(conv, [1, width - 1]) + 1 >= S::REACH
}

/// Windows that share a vector.
pub(super) struct Together {
    windows: usize,
    /// How far the window of each lane lies behind the first: if all are there, and of those that are left at the end of a
    /// row. Lanes without one pick something of the last one, and add it 0 times.
    shifts: [[f32; MOST_LANES]; 2],
}

impl Together {
    /// As many as have room in a vector, and in what [`Simd::permute`] reaches.
    pub(super) fn new<S: Simd>(image: &Image<'_>) -> Self {
        let Image {
            conv,
            pool,
            padded_input,
            ..
        } = image;
        let column = |column: usize| padded_input.patch(conv, [0, column]);
        let filters = conv.output[2];
        let apart = column(pool.strides[1]);
        let fit = (S::LANES / filters).min(pool.output[1]);
        let reached = 1 + (S::REACH - 1 - column(pool.size[1] - 1)) / apart.max(1);
        let windows = fit.min(reached).max(1);
        let mut shifts = [[0.0; MOST_LANES]; 2];
        for (shifts, windows) in shifts.iter_mut().zip([windows, pool.output[1] % windows]) {
            for (lane, shift) in shifts.iter_mut().enumerate() {
                *shift = ((lane / filters).min(windows.saturating_sub(1)) * apart) as f32;
            }
        }
        Self { windows, shifts }
    }

    /// One window for each vector.
    pub(super) const ONE: Self = Self {
        windows: 1,
        shifts: [[0.0; MOST_LANES]; 2],
    };
}

/// Rows of the tallest block of so many columns, and vectors of filters of the widest of so many taps. Asked in
/// `const` blocks, so that larger ones are not compiled.
pub(super) const fn most<S: Simd>(rows: usize, columns: usize) -> [usize; 2] {
    // There are many blocks to compile, and a whole row of the kernel that sees so little is rare.
    if columns <= 2 {
        return [1, 1];
    }
    let tallest = match S::ACCUMULATORS / columns {
        0 | 1 => 1,
        2 => 2,
        _ => 3,
    };
    let is_double = 2 * rows * columns <= S::ACCUMULATORS;
    [tallest, if is_double { 2 } else { 1 }]
}

/// The block of so many rows and columns, and vectors of filters.
pub(super) fn block_of<S: Simd>(rows: usize, columns: usize, vectors: usize) -> Add {
    const { assert!(MOST_COLUMNS == 5) };
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
        3 if const { most::<S>(1, COLUMNS)[0] >= 3 } => block_of_rows::<S, 3, COLUMNS>(vectors),
        2 if const { most::<S>(1, COLUMNS)[0] >= 2 } => block_of_rows::<S, 2, COLUMNS>(vectors),
        _ => block_of_rows::<S, 1, COLUMNS>(vectors),
    }
}

fn block_of_rows<S: Simd, const ROWS: usize, const COLUMNS: usize>(vectors: usize) -> Add {
    match vectors {
        2 if const { most::<S>(ROWS, COLUMNS)[1] >= 2 } => add::<S, ROWS, COLUMNS, 2>,
        _ => add::<S, ROWS, COLUMNS, 1>,
    }
}

/// # Safety
/// See [`Add`].
unsafe fn add<S: Simd, const ROWS: usize, const COLUMNS: usize, const VECTORS: usize>(
    block: Block<'_>,
) {
    // Asked in a `const` block, so that nothing is compiled for the portable instance.
    if const { S::IS_PORTABLE } {
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
        // SAFETY: the caller vouches for the instruction set, the block's promise for taps and filters.
        unsafe {
            let mut sums = self.0.load::<S, ROWS, COLUMNS, VECTORS>();
            for pair in 0..self.0.image.pool.size[0].div_ceil(2) {
                pair_of_rows::<S, ROWS, COLUMNS, VECTORS>(&self.0, pair, &mut sums);
            }
            if VECTORS == 1 && self.0.together.windows > 1 {
                let mut lanes = [[[0.0; MOST_LANES]; COLUMNS]; ROWS];
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

/// What the winners in two rows of all windows add. If there is no second one, it is paired with the row before.
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
    // SAFETY: for the whole function: the block's filters exist, so their gradients and argmax do; the field holds
    // the patches of whole windows, and with them `last` and, as `is_best` and `windows_together` have checked, all that
    // `pick` reads.
    unsafe {
        let splat = |value: f32| S::splat(value);
        // How far windows lie apart, and how many share a vector.
        let apart = pool.strides[1] * step;
        let together = block.together.windows;
        let slope = splat(step as f32);
        // Where `pick` finds the value of a code for each of so many windows: from the first value of the upper row on,
        // or up to the last of the lower one.
        let upper = splat(-((row * width * step) as f32));
        let behind = (((row + 2) * width - 1) * step) as f32;
        let [whole, rest] = &block.together.shifts;
        // Between the last code of a row and the first of the next.
        let border = |row: usize| splat((row * width) as f32 - 0.5);
        let middle = border(row + 1);
        let [first, end] = [border(2 * pair), border(2 * pair + 2)];
        for window_row in 0..pool.output[0] {
            let patch = padded_input.patch(conv, [window_row * pool.strides[0] + row, 0]);
            let mut x = x.as_ptr().add(patch + block.taps.place);
            let mut cell = window_row * pool.output[1] * filters + block.filter;
            let mut left = pool.output[1];
            while left > 0 {
                let (windows, shifts) = match left >= together {
                    true => (together, whole),
                    false => (left, rest),
                };
                let shifts = S::load(shifts.as_ptr());
                let further = (windows - 1) * apart;
                let last = last + further;
                let upper = S::add(upper, shifts);
                let lower = splat((2 * S::REACH - 1) as f32 - behind - further as f32);
                let lower = S::add(lower, shifts);
                let mut places = [slope; VECTORS];
                let mut gradients = [slope; VECTORS];
                for v in 0..VECTORS {
                    let at = cell + v * S::LANES;
                    let count = block.lanes::<S>(v) + (windows - 1) * filters;
                    let code = S::load_bytes(argmax.as_ptr().add(at), count);
                    let start = S::select(S::greater(code, middle), lower, upper);
                    places[v] = S::fma(code, slope, start);
                    gradients[v] = S::load_first(dz.as_ptr().add(at), count);
                    if height > 2 {
                        let zero = splat(0.0);
                        let alive = S::select(S::greater(code, end), zero, gradients[v]);
                        gradients[v] = S::select(S::greater(code, first), alive, zero);
                    }
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (c, sums) in sums.iter_mut().enumerate() {
                        let x = x.wrapping_add(r * padded_input.tap_row + c);
                        for v in 0..VECTORS {
                            let value = S::permute(x, x.wrapping_add(last), places[v]);
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

/// The sums over windows that share a vector.
struct AddWindows<'a> {
    block: Block<'a>,
    columns: usize,
    /// Of each tap, row by row.
    lanes: &'a [[f32; MOST_LANES]],
}

impl Kernel for AddWindows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let filters = self.block.count;
        for (tap, lanes) in self.lanes.iter().enumerate() {
            // SAFETY: the caller vouches for the instruction set. These are taps and filters of the image, and the filters
            // of all windows have lanes.
            unsafe {
                let mut total = S::load_first(lanes.as_ptr(), filters);
                for window in 1..self.block.together.windows {
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
