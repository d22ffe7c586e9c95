//! An image as the matrix of its patches (im2col), and the gradient of that matrix as one of the image (col2im).
//!
//! Row `oy * output width + ox` of the matrix holds the patch of output cell `(oy, ox)` in the order of the kernel,
//! `[kernel height, kernel width, channels]`, with zeros for the padding. Both directions go through the same strips: a
//! strip is one part of a kernel row, for all neighbouring cells whose patches have it inside the image.

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
        // Rows of small kernels on grey images are too short for a call of `memcpy`.
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

/// Calls `f` for the strips, which together cover the matrix.
#[inline(always)]
fn for_each_strip(conv: &Conv2d, mut f: impl FnMut(Strip)) {
    let [height, width, channels] = conv.input;
    let [output_height, output_width, _] = conv.output;
    let [kernel_height, kernel_width] = conv.kernel;
    let [stride, padding] = [conv.strides[1], conv.padding[1]];
    // Taps of a kernel row that are not dilated are neighbours in the image too: one run for all of them.
    let (tap_runs, taps) = if conv.dilation[1] == 1 {
        (1, kernel_width)
    } else {
        (kernel_width, 1)
    };
    for oy in 0..output_height {
        for ky in 0..kernel_height {
            // Above the image this wraps to a number greater than the height.
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
                // In the padded row the image has the columns padding..padding + width, and the run of an
                // output cell the `taps` columns from `start(ox)` on.
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
    /// The offset of the first run in the matrix; from each to the next it is a patch.
    column: usize,
    /// The offset of the first run in the image, from each to the next it is a stride; `None` in the padding.
    pixel: Option<usize>,
    /// The length of a run; may be 0 in the padding.
    values: usize,
    /// How many there are.
    runs: usize,
}
