//! Convolution as nested loops over examples, output cells, filters and taps.

use super::{Real, activation, inside, pixel};
use crate::kernels::Conv2d;

/// `activation(x * kernel + bias)`, `[n, ..output]`; an empty bias means none.
pub fn forward<T: Real>(conv: &Conv2d, n: usize, x: &[T], kernel: &[T], bias: &[T]) -> Vec<T> {
    let filters = conv.output[2];
    let mut z = vec![T::from_f64(0.0); n * conv.output.iter().product::<usize>()];
    for_each_tap(conv, n, |from, tap, to| z[to] += x[from] * kernel[tap]);
    for (i, z) in z.iter_mut().enumerate().filter(|_| !bias.is_empty()) {
        *z += bias[i % filters];
    }
    activation::forward(conv.activation, filters, &z)
}

/// The gradients of kernel and bias, from `dy` with respect to the result before the activation.
pub fn backward_parameters<T: Real>(
    conv: &Conv2d,
    n: usize,
    x: &[T],
    dy: &[T],
) -> (Vec<T>, Vec<T>) {
    let [_, _, channels] = conv.input;
    let filters = conv.output[2];
    let taps = conv.kernel.iter().product::<usize>() * channels * filters;
    let mut kernel_gradient = vec![T::from_f64(0.0); taps];
    for_each_tap(conv, n, |from, tap, to| {
        kernel_gradient[tap] += x[from] * dy[to]
    });
    let mut bias_gradient = vec![T::from_f64(0.0); filters];
    for (i, dy) in dy.iter().enumerate() {
        bias_gradient[i % filters] += *dy;
    }
    (kernel_gradient, bias_gradient)
}

/// The gradient with respect to the input, from `dy` as in [`backward_parameters`].
pub fn backward_input<T: Real>(conv: &Conv2d, n: usize, dy: &[T], kernel: &[T]) -> Vec<T> {
    let mut dx = vec![T::from_f64(0.0); n * conv.input.iter().product::<usize>()];
    for_each_tap(conv, n, |from, tap, to| dx[from] += dy[to] * kernel[tap]);
    dx
}

/// Calls `f(place in x, place in the kernel, place in y)` for each product of a convolution.
fn for_each_tap(conv: &Conv2d, n: usize, mut f: impl FnMut(usize, usize, usize)) {
    let [height, width, channels] = conv.input;
    let [output_height, output_width, filters] = conv.output;
    let [kernel_height, kernel_width] = conv.kernel;
    let [down, right] = conv.strides;
    for i in 0..n {
        for oy in 0..output_height {
            for ox in 0..output_width {
                for filter in 0..filters {
                    for ky in 0..kernel_height {
                        for kx in 0..kernel_width {
                            let y =
                                inside(oy, down, ky * conv.dilation[0], conv.padding[0], height);
                            let x =
                                inside(ox, right, kx * conv.dilation[1], conv.padding[1], width);
                            let (Some(y), Some(x)) = (y, x) else { continue };
                            for c in 0..channels {
                                let tap =
                                    ((ky * kernel_width + kx) * channels + c) * filters + filter;
                                let to = pixel(conv.output, i, oy, ox, filter);
                                f(pixel(conv.input, i, y, x, c), tap, to);
                            }
                        }
                    }
                }
            }
        }
    }
}
