//! The passes that gather: forward, and the gradient of the input. Vectors lie along channels.
//!
//! ```text
//! spans of rows x spans of columns ──▶ block of positions of the target with the same taps
//!     ╰─▶ several positions at a time, side by side or one below the other: a weight is loaded once for all
//!     ╰─▶ few positions: one at a time, several vectors of its channels
//! ```
//!
//! The sums of such a tile stay in registers. Where a vector holds several positions (few channels, stride 1), those of a
//! row are one long row of values, and the weights are repeated.

use core::ptr;

use super::axis::{Pass, Span};
use crate::kernels::simd::{Kernel, MAX_LANES, Simd, load, store, unrolled};
use cnn_ir::operation::DepthwiseConv2d;

/// Vectors of the target that are made together, where there are so many, and where there are fewer.
const TILE: usize = 8;
const SMALL_TILE: usize = 4;

/// The most taps whose weights are repeated.
const MAX_REPEATED: usize = 25;

/// A pass with one output channel for each of the input's. The lengths of the slices have been checked.
pub(super) struct Gather<'a> {
    pub(super) conv: &'a DepthwiseConv2d,
    pub(super) pass: Pass,
    /// `[n, ..]` of `x` or `dy`.
    pub(super) source: &'a [f32],
    pub(super) kernel: &'a [f32],
    /// Empty: none.
    pub(super) bias: &'a [f32],
    /// `[n, ..]` of `y` or `dx`, overwritten.
    pub(super) target: &'a mut [f32],
}

impl Kernel for Gather<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let (conv, pass) = (self.conv, self.pass);
        let repeated = Repeated::new(conv, S::LANES, self.kernel, self.bias);
        for rows in pass.spans(conv, 0) {
            for columns in pass.spans(conv, 1) {
                // SAFETY: the machine has the features of `S`, and the spans are those of the pass.
                unsafe { self.block::<S>(&rows, &columns, repeated.as_ref()) }
            }
        }
    }
}

impl Gather<'_> {
    /// Writes the positions of all images that lie in a span of rows and a span of columns.
    ///
    /// # Safety
    /// The machine has the features of `S`. The spans are of the two axes of the pass, and `repeated` is for the vectors
    /// of `S`.
    #[inline(always)]
    unsafe fn block<S: Simd>(&mut self, rows: &Span, columns: &Span, repeated: Option<&Repeated>) {
        let (conv, channels) = (self.conv, self.conv.input[2]);
        let [source, target] = self.pass.shapes(conv).map(|shape| shape[1] * channels);
        // From a position of the block to the next, down and across: in the source and in the target.
        let down = [rows.place_step * source, rows.step * target];
        let across = [columns.place_step * channels, columns.step * channels];
        let place = rows.place as usize * source + columns.place as usize * channels;
        let first = rows.first * target + columns.first * channels;
        let tap = rows.tap * conv.kernel[1] + columns.tap;
        let corner = Run {
            source: self.source.as_ptr().wrapping_add(place),
            target: self.target.as_mut_ptr().wrapping_add(first),
            // Without a tap inside the image, this may lie behind the last.
            kernel: self.kernel.as_ptr().wrapping_add(tap * channels),
            bias: match self.bias.is_empty() {
                true => ptr::null(),
                false => self.bias.as_ptr(),
            },
            len: 1,
            steps: [0; 3],
            taps: [rows.taps, columns.taps],
            source_steps: [
                rows.tap_distance * source as isize,
                columns.tap_distance * channels as isize,
            ],
            kernel_steps: [
                rows.tap_step * conv.kernel[1] * channels,
                columns.tap_step * channels,
            ],
        };
        let is_row = columns.len >= SMALL_TILE || columns.len >= rows.len;
        let (run, lines, line_steps) = match is_row {
            true => (corner.positions(columns.len, across), rows.len, down),
            false => (corner.positions(rows.len, down), columns.len, across),
        };
        let repeated = repeated.filter(|_| is_row && columns.len > 1);
        let run = match repeated {
            Some(repeated) => repeated.run::<S>(conv, tap, &run),
            None => run,
        };
        let image_steps = self.pass.shapes(conv).map(|shape| shape.iter().product());
        let images = self.target.len() / image_steps[1];
        for image in 0..images {
            let run = run.at(image, image_steps);
            for line in 0..lines {
                let run = run.at(line, line_steps);
                // SAFETY: each position of the block sees the source through all taps of the run: there are `channels`
                // values at each place, and at each position of the target. The kernel has as many for each tap, as has
                // the bias. Repeated weights are for a stride of 1, where the positions of a row and what they see
                // through a tap lie side by side.
                unsafe {
                    if repeated.is_some() {
                        run.long::<S>(columns.len * channels);
                    } else if run.len < SMALL_TILE {
                        run.one_by_one::<S>(channels);
                    } else {
                        run.together::<S>(channels);
                    }
                }
            }
        }
    }
}

/// Weights and bias of all channels, repeated to fill a vector.
struct Repeated {
    kernel: [f32; MAX_REPEATED * MAX_LANES],
    bias: [f32; MAX_LANES],
}

impl Repeated {
    /// None, where a vector does not hold whole cells that lie side by side for each tap.
    #[inline(always)]
    fn new(conv: &DepthwiseConv2d, lanes: usize, kernel: &[f32], bias: &[f32]) -> Option<Self> {
        let [channels, taps] = [conv.input[2], conv.kernel[0] * conv.kernel[1]];
        let fits = channels < lanes && lanes.is_multiple_of(channels) && taps <= MAX_REPEATED;
        if !fits || conv.strides[1] != 1 {
            return None;
        }
        let mut repeated = Self {
            kernel: [0.0; MAX_REPEATED * MAX_LANES],
            bias: [0.0; MAX_LANES],
        };
        for (tap, weights) in kernel.chunks_exact(channels).enumerate() {
            let vector = &mut repeated.kernel[tap * lanes..(tap + 1) * lanes];
            for cell in vector.chunks_exact_mut(channels) {
                cell.copy_from_slice(weights);
            }
        }
        if !bias.is_empty() {
            for cell in repeated.bias[..lanes].chunks_exact_mut(channels) {
                cell.copy_from_slice(bias);
            }
        }
        Some(repeated)
    }

    /// The run of whole vectors that begins with the same position as `run`, whose first tap is `tap`.
    #[inline(always)]
    fn run<S: Simd>(&self, conv: &DepthwiseConv2d, tap: usize, run: &Run) -> Run {
        let channels = conv.input[2];
        Run {
            kernel: self.kernel.as_ptr().wrapping_add(tap * S::LANES),
            bias: self.bias.as_ptr(),
            kernel_steps: run.kernel_steps.map(|step| step / channels * S::LANES),
            ..*run
        }
    }
}

/// Vectors of the target, at equal distances, whose windows have the same taps inside the image: of positions, or of the
/// channels of one position.
#[derive(Clone, Copy)]
struct Run {
    /// The values under the first tap of the first vector.
    source: *const f32,
    target: *mut f32,
    /// The weights of the first tap for the first vector.
    kernel: *const f32,
    /// Null: none.
    bias: *const f32,
    /// How many vectors.
    len: usize,
    /// From a vector to the next: in the source, in the target, and in `kernel` and `bias`, where 0 stands for the same
    /// weights.
    steps: [usize; 3],
    /// Rows and columns of taps.
    taps: [usize; 2],
    /// From a row of taps to the next, and from a tap to the next in its row.
    source_steps: [isize; 2],
    kernel_steps: [usize; 2],
}

impl Run {
    /// The run that begins `count` steps from this one.
    #[inline(always)]
    fn at(&self, count: usize, [source, target]: [usize; 2]) -> Self {
        Self {
            source: self.source.wrapping_add(count * source),
            target: self.target.wrapping_add(count * target),
            ..*self
        }
    }

    /// The run of `len` vectors at these distances, all with the same weights.
    #[inline(always)]
    fn positions(&self, len: usize, [source, target]: [usize; 2]) -> Self {
        Self {
            len,
            steps: [source, target, 0],
            ..*self
        }
    }

    /// The same of the channels from `first` on.
    #[inline(always)]
    fn channels_from(&self, first: usize) -> Self {
        Self {
            source: self.source.wrapping_add(first),
            target: self.target.wrapping_add(first),
            kernel: self.kernel.wrapping_add(first),
            bias: match self.bias.is_null() {
                true => self.bias,
                false => self.bias.wrapping_add(first),
            },
            ..*self
        }
    }

    /// Writes all channels of all positions, several vectors of a position at a time.
    ///
    /// # Safety
    /// The machine has the features of `S`. At each pointer and under each tap, there are so many channels.
    #[inline(always)]
    unsafe fn one_by_one<S: Simd>(&self, channels: usize) {
        let [source, target, _] = self.steps;
        let whole = channels / S::LANES * S::LANES;
        for position in 0..self.len {
            let run = self.at(position, [source, target]);
            // SAFETY: as above. Whole vectors, and the rest, end with the channels of the position.
            unsafe {
                let vectors = Self {
                    len: whole / S::LANES,
                    steps: [S::LANES; 3],
                    ..run
                };
                vectors.tiles::<S, false>(S::LANES);
                if whole < channels {
                    let rest = Self { len: 1, ..run };
                    let rest = rest.channels_from(whole);
                    rest.tiles::<S, true>(channels - whole);
                }
            }
        }
    }

    /// Writes all channels of all positions, a vector of several positions at a time.
    ///
    /// # Safety
    /// As of [`Run::one_by_one`].
    #[inline(always)]
    unsafe fn together<S: Simd>(&self, channels: usize) {
        for first in (0..channels).step_by(S::LANES) {
            let (run, count) = (self.channels_from(first), S::LANES.min(channels - first));
            // SAFETY: as above: `count` channels are left.
            unsafe {
                match count == S::LANES {
                    true => run.tiles::<S, false>(count),
                    false => run.tiles::<S, true>(count),
                }
            }
        }
    }

    /// Writes so many values side by side.
    ///
    /// # Safety
    /// The machine has the features of `S`. There are so many values at the pointers, and under each tap; kernel and bias
    /// are repeated.
    #[inline(always)]
    unsafe fn long<S: Simd>(&self, values: usize) {
        let whole = values / S::LANES;
        let steps = [S::LANES; 2];
        // SAFETY: as above.
        unsafe {
            self.positions(whole, steps).tiles::<S, false>(S::LANES);
            let rest = values % S::LANES;
            if rest > 0 {
                let run = self.at(whole, steps).positions(1, steps);
                run.tiles::<S, true>(rest);
            }
        }
    }

    /// Writes the first `count` lanes of each vector of the target. The last tile may write some vectors a second time.
    ///
    /// # Safety
    /// The machine has the features of `S`. Under each tap of each vector there are `count` values of the source; `kernel`
    /// has as many for each tap, `bias`, if it is not null, and the target for each vector. Where not `CUT`, `count` is
    /// `LANES`.
    #[inline(always)]
    unsafe fn tiles<S: Simd, const CUT: bool>(&self, count: usize) {
        let mut done = 0;
        // SAFETY: as above; tiles end with the last vector.
        unsafe {
            while done + TILE <= self.len {
                self.tile::<S, TILE, CUT>(done, count);
                done += TILE;
            }
            if self.len < SMALL_TILE {
                while done < self.len {
                    self.tile::<S, 1, CUT>(done, count);
                    done += 1;
                }
            }
            while done < self.len {
                let first = done.min(self.len - SMALL_TILE);
                self.tile::<S, SMALL_TILE, CUT>(first, count);
                done = first + SMALL_TILE;
            }
        }
    }

    /// # Safety
    /// As of [`Run::tiles`], for the `N` vectors from number `first`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const N: usize, const CUT: bool>(&self, first: usize, count: usize) {
        let [source_step, target_step, kernel_step] = self.steps;
        // SAFETY: as above.
        unsafe {
            // Without taps nothing is read, and the place may be outside.
            let source = self.source.wrapping_add(first * source_step);
            let kernel = self.kernel.wrapping_add(first * kernel_step);
            let mut sums = [S::splat(0.0); N];
            if !self.bias.is_null() {
                let bias = self.bias.add(first * kernel_step);
                unrolled!(vector in 0..N => {
                    sums[vector] = load::<S, CUT>(bias.add(vector * kernel_step), count);
                });
            }
            for row in 0..self.taps[0] {
                for column in 0..self.taps[1] {
                    let tap = row * self.kernel_steps[0] + column * self.kernel_steps[1];
                    let kernel = kernel.add(tap);
                    let [down, across] = self.source_steps;
                    let source = source.offset(row as isize * down + column as isize * across);
                    if kernel_step == 0 {
                        let weights = load::<S, CUT>(kernel, count);
                        unrolled!(vector in 0..N => {
                            let values = load::<S, CUT>(source.add(vector * source_step), count);
                            sums[vector] = S::fma(values, weights, sums[vector]);
                        });
                    } else {
                        unrolled!(vector in 0..N => {
                            let weights = load::<S, CUT>(kernel.add(vector * kernel_step), count);
                            let values = load::<S, CUT>(source.add(vector * source_step), count);
                            sums[vector] = S::fma(values, weights, sums[vector]);
                        });
                    }
                }
            }
            let target = self.target.add(first * target_step);
            unrolled!(vector in 0..N => {
                let target = target.add(vector * target_step);
                store::<S, CUT>(target, sums[vector], count);
            });
        }
    }
}
