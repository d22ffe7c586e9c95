//! Convolution by register tiles on the image as it is stored: a product for each row of the output.
//!
//! A row of a patch, `kernel width * channels` values, is contiguous in the image, and the patches of neighbouring
//! cells overlap. So the matrix of patches is a view of the image whose row stride is one step of the convolution, and
//! im2col is not needed:
//!
//! ```text
//! forward:          y[row]  = Σ over kernel rows  patches of the image's row · K[kernel row]
//! input gradient:   the same with dy as the image and the kernel flipped and transposed
//! kernel gradient:  dK[kernel row] += Σ over output rows  (patches of the image's row)ᵀ · dy[row]
//! ```
//!
//! Rows of the kernel are the segments of a product (see `microkernel`). Those above and below the image are left out.
//! If patches reach over the left or right border, the image is copied between columns of zeros first. A fused pool
//! takes the rows of one row of windows at a time.

use super::few_channels::WindowRow;
use super::pooled::MaxRow;
use super::{
    BackwardInput, BackwardKernel, Conv2d, Forward, channel_planes, choice, indices_within, max,
};
use crate::kernels::Isa;
use crate::kernels::microkernel::{Start, TiledGemm};
use crate::kernels::simd::ValidPointers;
use crate::kernels::transpose::transpose;
use cnn_ir::Activation;
use core::ops::Range;

/// Floats of a cache line.
const CACHE_LINE: usize = 16;

/// Floats of scratch memory that [`forward`] takes.
pub(super) const fn forward_scratch(conv: &Conv2d) -> usize {
    let rows = match conv.pool {
        Some(pool) => pool.size[0] * conv.output[1] * conv.output[2],
        None => 0,
    };
    max(
        Correlation::of_images(conv).scratch() + rows,
        channel_planes::forward_scratch(conv),
    )
}

/// Floats of scratch memory that [`kernel_gradient`] takes.
pub(super) const fn kernel_gradient_scratch(conv: &Conv2d) -> usize {
    Correlation::of_images(conv).scratch() + conv.unpooled_len()
}

/// Floats of scratch memory that [`input_gradient`] takes.
pub(super) const fn input_gradient_scratch(conv: &Conv2d) -> usize {
    Correlation::of_gradients(conv).scratch() + conv.unpooled_len()
}

/// The weights as [`input_gradient`] wants them, `[kernel height, kernel width, filters, channels]` with
/// the taps in reverse order.
pub(super) fn flip(conv: &Conv2d, isa: Isa, kernel: &[f32], flipped: &mut [f32]) {
    let [channels, filters] = [conv.input[2], conv.output[2]];
    let taps = kernel.chunks_exact(channels * filters);
    for (from, to) in taps.rev().zip(flipped.chunks_exact_mut(channels * filters)) {
        transpose(isa, [channels, filters], from, to);
    }
}

pub(super) fn forward(conv: &Conv2d, operands: Forward<'_>) {
    let chosen = choice::forward_direct(conv, operands.isa.vectors());
    if chosen == choice::Forward::ChannelPlanes {
        return channel_planes::forward(conv, operands);
    }
    let Forward {
        isa,
        n,
        x,
        kernel,
        bias,
        y,
        argmax,
        scratch,
        ..
    } = operands;
    let correlation = Correlation::of_images(conv);
    let relu = conv.activation == Activation::Relu;
    let Some(pool) = conv.pool else {
        let weights = Weights { kernel, bias, relu };
        correlation.run(isa, n, x, weights, y, scratch);
        return super::activate(conv, isa, y);
    };
    let weights = Weights {
        kernel,
        bias,
        relu: false,
    };
    // The convolution's rows that a row of windows sees, in a ring buffer: windows that overlap reuse rows.
    let (padded, rows) = scratch.split_at_mut(correlation.scratch());
    let row = conv.output[1] * conv.output[2];
    let is_few_channels = chosen == choice::Forward::FewChannels;
    let values = pool.output[1] * conv.output[2];
    let images = x.chunks_exact(conv.input_len());
    for (i, (image, y)) in images
        .zip(y.chunks_exact_mut(conv.output_len()))
        .enumerate()
    {
        let source = correlation.source(image, padded);
        let argmax = argmax
            .get_mut(i * conv.output_len()..(i + 1) * conv.output_len())
            .unwrap_or_default();
        let mut done = 0;
        for window in 0..pool.output[0] {
            let seen = pool.cells(0, window, conv.output[0]);
            let range = window * values..(window + 1) * values;
            let (y, argmax) = (
                &mut y[range.clone()],
                argmax.get_mut(range).unwrap_or_default(),
            );
            if is_few_channels && correlation.is_whole(seen.clone()) {
                let top = seen.start * conv.strides[0] - conv.padding[0];
                isa.run(WindowRow {
                    conv,
                    image: &source.values[top * source.row..],
                    image_row: source.row,
                    kernel,
                    bias,
                    relu,
                    y,
                    argmax,
                });
                continue;
            }
            let mut oy = done.max(seen.start);
            while oy < seen.end {
                // Up to the end of the ring buffer.
                let slot = oy % pool.size[0];
                let end = seen.end.min(oy + pool.size[0] - slot);
                let result = &mut rows[slot * row..][..(end - oy) * row];
                correlation.rows(isa, source, oy..end, weights, result);
                oy = end;
            }
            done = done.max(seen.end);
            isa.run(MaxRow {
                pool,
                output: conv.output,
                row: window,
                rows: pool.size[0],
                z: rows,
                relu,
                y,
                argmax,
            });
        }
    }
    super::activate(conv, isa, y);
}

pub(super) fn kernel_gradient(conv: &Conv2d, operands: BackwardKernel<'_>) {
    let BackwardKernel {
        isa,
        x,
        dz,
        argmax,
        kernel_gradient,
        scratch,
    } = operands;
    let correlation = Correlation::of_images(conv);
    let [output_height, output_width, filters] = conv.output;
    let [kernel_height, kernel_width] = conv.kernel;
    let [channels, taps] = [conv.input[2], correlation.taps];
    let (padded, unpooled) = scratch.split_at_mut(correlation.scratch());
    let images = x.chunks_exact(conv.input_len());
    for (i, (image, dz)) in images.zip(dz.chunks_exact(conv.output_len())).enumerate() {
        let source = correlation.source(image, padded);
        let dy = super::pooled::unpool(conv, isa, i, dz, argmax, unpooled);
        // In blocks of output rows that stay in the first-level cache while all of the kernel sees them.
        let block_rows = block_rows(conv, source.row);
        for start in (0..output_height).step_by(block_rows) {
            let block = start..output_height.min(start + block_rows);
            for ky in 0..kernel_height {
                let first = (ky * conv.dilation[0]) as isize - conv.padding[0] as isize;
                let seen = indices_within(first, conv.strides[0], output_height, conv.input[0]);
                let seen = seen.start.max(block.start)..seen.end.min(block.end);
                if seen.is_empty() {
                    continue;
                }
                let y = seen.start * conv.strides[0] + ky * conv.dilation[0] - conv.padding[0];
                for kx in (0..kernel_width).step_by(taps) {
                    let rows = taps * channels;
                    let offset = (ky * kernel_width + kx) * channels * filters;
                    let gradient = &mut kernel_gradient[offset..offset + rows * filters];
                    // Row `r` of A is value `r` of the run of taps; its columns are the output's cells.
                    isa.run(&TiledGemm {
                        rows,
                        columns: filters,
                        depth: output_width,
                        segments: [1, seen.len()],
                        a: source.at(y, kx * conv.dilation[1] * channels),
                        a_row: 1,
                        line: rows,
                        a_line: 0,
                        a_depth: conv.strides[1] * channels,
                        a_segments: [0, conv.strides[0] * source.row],
                        b: dy[seen.start * output_width * filters..].as_ptr(),
                        b_depth: filters,
                        b_segments: [0, output_width * filters],
                        c: gradient.as_mut_ptr(),
                        c_row: filters,
                        start: Start::Sum,
                        relu: false,
                        // SAFETY: the rows `seen` see row `ky` of the kernel inside the image, whose source has
                        // all columns that they read; `dy` has these rows, and the gradient all taps of the
                        // run.
                        _valid: unsafe { ValidPointers::guarantee() },
                    });
                }
            }
        }
    }
}

/// Output rows of a block. Their gradients and images fit the first-level cache, but they are no fewer than long sums
/// need: each block loads and stores the whole gradient of the kernel.
fn block_rows(conv: &Conv2d, image_row: usize) -> usize {
    /// Floats of a first-level cache.
    const CACHE: usize = 8192;
    /// The least length of a sum.
    const CELLS: usize = 64;
    let row = conv.strides[0] * image_row + conv.output[1] * conv.output[2];
    (CACHE / row).max(CELLS.div_ceil(conv.output[1]))
}

pub(super) fn input_gradient(conv: &Conv2d, operands: BackwardInput<'_>) {
    let BackwardInput {
        isa,
        n,
        dz,
        argmax,
        packed,
        dx,
        scratch,
    } = operands;
    let correlation = Correlation::of_gradients(conv);
    let weights = Weights {
        kernel: packed,
        bias: &[],
        relu: false,
    };
    let (padded, unpooled) = scratch.split_at_mut(correlation.scratch());
    if conv.pool.is_none() {
        return correlation.run(isa, n, dz, weights, dx, padded);
    }
    let gradients = dz.chunks_exact(conv.output_len());
    for (i, (dz, dx)) in gradients
        .zip(dx.chunks_exact_mut(conv.input_len()))
        .enumerate()
    {
        let dy = super::pooled::unpool(conv, isa, i, dz, argmax, unpooled);
        correlation.run(isa, 1, dy, weights, dx, padded);
    }
}

/// The cross-correlation of images with a kernel: a forward pass, or an input gradient.
#[derive(Clone, Copy)]
struct Correlation {
    /// Height, width and channels of an image.
    input: [usize; 3],
    /// Height, width and channels of a result.
    output: [usize; 3],
    kernel: [usize; 2],
    strides: [usize; 2],
    /// Zeros above and left of the image. If negative, so many rows and columns that no result sees.
    padding: [isize; 2],
    dilation: [usize; 2],
    /// Taps of a kernel row that are neighbours in the image.
    taps: usize,
}

/// A kernel, and what is done to the result.
#[derive(Clone, Copy)]
struct Weights<'a> {
    /// `[height, width, input channels, output channels]`.
    kernel: &'a [f32],
    /// `[output channels]` or empty.
    bias: &'a [f32],
    relu: bool,
}

/// An image with all columns that the kernel reads.
#[derive(Clone, Copy)]
struct Source<'a> {
    /// Starts with the first column of the first row that is read.
    values: &'a [f32],
    /// From a row to the next.
    row: usize,
}

impl Source<'_> {
    /// The address of a value of row `y`.
    fn at(&self, y: usize, value: usize) -> *const f32 {
        self.values[y * self.row + value..].as_ptr()
    }
}

impl Correlation {
    const fn of_images(conv: &Conv2d) -> Self {
        Self {
            input: conv.input,
            output: conv.output,
            kernel: conv.kernel,
            strides: conv.strides,
            padding: [conv.padding[0] as isize, conv.padding[1] as isize],
            dilation: conv.dilation,
            taps: conv.neighbours(),
        }
    }

    /// The gradients of the output of a convolution with strides of 1, and the flipped kernel.
    const fn of_gradients(conv: &Conv2d) -> Self {
        assert!(
            conv.strides[0] == 1 && conv.strides[1] == 1,
            "a direct input gradient needs strides of 1"
        );
        let [height, width] = conv.kernel;
        Self {
            input: conv.output,
            output: conv.input,
            kernel: conv.kernel,
            strides: conv.strides,
            padding: [
                ((height - 1) * conv.dilation[0]) as isize - conv.padding[0] as isize,
                ((width - 1) * conv.dilation[1]) as isize - conv.padding[1] as isize,
            ],
            dilation: conv.dilation,
            taps: conv.neighbours(),
        }
    }

    /// Columns that a row of results sees, those in the padding included.
    const fn columns_seen(&self) -> usize {
        (self.output[1] - 1) * self.strides[1] + (self.kernel[1] - 1) * self.dilation[1] + 1
    }

    /// Columns at the left that no result sees.
    const fn skipped(&self) -> usize {
        if self.padding[1] < 0 {
            self.padding[1].unsigned_abs()
        } else {
            0
        }
    }

    /// Floats of the copy of an image with columns of zeros; 0 if the image is read in place.
    const fn scratch(&self) -> usize {
        let [height, width, channels] = self.input;
        if self.padding[1] <= 0 && self.skipped() + self.columns_seen() <= width {
            0
        } else {
            // Whole cache lines, so that the memory behind it is aligned to them: vectors that straddle two lines are
            // slower.
            (height * self.columns_seen() * channels).next_multiple_of(CACHE_LINE)
        }
    }

    /// The image itself, or its copy in `scratch` with the columns of zeros that the kernel reads.
    fn source<'a>(&self, image: &'a [f32], scratch: &'a mut [f32]) -> Source<'a> {
        let [_, width, channels] = self.input;
        if self.scratch() == 0 {
            return Source {
                values: &image[self.skipped() * channels..],
                row: width * channels,
            };
        }
        let columns = self.columns_seen();
        let left = usize::try_from(self.padding[1]).unwrap_or(0).min(columns);
        let skipped = self.skipped().min(width);
        let seen = (width - skipped).min(columns - left);
        let scratch = &mut scratch[..self.scratch()];
        let rows = scratch.chunks_exact_mut(columns * channels);
        for (to, from) in rows.zip(image.chunks_exact(width * channels)) {
            let (zeros, to) = to.split_at_mut(left * channels);
            zeros.fill(0.0);
            let (to, zeros) = to.split_at_mut(seen * channels);
            to.copy_from_slice(&from[skipped * channels..][..seen * channels]);
            zeros.fill(0.0);
        }
        Source {
            values: scratch,
            row: columns * channels,
        }
    }

    /// Whether these rows of results see the whole height of the kernel.
    fn is_whole(&self, mut rows: Range<usize>) -> bool {
        rows.all(|oy| self.seen(oy).len() == self.kernel[0])
    }

    /// The row of the image that the kernel's first row sees, for a row of results; negative above the image.
    fn top(&self, oy: usize) -> isize {
        (oy * self.strides[0]) as isize - self.padding[0]
    }

    /// The kernel's rows that a row of results sees inside the image.
    fn seen(&self, oy: usize) -> Range<usize> {
        indices_within(
            self.top(oy),
            self.dilation[0],
            self.kernel[0],
            self.input[0],
        )
    }

    /// The results of `n` images.
    fn run(
        &self,
        isa: Isa,
        n: usize,
        x: &[f32],
        weights: Weights<'_>,
        y: &mut [f32],
        scratch: &mut [f32],
    ) {
        let this = self.flattened(n);
        let row = this.output[1] * this.output[2];
        let images = x.chunks_exact(this.input.iter().product());
        for (image, y) in images.zip(y.chunks_exact_mut(this.output[0] * row)) {
            let source = this.source(image, scratch);
            this.rows(isa, source, 0..this.output[0], weights, y);
        }
    }

    /// For a 1x1 kernel, all cells of all images are one long row.
    fn flattened(&self, n: usize) -> Self {
        let ([height, width, channels], [_, _, filters]) = (self.input, self.output);
        let pointwise = self.kernel == [1, 1]
            && self.strides == [1, 1]
            && self.padding == [0, 0]
            && self.output[..2] == self.input[..2];
        if !pointwise {
            return *self;
        }
        let cells = n * height * width;
        Self {
            input: [1, cells, channels],
            output: [1, cells, filters],
            ..*self
        }
    }

    /// Rows `range` of a result, `[rows, output width, output channels]`.
    ///
    /// Rows that see the whole height of the kernel are one product, the others one each.
    fn rows(
        &self,
        isa: Isa,
        source: Source<'_>,
        range: Range<usize>,
        weights: Weights<'_>,
        y: &mut [f32],
    ) {
        let [_, output_width, filters] = self.output;
        let [_, _, channels] = self.input;
        let [kernel_height, kernel_width] = self.kernel;
        let (row, tap) = (output_width * filters, channels * filters);
        assert_eq!(y.len(), range.len() * row, "rows of results");
        // Undilated taps of a row are neighbours: one segment for all of them.
        let taps = self.taps;
        let [down, right] = [self.dilation[0] * source.row, self.dilation[1] * channels];
        let mut oy = range.start;
        while oy < range.end {
            let rows = self.seen(oy);
            let whole = (oy..range.end).take_while(|oy| self.seen(*oy).len() == kernel_height);
            let lines = whole.count().max(1);
            let (a, b) = if rows.is_empty() {
                (source.values, weights.kernel)
            } else {
                let first = self.top(oy) + (rows.start * self.dilation[0]) as isize;
                (
                    &source.values[first.unsigned_abs() * source.row..],
                    &weights.kernel[rows.start * kernel_width * tap..],
                )
            };
            let offset = (oy - range.start) * row;
            let c = &mut y[offset..offset + lines * row];
            let step = self.strides[1] * channels;
            // The inner loop over segments has less overhead: the longer one goes there.
            let segments = |down, right| match taps == kernel_width {
                true => [right, down],
                false => [down, right],
            };
            isa.run(&TiledGemm {
                rows: lines * output_width,
                columns: filters,
                depth: taps * channels,
                segments: segments(rows.len(), kernel_width / taps),
                a: a.as_ptr(),
                a_row: step,
                line: output_width,
                a_line: (self.strides[0] * source.row).wrapping_sub((output_width - 1) * step),
                a_depth: 1,
                a_segments: segments(down, right),
                b: b.as_ptr(),
                b_depth: filters,
                b_segments: segments(kernel_width * tap, tap),
                c: c.as_mut_ptr(),
                c_row: filters,
                start: Start::bias(weights.bias),
                relu: weights.relu,
                // SAFETY: the kernel's rows `rows` are inside the image for all `lines`, which see the whole
                // kernel if there is more than one, and the source has all columns that they read; `Conv2d` has
                // checked the lengths of the kernel and the bias, and `c` has the length of the rows.
                _valid: unsafe { ValidPointers::guarantee() },
            });
            oy += lines;
        }
    }
}
