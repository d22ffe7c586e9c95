//! Convolution by register tiles on the image as it lies: one product for each output row.
//!
//! A row of a patch, `kernel width * channels` values, lies side by side in the image, and the patches of
//! neighbouring cells overlap; so the matrix of patches is a view of the image whose row stride is one
//! step. Rows of the kernel are the segments of the product, and those above and below the image are left
//! out. Where the kernel hangs over the left or right border, the image is copied between columns of
//! zeros first.
//!
//! The gradient of the input is the same with the kernel flipped, on the gradient of the output. The
//! gradient of a kernel row is a product of the image's rows, transposed, and the output's.

use super::few_channels::{self, Windows};
use super::pooled::MaxRow;
use super::{
    BackwardInput, BackwardKernel, Conv2d, Forward, channel_planes, few_filters, inside, max,
};
use crate::kernels::Isa;
use crate::kernels::microkernel::{Start, TiledGemm};
use crate::kernels::simd::ValidPointers;
use crate::kernels::transpose::transpose;
use cnn_ir::Activation;
use core::ops::Range;

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
    if channel_planes::is_best(conv, operands.isa.lanes()) {
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
    // The convolution's rows that a row of windows sees; a row stays until the next one needs its place.
    let (padded, rows) = scratch.split_at_mut(correlation.scratch());
    let row = conv.output[1] * conv.output[2];
    let is_few_channels = isa != Isa::PORTABLE && few_channels::is_best(conv);
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
            let place = window * values..(window + 1) * values;
            let (y, argmax) = (
                &mut y[place.clone()],
                argmax.get_mut(place).unwrap_or_default(),
            );
            if is_few_channels && correlation.is_whole(seen.clone()) {
                let top = seen.start * conv.strides[0] - conv.padding[0];
                isa.run(Windows {
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
                // Up to where the places start again from the front.
                let place = oy % pool.size[0];
                let end = seen.end.min(oy + pool.size[0] - place);
                let result = &mut rows[place * row..][..(end - oy) * row];
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
    let [channels, taps] = [conv.input[2], correlation.neighbours()];
    let (padded, unpooled) = scratch.split_at_mut(correlation.scratch());
    let images = x.chunks_exact(conv.input_len());
    for (i, (image, dz)) in images.zip(dz.chunks_exact(conv.output_len())).enumerate() {
        let source = correlation.source(image, padded);
        let dy = super::pooled::unpool(conv, isa, i, dz, argmax, unpooled);
        // By groups of output rows that stay in the first cache while all of the kernel sees them.
        let rows_of_a_group = rows_of_a_group(conv, source.row);
        for start in (0..output_height).step_by(rows_of_a_group) {
            let group = start..output_height.min(start + rows_of_a_group);
            for ky in 0..kernel_height {
                let first = (ky * conv.dilation[0]) as isize - conv.padding[0] as isize;
                let seen = inside(first, conv.strides[0], output_height, conv.input[0]);
                let seen = seen.start.max(group.start)..seen.end.min(group.end);
                if seen.is_empty() {
                    continue;
                }
                let y = seen.start * conv.strides[0] + ky * conv.dilation[0] - conv.padding[0];
                for kx in (0..kernel_width).step_by(taps) {
                    let rows = taps * channels;
                    let place = (ky * kernel_width + kx) * channels * filters;
                    let gradient = &mut kernel_gradient[place..place + rows * filters];
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
                        // SAFETY: the rows `seen` see row `ky` of the kernel inside the image, whose source
                        // holds all columns that they read; `dy` has these rows, cut above, and the
                        // gradient all taps of the run.
                        _valid: unsafe { ValidPointers::new() },
                    });
                }
            }
        }
    }
}

/// Output rows whose gradients and images fill the first cache, but enough of them for long sums: each
/// group loads and stores the whole gradient of the kernel.
fn rows_of_a_group(conv: &Conv2d, image_row: usize) -> usize {
    const CACHE: usize = 8192;
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

/// What forward pass and input gradient have in common: the cross-correlation of images with a kernel.
#[derive(Clone, Copy)]
struct Correlation {
    /// Height, width and channels of an image.
    input: [usize; 3],
    /// Height, width and channels of a result.
    output: [usize; 3],
    kernel: [usize; 2],
    strides: [usize; 2],
    /// Zeros above and left of the image; where negative, rows and columns that nothing sees.
    padding: [isize; 2],
    dilation: [usize; 2],
}

/// What an image is multiplied with, and what is done to the result.
#[derive(Clone, Copy)]
struct Weights<'a> {
    /// `[height, width, input channels, output channels]`.
    kernel: &'a [f32],
    /// `[output channels]` or empty.
    bias: &'a [f32],
    relu: bool,
}

/// An image whose rows hold every column that a kernel reads, and perhaps more.
#[derive(Clone, Copy)]
struct Source<'a> {
    /// From the first column that is read in the first row.
    values: &'a [f32],
    /// From a row to the next.
    row: usize,
}

impl Source<'_> {
    /// Where a value of row `y` lies.
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
        }
    }

    /// Of the gradients of the output of a convolution with strides 1, with the flipped kernel.
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
        }
    }

    /// Taps of a kernel row that are neighbours in the image: all, or one if they are dilated.
    const fn neighbours(&self) -> usize {
        if self.dilation[1] == 1 {
            self.kernel[1]
        } else {
            1
        }
    }

    /// Columns that a row of results sees.
    const fn reach(&self) -> usize {
        (self.output[1] - 1) * self.strides[1] + (self.kernel[1] - 1) * self.dilation[1] + 1
    }

    /// Columns at the left that nothing sees.
    const fn skipped(&self) -> usize {
        if self.padding[1] < 0 {
            self.padding[1].unsigned_abs()
        } else {
            0
        }
    }

    /// Floats of the copy of an image with columns of zeros; 0 if it is read as it lies.
    const fn scratch(&self) -> usize {
        let [height, width, channels] = self.input;
        if self.padding[1] <= 0 && self.skipped() + self.reach() <= width {
            0
        } else {
            // Whole cache lines, so that what lies behind is aligned as the scratch memory is: vectors that
            // straddle two lines cost up to a fifth of the speed.
            (height * self.reach() * channels).next_multiple_of(16)
        }
    }

    /// The image as it lies, or its copy in `scratch` with the columns of zeros that the kernel reads.
    fn source<'a>(&self, image: &'a [f32], scratch: &'a mut [f32]) -> Source<'a> {
        let [_, width, channels] = self.input;
        if self.scratch() == 0 {
            return Source {
                values: &image[self.skipped() * channels..],
                row: width * channels,
            };
        }
        let reach = self.reach();
        let left = usize::try_from(self.padding[1]).unwrap_or(0).min(reach);
        let skipped = self.skipped().min(width);
        let seen = (width - skipped).min(reach - left);
        let scratch = &mut scratch[..self.scratch()];
        let rows = scratch.chunks_exact_mut(reach * channels);
        for (to, from) in rows.zip(image.chunks_exact(width * channels)) {
            let (zeros, to) = to.split_at_mut(left * channels);
            zeros.fill(0.0);
            let (to, zeros) = to.split_at_mut(seen * channels);
            to.copy_from_slice(&from[skipped * channels..][..seen * channels]);
            zeros.fill(0.0);
        }
        Source {
            values: scratch,
            row: reach * channels,
        }
    }

    /// Whether these rows of results see the whole height of the kernel.
    fn is_whole(&self, mut rows: Range<usize>) -> bool {
        rows.all(|oy| self.seen(oy).len() == self.kernel[0])
    }

    /// Where the kernel's first row lies for a row of results; negative above the image.
    fn top(&self, oy: usize) -> isize {
        (oy * self.strides[0]) as isize - self.padding[0]
    }

    /// The kernel's rows that a row of results sees inside the image.
    fn seen(&self, oy: usize) -> Range<usize> {
        inside(
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

    /// A 1x1 kernel sees one cell at a time: then all cells of all images make one long row.
    fn flattened(&self, n: usize) -> Self {
        let ([height, width, channels], [_, _, filters]) = (self.input, self.output);
        let pointwise = self.kernel == [1, 1]
            && self.strides == [1, 1]
            && self.padding == [0, 0]
            && self.output[..2] == self.input[..2];
        if !pointwise {
            return *self;
        }
        Self {
            input: [1, n * height * width, channels],
            output: [1, n * height * width, filters],
            ..*self
        }
    }

    /// Rows `range` of a result, `[rows, output width, output channels]`.
    ///
    /// Rows that see the whole height of the kernel are one product, the others one each; [`few_filters`] takes
    /// the place of products with few columns.
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
        let taps = self.neighbours();
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
            let place = (oy - range.start) * row;
            let c = &mut y[place..place + lines * row];
            let step = self.strides[1] * channels;
            let shape = few_filters::Shape {
                cells: output_width,
                filters,
                channels,
                taps,
            };
            if self.strides[1] == 1 && few_filters::is_best(isa.lanes(), shape) {
                isa.run(few_filters::Rows {
                    shape,
                    rows: lines,
                    kernel_rows: rows.len(),
                    image: a.as_ptr(),
                    row_step: self.strides[0] * source.row,
                    kernel_row_step: down,
                    weights: b.as_ptr(),
                    bias: weights.bias,
                    relu: weights.relu,
                    y: c.as_mut_ptr(),
                    // SAFETY: as below.
                    _valid: unsafe { ValidPointers::new() },
                });
                oy += lines;
                continue;
            }
            // The inner loop over segments is the cheaper one.
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
                // SAFETY: the kernel's rows `rows` lie inside the image for all `lines`, which see the
                // whole kernel if there is more than one, and the source holds all columns that they
                // read; `Conv2d` has checked the kernel and the bias, and `c` is cut to size.
                _valid: unsafe { ValidPointers::new() },
            });
            oy += lines;
        }
    }
}
