//! The gradient of a kernel on few channels, behind a fused max-pool.
//!
//! A patch of few values does not fill vectors, so here they run along the filters, as the kernel lies in
//! memory. The sums of a block of taps and filters stay in registers while all windows of the pool run by.
//! What a tap sees depends on where a filter has its winner:
//!
//! ```text
//! picked:  dW[tap][filters] += dz[filters] * x[patch of argmax[filters] + tap]
//! masked:  dW[tap][filters] += x[patch of place + tap] * (argmax[filters] == place ? dz[filters] : 0), for each place
//! ```
//!
//! [`permuted`] permutes the few values that the window has for a tap, and so needs one step for two of its rows;
//! [`masked`] needs one for each place, in any geometry and on any machine.

mod masked;
mod permuted;

use self::permuted::Together;
use super::padded_input::PaddedInput;
use super::{BackwardKernel, Conv2d, FusedPool, channel_planes, max};
use crate::kernels::simd::{Kernel, Simd, ValidPointers};
use core::ops::Range;

/// Values of a kernel's row in the widest block.
const MOST_COLUMNS: usize = 5;

/// Floats of scratch memory.
pub(super) const fn kernel_gradient_scratch(conv: &Conv2d) -> usize {
    let Some(pool) = conv.pool else { return 0 };
    max(
        PaddedInput::new(&whole_windows(conv, &pool).0).scratch() + masked::scratch(&pool),
        channel_planes::kernel_gradient_scratch(conv),
    )
}

/// The convolution with outputs for all places of all windows, two rows of them at least, and the pool on these: what
/// hangs over the border has no winner, and it does not matter what lies there.
const fn whole_windows(conv: &Conv2d, pool: &FusedPool) -> (Conv2d, FusedPool) {
    let (mut conv, mut pool) = (*conv, *pool);
    let size = [max(pool.size[0], 2), pool.size[1]];
    let mut axis = 0;
    while axis < 2 {
        conv.padding[axis] += pool.padding[axis] * conv.strides[axis];
        conv.output[axis] = (pool.output[axis] - 1) * pool.strides[axis] + size[axis];
        axis += 1;
    }
    pool.padding = [0, 0];
    (conv, pool)
}

/// Adds to the gradient, laid out as the kernel.
pub(super) fn kernel_gradient(conv: &Conv2d, operands: BackwardKernel<'_>) {
    if channel_planes::is_best_backward(conv, operands.isa.lanes()) {
        return channel_planes::kernel_gradient(conv, operands);
    }
    let BackwardKernel {
        isa,
        x,
        dz,
        argmax,
        kernel_gradient,
        scratch,
    } = operands;
    let pool = conv.pool.expect("a fused pool behind a windowed gradient");
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
            x: padded_input.whole(conv, x, copy),
            dz,
            argmax,
            kernel_gradient: kernel_gradient.as_mut_ptr(),
            scratch: scratch.as_mut_ptr(),
            // SAFETY: the gradient is as long as the kernel, and the scratch as `masked` says.
            _valid: unsafe { ValidPointers::new() },
        });
    }
}

/// What one image adds.
struct Image<'a> {
    /// As [`whole_windows`] says, like the pool.
    conv: &'a Conv2d,
    pool: FusedPool,
    padded_input: PaddedInput,
    /// The field of the image.
    x: &'a [f32],
    dz: &'a [f32],
    argmax: &'a [u8],
    /// As long as the kernel.
    kernel_gradient: *mut f32,
    /// What [`masked`] takes.
    scratch: *mut f32,
    /// That these two are so long.
    _valid: ValidPointers,
}

/// Where the taps of a block start in the kernel.
#[derive(Clone, Copy)]
struct Taps {
    row: usize,
    column: usize,
    /// Where they start in a patch of the padded_input.
    place: usize,
}

/// Adds what a block has.
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
        let is_permuted = permuted::is_best::<S>(&self);
        let together = match is_permuted {
            true => Together::new::<S>(&self),
            false => Together::ONE,
        };
        let most = |rows, columns| match is_permuted {
            true => permuted::most::<S>(rows, columns),
            false => masked::MOST,
        };
        for part in 0..runs {
            for columns in pieces(run, MOST_COLUMNS) {
                let [tallest, _] = most(1, columns.len());
                for rows in pieces(self.conv.kernel[0], tallest) {
                    let taps = Taps {
                        row: rows.start,
                        column: part * run + columns.start,
                        place: part * self.padded_input.run_step
                            + rows.start * self.padded_input.tap_row
                            + columns.start,
                    };
                    let [rows, columns] = [rows.len(), columns.len()];
                    let [_, vectors] = most(rows, columns);
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
                                together: &together,
                                taps,
                                filter,
                                count,
                                _valid: ValidPointers::new(),
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

/// Some taps of some filters. Each shape is compiled as a function of its own, which is picked by pointer: all of
/// them in one took LLVM a minute.
struct Block<'a> {
    image: &'a Image<'a>,
    together: &'a Together,
    taps: Taps,
    /// The first one, and how many.
    filter: usize,
    count: usize,
    /// That taps and filters are the image's.
    _valid: ValidPointers,
}

impl Block<'_> {
    /// Filters of one of its vectors.
    #[inline(always)]
    fn lanes<S: Simd>(&self, vector: usize) -> usize {
        (self.count - vector * S::LANES).min(S::LANES)
    }

    /// Where a vector of the gradient of a tap lies.
    #[inline(always)]
    fn gradient<S: Simd>(&self, row: usize, column: usize, vector: usize) -> *mut f32 {
        let conv = self.image.conv;
        let row = (self.taps.row + row) * conv.kernel[1] * conv.input[2];
        let tap = row + self.taps.column + column;
        let place = tap * conv.output[2] + self.filter + vector * S::LANES;
        self.image.kernel_gradient.wrapping_add(place)
    }

    /// Its sums so far.
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

    /// Writes what [`Self::load`] reads.
    ///
    /// # Safety
    /// The same.
    #[inline(always)]
    unsafe fn store<S: Simd, const ROWS: usize, const COLUMNS: usize, const VECTORS: usize>(
        &self,
        sums: &[[[S::V; VECTORS]; COLUMNS]; ROWS],
    ) {
        // SAFETY: the same.
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
