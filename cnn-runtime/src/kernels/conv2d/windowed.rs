//! The gradient of a kernel on few channels, for a convolution that a fused max-pool follows.
//!
//! A patch of few values does not fill vectors, so here vectors run along the filters, as the kernel is stored. A block
//! of the gradient, some taps times some filters, stays in registers while all windows of the pool pass. The value that
//! a tap sees depends on the argmax of the filter, in one of two ways:
//!
//! ```text
//! permuted:  dK[tap][filters] += dz[filters] * x[patch of argmax[filters] + tap]
//! masked:    dK[tap][filters] += x[patch of cell + tap] * (argmax[filters] == cell ? dz[filters] : 0), for each cell
//! ```
//!
//! [`permuted`] selects for each lane one of the values that the window has for a tap, with one instruction for two
//! rows of the window. [`masked`] takes a step for each cell of the window, and computes any geometry on any
//! instruction set.

mod masked;
mod permuted;

use self::permuted::WindowsPerVector;
use super::choice::pooled::whole_windows;
use super::padded_input::PaddedInput;
use super::{BackwardKernel, Conv2d, FusedPool, channel_planes, max};
use crate::kernels::simd::{Kernel, Simd, ValidPointers};
use core::ops::Range;

/// Values of a kernel row in the widest block.
const MAX_COLUMNS: usize = 5;

/// Floats of scratch memory.
pub(super) const fn kernel_gradient_scratch(conv: &Conv2d) -> usize {
    let Some(pool) = conv.pool else { return 0 };
    max(
        PaddedInput::new(&whole_windows(conv, &pool).0).scratch() + masked::scratch(&pool),
        channel_planes::kernel_gradient_scratch(conv),
    )
}

/// Adds to the gradient, laid out as the kernel, with lanes permuted, where that is
/// [supported](super::choice::pooled::supports_permutation), or with cells masked.
pub(super) fn kernel_gradient(conv: &Conv2d, is_permuted: bool, operands: BackwardKernel<'_>) {
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
    let (copy, scratch) = scratch.split_at_mut(padded_input.scratch());
    let scratch = &mut scratch[..masked::scratch(pool)];
    let images = x
        .chunks_exact(conv.input_len())
        .zip(dz.chunks_exact(conv.output_len()))
        .zip(argmax.chunks_exact(conv.output_len()));
    for ((x, dz), argmax) in images {
        isa.run(Image {
            conv,
            pool: *pool,
            padded_input,
            is_permuted,
            x: padded_input.of(conv, x, copy),
            dz,
            argmax,
            kernel_gradient: kernel_gradient.as_mut_ptr(),
            scratch: scratch.as_mut_ptr(),
            // SAFETY: the gradient is as long as the kernel, and the scratch memory as long as `masked` says.
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
    /// Whether blocks are [`permuted`], or [`masked`].
    is_permuted: bool,
    /// The padded input.
    x: &'a [f32],
    dz: &'a [f32],
    argmax: &'a [u8],
    /// As long as the kernel.
    kernel_gradient: *mut f32,
    /// As long as [`masked::scratch`] says.
    scratch: *mut f32,
    /// These two are valid, and so long.
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
        let PaddedInput { run, runs, .. } = self.padded_input;
        let filters = self.conv.output[2];
        // Without a permutation, its blocks are not compiled.
        let is_permuted = const { S::REACH > 0 } && self.is_permuted;
        let shared = match is_permuted {
            true => WindowsPerVector::new::<S>(&self),
            false => WindowsPerVector::ONE,
        };
        let largest_block = |rows, columns| match is_permuted {
            true => permuted::largest_block::<S>(rows, columns),
            false => masked::LARGEST_BLOCK,
        };
        for part in 0..runs {
            for columns in pieces(run, MAX_COLUMNS) {
                let [max_rows, _] = largest_block(1, columns.len());
                for rows in pieces(self.conv.kernel[0], max_rows) {
                    let taps = Taps {
                        row: rows.start,
                        column: part * run + columns.start,
                        offset: part * self.padded_input.run_step
                            + rows.start * self.padded_input.patch_row
                            + columns.start,
                    };
                    let [rows, columns] = [rows.len(), columns.len()];
                    let [_, vectors] = largest_block(rows, columns);
                    for filter in (0..filters).step_by(vectors * S::LANES) {
                        let count = filters.min(filter + vectors * S::LANES) - filter;
                        let add = match is_permuted {
                            true => {
                                permuted::block_of::<S>(rows, columns, count.div_ceil(S::LANES))
                            }
                            false => masked::block_of::<S>(columns),
                        };
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
