//! Convolution as nested loops over examples, output cells, filters and taps.

use super::{Real, activation, inside, pixel, pool2d};
use cnn_ir::operation::{Conv2d, Pool2d, PoolKind};

/// `activation(pool(x * kernel + bias))`, the pool where there is one; an empty bias means none.
pub fn forward<T: Real>(conv: &Conv2d, n: usize, x: &[T], kernel: &[T], bias: &[T]) -> Vec<T> {
    let mut z = linear(conv, n, x, kernel, bias);
    if let Some(pool) = pool(conv) {
        z = pool2d::forward(&pool, n, &z);
    }
    activation::forward(conv.activation, conv.output[2], &z)
}

/// The winner of each window of the fused pool, counted row by row over the whole window.
pub fn argmax<T: Real>(conv: &Conv2d, n: usize, x: &[T], kernel: &[T], bias: &[T]) -> Vec<u8> {
    pool(conv).map_or(Vec::new(), |pool| {
        pool2d::argmax(&pool, n, &linear(conv, n, x, kernel, bias))
    })
}

/// The gradient with respect to the convolution's own output, from `dz` with respect to the pool's.
pub fn unpool<T: Real>(
    conv: &Conv2d,
    n: usize,
    x: &[T],
    kernel: &[T],
    bias: &[T],
    dz: &[T],
) -> Vec<T> {
    pool(conv).map_or(dz.to_vec(), |pool| {
        pool2d::backward(&pool, n, &linear(conv, n, x, kernel, bias), dz)
    })
}

/// `x * kernel + bias`, `[n, ..conv.output]`.
fn linear<T: Real>(conv: &Conv2d, n: usize, x: &[T], kernel: &[T], bias: &[T]) -> Vec<T> {
    let filters = conv.output[2];
    let mut z = vec![T::from_f64(0.0); n * conv.output.iter().product::<usize>()];
    for_each_tap(conv, n, |from, tap, to| z[to] += x[from] * kernel[tap]);
    for (i, z) in z.iter_mut().enumerate().filter(|_| !bias.is_empty()) {
        *z += bias[i % filters];
    }
    z
}

/// The pool that is fused behind the convolution.
fn pool(conv: &Conv2d) -> Option<Pool2d> {
    let [_, _, filters] = conv.output;
    conv.pool.map(|pool| Pool2d {
        kind: PoolKind::Max,
        input: conv.output,
        output: [pool.output[0], pool.output[1], filters],
        size: pool.size,
        strides: pool.strides,
        padding: pool.padding,
    })
}

/// The gradients of kernel and bias, from `dy` with respect to the convolution's own output.
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
