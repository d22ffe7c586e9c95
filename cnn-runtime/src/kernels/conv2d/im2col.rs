//! A convolution as a matrix product: one image as the matrix of its patches, and back.
//!
//! Row `oy * output width + ox` of the matrix holds the patch under output cell `(oy, ox)`, in
//! the order of the kernel: `[kernel height, kernel width, channels]`, zeros where the patch
//! hangs over the border.

use super::Conv2d;

/// Writes the patches of one image, `[H, W, C]`, to `columns`, `[output cells, patch]`.
pub(crate) fn im2col(conv: &Conv2d, image: &[f32], columns: &mut [f32]) {
    let steps = [conv.patch(), conv.strides[1] * conv.input[2]];
    for_each_strip(conv, |strip| {
        let columns = columns[strip.column..]
            .chunks_mut(steps[0])
            .take(strip.runs);
        let Some(pixel) = strip.pixel else {
            return columns.for_each(|to| to[..strip.values].fill(0.0));
        };
        let pairs = columns.zip(image[pixel..].windows(strip.values).step_by(steps[1]));
        // The rows of small kernels on grey images are too short for calls of `memcpy`.
        match strip.values {
            3 => pairs.for_each(|(to, from)| to[..3].copy_from_slice(&from[..3])),
            5 => pairs.for_each(|(to, from)| to[..5].copy_from_slice(&from[..5])),
            values => pairs.for_each(|(to, from)| to[..values].copy_from_slice(from)),
        }
    });
}

/// Adds each value of `columns` to the pixel that [`im2col`] would take it from.
pub(crate) fn col2im(conv: &Conv2d, columns: &[f32], image: &mut [f32]) {
    let steps = [conv.patch(), conv.strides[1] * conv.input[2]];
    for_each_strip(conv, |strip| {
        let Some(pixel) = strip.pixel else { return };
        let columns = columns[strip.column..].chunks(steps[0]).take(strip.runs);
        for (run, from) in columns.enumerate() {
            let to = &mut image[pixel + run * steps[1]..][..strip.values];
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
    });
}

/// Calls `f` for strips that together cover the matrix.
#[inline(always)]
fn for_each_strip(conv: &Conv2d, mut f: impl FnMut(Strip)) {
    let [height, width, channels] = conv.input;
    let [output_height, output_width, _] = conv.output;
    let [kernel_height, kernel_width] = conv.kernel;
    let [stride, padding] = [conv.strides[1], conv.padding[1]];
    // Undilated taps of a kernel row are neighbours in the image too: one run for them all.
    let (tap_runs, taps) = if conv.dilation[1] == 1 {
        (1, kernel_width)
    } else {
        (kernel_width, 1)
    };
    for oy in 0..output_height {
        for ky in 0..kernel_height {
            // Above the image it wraps, far beyond the height.
            let y = (oy * conv.strides[0] + ky * conv.dilation[0]).wrapping_sub(conv.padding[0]);
            for tap in 0..tap_runs {
                let column = |ox| {
                    let cell = oy * output_width + ox;
                    ((cell * kernel_height + ky) * kernel_width + tap) * channels
                };
                let zeros = |column, taps, runs| Strip {
                    column,
                    pixel: None,
                    values: taps * channels,
                    runs,
                };
                if y >= height {
                    f(zeros(column(0), taps, output_width));
                    continue;
                }
                // On the padded row the image covers padding..padding + width, and the run of
                // an output cell `taps` places from `start(ox)` on.
                let offset = tap * conv.dilation[1];
                let start = |ox| ox * stride + offset;
                let strip = |column, x, taps, runs| Strip {
                    column,
                    pixel: Some((y * width + x) * channels),
                    values: taps * channels,
                    runs,
                };
                let first = padding
                    .saturating_sub(offset)
                    .div_ceil(stride)
                    .min(output_width);
                let end = match (padding + width).checked_sub(offset + taps) {
                    Some(room) => (room / stride + 1).clamp(first, output_width),
                    None => first,
                };
                if first < end {
                    f(strip(
                        column(first),
                        start(first) - padding,
                        taps,
                        end - first,
                    ));
                }
                for ox in (0..first).chain(end..output_width) {
                    let left = padding.saturating_sub(start(ox)).min(taps);
                    let right = (padding + width)
                        .saturating_sub(start(ox))
                        .clamp(left, taps);
                    let column = column(ox);
                    f(zeros(column, left, 1));
                    if left < right {
                        f(strip(
                            column + left * channels,
                            start(ox) + left - padding,
                            right - left,
                            1,
                        ));
                    }
                    f(zeros(column + right * channels, taps - right, 1));
                }
            }
        }
    }
}

/// Runs of neighbouring values, the same part of the patches of neighbouring output cells.
struct Strip {
    /// Where the first run starts in the matrix; the next ones lie a patch apart.
    column: usize,
    /// Where it starts in the image, the next ones a stride apart; `None` in the padding.
    pixel: Option<usize>,
    /// The length of a run; may be 0 in the padding.
    values: usize,
    /// How many there are.
    runs: usize,
}
