//! The forward pass, with vectors along channels.
//!
//! ```text
//! row of y ──▶ columns whose window is cut by an edge     a cell at a time, several vectors of its channels
//!         ╰──▶ the others                                 several cells at a time: a weight is loaded once for all
//! ```
//!
//! The sums of such a tile stay in registers. Where a vector holds several cells (few channels, stride 1), the columns
//! between the edges are one long row of values, and the weights are repeated.

use core::ops::Range;
use core::ptr;

use super::{place, taps};
use crate::kernels::simd::{Kernel, MAX_LANES, Simd, unrolled};
use cnn_ir::operation::DepthwiseConv2d;

/// Vectors of the output that are made together, where there are so many, and where there are fewer.
const TILE: usize = 8;
const SMALL_TILE: usize = 4;

/// The most taps whose weights are repeated.
const MAX_REPEATED: usize = 25;

/// The forward pass with one output channel for each of the input's. The lengths of the slices have been checked.
pub(super) struct Forward<'a> {
    pub(super) conv: &'a DepthwiseConv2d,
    /// `[n, ..input]`.
    pub(super) x: &'a [f32],
    pub(super) kernel: &'a [f32],
    /// Empty: none.
    pub(super) bias: &'a [f32],
    /// `[n, ..output]`.
    pub(super) y: &'a mut [f32],
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
}

/// Vectors of the output, at equal distances, whose windows have the same taps inside the image: of cells side by side,
/// or of the channels of one cell.
#[derive(Clone, Copy)]
struct Run {
    /// The values under the first tap of the first window.
    x: *const f32,
    y: *mut f32,
    /// The weights of the first tap for the first vector.
    kernel: *const f32,
    /// Null: none.
    bias: *const f32,
    /// From a vector to the next: in `x` and `y`, and in `kernel` and `bias`, where 0 stands for the same weights.
    steps: [usize; 3],
    /// How many vectors.
    len: usize,
    /// Rows and columns of taps.
    taps: [usize; 2],
    /// From a row of taps to the next, and from a tap to the next in its row: in `x` and in `kernel`.
    x_steps: [usize; 2],
    kernel_steps: [usize; 2],
}

/// The columns whose whole window lies inside the image.
fn inner_columns(conv: &DepthwiseConv2d) -> Range<usize> {
    let (stride, padding) = (conv.strides[1], conv.padding[1]);
    let extent = (conv.kernel[1] - 1) * conv.dilation[1] + 1;
    let end = match (conv.input[1] + padding).checked_sub(extent) {
        Some(last) => (last / stride + 1).min(conv.output[1]),
        None => 0,
    };
    padding.div_ceil(stride).min(end)..end
}

/// A row of the output.
struct Row<'a> {
    conv: &'a DepthwiseConv2d,
    /// The image.
    x: &'a [f32],
    kernel: &'a [f32],
    bias: &'a [f32],
    row: usize,
    y: &'a mut [f32],
}

impl Row<'_> {
    /// The run of one vector, of the channels from `first` in `column`. For others, `steps` and `len` are to be set.
    #[inline(always)]
    fn run(&mut self, column: usize, first: usize) -> Run {
        let conv = self.conv;
        let [_, width, channels] = conv.input;
        let [rows, columns] = [taps(conv, 0, self.row), taps(conv, 1, column)];
        let mut from = [0, 0];
        if !rows.is_empty() && !columns.is_empty() {
            let row = place(conv, 0, self.row, rows.start);
            from = [row, place(conv, 1, column, columns.start)];
        }
        let tap = rows.start * conv.kernel[1] + columns.start;
        Run {
            x: self.x[(from[0] * width + from[1]) * channels + first..].as_ptr(),
            y: self.y[column * channels + first..].as_mut_ptr(),
            // Without a tap inside the image, this may lie behind the last.
            kernel: self.kernel.as_ptr().wrapping_add(tap * channels + first),
            bias: match self.bias.is_empty() {
                true => ptr::null(),
                false => self.bias[first..].as_ptr(),
            },
            steps: [0; 3],
            len: 1,
            taps: [rows.len(), columns.len()],
            x_steps: [
                conv.dilation[0] * width * channels,
                conv.dilation[1] * channels,
            ],
            kernel_steps: [conv.kernel[1] * channels, channels],
        }
    }

    /// Writes all channels of a cell.
    ///
    /// # Safety
    /// The machine has the features of `S`.
    #[inline(always)]
    unsafe fn cell<S: Simd>(&mut self, column: usize) {
        let channels = self.conv.input[2];
        let whole = channels / S::LANES;
        // SAFETY: as above. `taps` gives the taps of the window that lie inside the image, so that there is a cell of `x`
        // under each. Whole vectors, and the rest, end with the channels of a cell.
        unsafe {
            if whole > 0 {
                let run = Run {
                    len: whole,
                    steps: [S::LANES; 3],
                    ..self.run(column, 0)
                };
                run.tiles::<S, false>(S::LANES);
            }
            let first = whole * S::LANES;
            if first < channels {
                self.run(column, first).tiles::<S, true>(channels - first);
            }
        }
    }

    /// Writes `len` cells from the one in `column`, all of `inner_columns`.
    ///
    /// # Safety
    /// The machine has the features of `S`.
    #[inline(always)]
    unsafe fn cells<S: Simd>(&mut self, column: usize, len: usize) {
        let channels = self.conv.input[2];
        let steps = [self.conv.strides[1] * channels, channels, 0];
        for first in (0..channels).step_by(S::LANES) {
            let count = S::LANES.min(channels - first);
            let run = Run {
                len,
                steps,
                ..self.run(column, first)
            };
            // SAFETY: as above. The windows of these columns lie inside the image, in the rows that `taps` gives: under
            // each of their taps there is a cell of `x`, of which `count` channels are left.
            unsafe {
                match count == S::LANES {
                    true => run.tiles::<S, false>(count),
                    false => run.tiles::<S, true>(count),
                }
            }
        }
    }

    /// Writes the cells of `inner` as one long row of values.
    ///
    /// # Safety
    /// The machine has the features of `S`, `repeated` is for its vectors, and `inner` are the `inner_columns`.
    #[inline(always)]
    unsafe fn long<S: Simd>(&mut self, inner: Range<usize>, repeated: &Repeated) {
        let conv = self.conv;
        let values = inner.len() * conv.input[2];
        let tap = taps(conv, 0, self.row).start * conv.kernel[1];
        let run = Run {
            len: values / S::LANES,
            steps: [S::LANES, S::LANES, 0],
            kernel: repeated.kernel.as_ptr().wrapping_add(tap * S::LANES),
            bias: repeated.bias.as_ptr(),
            kernel_steps: [conv.kernel[1] * S::LANES, S::LANES],
            ..self.run(inner.start, 0)
        };
        let rest = values % S::LANES;
        // SAFETY: as above. With stride 1, the values under a tap lie side by side, those of the last of `inner` included.
        unsafe {
            run.tiles::<S, false>(S::LANES);
            if rest > 0 {
                let run = Run {
                    x: run.x.add(values - rest),
                    y: run.y.add(values - rest),
                    len: 1,
                    ..run
                };
                run.tiles::<S, true>(rest);
            }
        }
    }
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            conv, kernel, bias, ..
        } = self;
        let ([height, width, channels], [rows, columns, _]) = (conv.input, conv.output);
        let repeated = Repeated::new(conv, S::LANES, kernel, bias);
        let inner = inner_columns(conv);
        // Few cells are not worth a tile.
        let tiled = match (&repeated, inner.len()) {
            (None, 0..SMALL_TILE) => inner.start..inner.start,
            (None, len) => inner.start..inner.start + len / SMALL_TILE * SMALL_TILE,
            (Some(_), _) => inner.clone(),
        };

        let images = self.x.chunks_exact(height * width * channels);
        for (x, y) in images.zip(self.y.chunks_exact_mut(rows * columns * channels)) {
            for (row, y) in y.chunks_exact_mut(columns * channels).enumerate() {
                let mut row = Row {
                    conv,
                    x,
                    kernel,
                    bias,
                    row,
                    y,
                };
                // SAFETY: the machine has the features of `S`, and `tiled` are some of `inner_columns`.
                unsafe {
                    for column in (0..tiled.start).chain(tiled.end..columns) {
                        row.cell::<S>(column);
                    }
                    match &repeated {
                        _ if tiled.is_empty() => {}
                        Some(repeated) => row.long::<S>(tiled.clone(), repeated),
                        None => row.cells::<S>(tiled.start, tiled.len()),
                    }
                }
            }
        }
    }
}

impl Run {
    /// Writes the first `count` lanes of each vector of the output.
    ///
    /// # Safety
    /// The machine has the features of `S`. Under each tap of each vector there are `count` values of `x`; `kernel` has as
    /// many for each tap, `bias`, if it is not null, and `y` for each vector. Where not `CUT`, `count` is `LANES`.
    #[inline(always)]
    unsafe fn tiles<S: Simd, const CUT: bool>(&self, count: usize) {
        let mut done = 0;
        // SAFETY: as above; tiles end with the last vector.
        unsafe {
            while done + TILE <= self.len {
                self.tile::<S, TILE, CUT>(done, count);
                done += TILE;
            }
            if done + SMALL_TILE <= self.len {
                self.tile::<S, SMALL_TILE, CUT>(done, count);
                done += SMALL_TILE;
            }
            while done < self.len {
                self.tile::<S, 1, CUT>(done, count);
                done += 1;
            }
        }
    }

    /// # Safety
    /// As of [`Run::tiles`], for the `N` vectors from number `first`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const N: usize, const CUT: bool>(&self, first: usize, count: usize) {
        let [x_step, y_step, kernel_step] = self.steps;
        // SAFETY: as above.
        unsafe {
            let x = self.x.add(first * x_step);
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
                    let x = x.add(row * self.x_steps[0] + column * self.x_steps[1]);
                    if kernel_step == 0 {
                        let weights = load::<S, CUT>(kernel, count);
                        unrolled!(vector in 0..N => {
                            let values = load::<S, CUT>(x.add(vector * x_step), count);
                            sums[vector] = S::fma(values, weights, sums[vector]);
                        });
                    } else {
                        unrolled!(vector in 0..N => {
                            let weights = load::<S, CUT>(kernel.add(vector * kernel_step), count);
                            let values = load::<S, CUT>(x.add(vector * x_step), count);
                            sums[vector] = S::fma(values, weights, sums[vector]);
                        });
                    }
                }
            }
            let y = self.y.add(first * y_step);
            unrolled!(vector in 0..N => {
                let y = y.add(vector * y_step);
                match CUT {
                    true => S::store_first(y, sums[vector], count),
                    false => S::store(y, sums[vector]),
                }
            });
        }
    }
}

/// The first `count` values at `p`: all lanes, where not `CUT`.
///
/// # Safety
/// The machine has the features of `S`, and there are `count` values at `p`.
#[inline(always)]
unsafe fn load<S: Simd, const CUT: bool>(p: *const f32, count: usize) -> S::V {
    // SAFETY: as above.
    unsafe {
        match CUT {
            true => S::load_first(p, count),
            false => S::load(p),
        }
    }
}
