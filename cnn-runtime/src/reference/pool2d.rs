//! Pooling window by window, channel by channel.

use super::{Real, inside, pixel};
use cnn_ir::operation::{Pool2d, PoolKind};

/// The pooled images, `[n, ..output]`.
pub fn forward<T: Real>(pool: &Pool2d, n: usize, x: &[T]) -> Vec<T> {
    let mut y = Vec::new();
    for_each_window(pool, n, |cells| {
        y.push(match pool.kind {
            PoolKind::Max => x[winner(x, cells)],
            PoolKind::Average => mean(x, cells),
        });
    });
    y
}

/// The winner of each window, as its place there, counted row by row over the whole window.
pub fn argmax<T: Real>(pool: &Pool2d, n: usize, x: &[T]) -> Vec<u8> {
    let [height, width, channels] = pool.input;
    let [output_height, output_width, _] = pool.output;
    let mut argmax = Vec::new();
    for_each_window(pool, n, |cells| {
        let pixel = winner(x, cells) / channels;
        let window = argmax.len() / channels;
        let [oy, ox] = [window / output_width % output_height, window % output_width];
        let row = pixel / width % height + pool.padding[0] - oy * pool.strides[0];
        let column = pixel % width + pool.padding[1] - ox * pool.strides[1];
        let code = row * pool.size[1] + column;
        argmax.push(code.try_into().expect("a window of at most 255 cells"));
    });
    argmax
}

/// The gradient with respect to the input `x`.
pub fn backward<T: Real>(pool: &Pool2d, n: usize, x: &[T], dy: &[T]) -> Vec<T> {
    let mut dx = vec![T::from_f64(0.0); x.len()];
    let mut dy = dy.iter();
    for_each_window(pool, n, |cells| {
        let dy = *dy.next().expect("a gradient for each output");
        match pool.kind {
            PoolKind::Max => dx[winner(x, cells)] += dy,
            PoolKind::Average => {
                cells
                    .iter()
                    .for_each(|cell| dx[*cell] += dy / T::from_f64(cells.len() as f64));
            }
        }
    });
    dx
}

/// The first NaN, or else the first of the largest values.
fn winner<T: Real>(x: &[T], cells: &[usize]) -> usize {
    if let Some(cell) = cells.iter().find(|cell| x[**cell].is_nan()) {
        return *cell;
    }
    let largest = |cell: &&usize| cells.iter().all(|other| x[**cell] >= x[*other]);
    *cells
        .iter()
        .find(largest)
        .expect("a window inside the image")
}

fn mean<T: Real>(x: &[T], cells: &[usize]) -> T {
    cells.iter().map(|cell| x[*cell]).sum::<T>() / T::from_f64(cells.len() as f64)
}

/// Calls `f` with the places of the cells inside the image for each output, in its order.
fn for_each_window(pool: &Pool2d, n: usize, mut f: impl FnMut(&[usize])) {
    let [output_height, output_width, channels] = pool.output;
    for i in 0..n {
        for oy in 0..output_height {
            for ox in 0..output_width {
                for c in 0..channels {
                    let mut cells = Vec::new();
                    for ky in 0..pool.size[0] {
                        for kx in 0..pool.size[1] {
                            let y = inside(oy, pool.strides[0], ky, pool.padding[0], pool.input[0]);
                            let x = inside(ox, pool.strides[1], kx, pool.padding[1], pool.input[1]);
                            if let (Some(y), Some(x)) = (y, x) {
                                cells.push(pixel(pool.input, i, y, x, c));
                            }
                        }
                    }
                    f(&cells);
                }
            }
        }
    }
}
