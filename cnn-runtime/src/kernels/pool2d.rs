//! Max and average pooling.
//!
//! The inner loops run over channels, which are next to each other in memory: the results of a window stay in
//! registers, a vector of channels at a time, while its cells are read. The backward pass of max pooling finds the
//! argmax again by comparing the window with its result, so only activations have to be kept.
//!
//! ```text
//! forward:   y = max or mean over the window of x
//! backward:  max: dx[first cell of the window that equals y] += dy      mean: dx[each cell] += dy / cells
//! ```

use super::Isa;
use super::simd::{Kernel, Simd};
pub use cnn_ir::operation::{Pool2d, PoolKind};

/// Pools `x`, `[n, ..input]`, to `y`, `[n, ..output]`, which is overwritten.
///
/// # Panics
/// If a slice is of another length, or a window lies wholly in the padding.
pub fn forward(pool: &Pool2d, isa: Isa, n: usize, x: &[f32], y: &mut [f32]) {
    check(pool, n, x.len(), y.len());
    isa.run(Forward { pool, x, y });
}

/// The gradient with respect to the input: `dx`, `[n, ..input]`, overwritten, from the
/// gradient `dy` with respect to the output `y` of `x`.
///
/// # Panics
/// If a slice is of another length, or a window lies wholly in the padding.
pub fn backward(
    pool: &Pool2d,
    isa: Isa,
    n: usize,
    x: &[f32],
    y: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    check(pool, n, x.len(), y.len());
    check(pool, n, dx.len(), dy.len());
    isa.run(Backward { pool, x, y, dy, dx });
}

/// Values of an input image and of an output image, and their channels.
fn sizes(pool: &Pool2d) -> [usize; 3] {
    [
        pool.input.iter().product(),
        pool.output.iter().product(),
        pool.input[2],
    ]
}

/// The window of output cell `(oy, ox)`.
#[inline(always)]
fn window(pool: &Pool2d, oy: usize, ox: usize) -> Window {
    let [_, width, channels] = pool.input;
    let [[top, bottom], [left, right]] = [cells_inside(pool, 0, oy), cells_inside(pool, 1, ox)];
    Window {
        first: (top * width + left) * channels,
        rows: bottom - top,
        columns: right - left,
        row: width * channels,
        channels,
    }
}

/// The first cell of an axis that a window has inside the image, and the one behind the last.
#[inline(always)]
fn cells_inside(pool: &Pool2d, axis: usize, step: usize) -> [usize; 2] {
    let start = step * pool.strides[axis];
    let end = (start + pool.size[axis])
        .saturating_sub(pool.padding[axis])
        .min(pool.input[axis]);
    let start = start.saturating_sub(pool.padding[axis]);
    assert!(start < end, "a window that reaches into the image");
    [start, end]
}

fn check(pool: &Pool2d, n: usize, x: usize, y: usize) {
    assert_eq!(
        x,
        n * pool.input.iter().product::<usize>(),
        "values of a pool's input"
    );
    assert_eq!(
        y,
        n * pool.output.iter().product::<usize>(),
        "values of a pool's output"
    );
    assert_eq!(pool.input[2], pool.output[2], "channels of a pool");
}

/// The part of a window that lies inside the image: all its cells are there.
#[derive(Clone, Copy)]
struct Window {
    /// The index of the first channel of its first cell in the image.
    first: usize,
    rows: usize,
    columns: usize,
    /// From a row to the next.
    row: usize,
    /// From a column to the next.
    channels: usize,
}

impl Window {
    /// How many cells it has.
    #[inline(always)]
    fn cells(self) -> usize {
        self.rows * self.columns
    }

    /// The step from a cell to the next one, row by row; `column` is the cell's own and moves on.
    #[inline(always)]
    fn step(self, column: &mut usize) -> usize {
        *column += 1;
        if *column < self.columns {
            return self.channels;
        }
        *column = 0;
        self.row - (self.columns - 1) * self.channels
    }

    /// The weight of a cell in the window's mean.
    #[inline(always)]
    fn share(self) -> f32 {
        1.0 / self.cells() as f32
    }
}

struct Forward<'a> {
    pool: &'a Pool2d,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { pool, x, y } = self;
        let [image, result, channels] = sizes(pool);
        for (x, y) in x.chunks_exact(image).zip(y.chunks_exact_mut(result)) {
            for oy in 0..pool.output[0] {
                for ox in 0..pool.output[1] {
                    let window = window(pool, oy, ox);
                    let output = (oy * pool.output[1] + ox) * channels;
                    for first in (0..channels).step_by(S::LANES) {
                        let count = S::LANES.min(channels - first);
                        // SAFETY: `count` channels of the cells of an image and of its output.
                        unsafe {
                            let x = x.as_ptr().add(first);
                            let y = y.as_mut_ptr().add(output + first);
                            match pool.kind {
                                PoolKind::Max => maximum::<S>(window, count, x, y),
                                PoolKind::Average => mean::<S>(window, count, x, y),
                            }
                        }
                    }
                }
            }
        }
    }
}

struct Backward<'a> {
    pool: &'a Pool2d,
    x: &'a [f32],
    y: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { pool, x, y, dy, dx } = self;
        let [image, result, channels] = sizes(pool);
        dx.fill(0.0);
        let inputs = x.chunks_exact(image).zip(dx.chunks_exact_mut(image));
        let outputs = y.chunks_exact(result).zip(dy.chunks_exact(result));
        for ((x, dx), (y, dy)) in inputs.zip(outputs) {
            for oy in 0..pool.output[0] {
                for ox in 0..pool.output[1] {
                    let window = window(pool, oy, ox);
                    let output = (oy * pool.output[1] + ox) * channels;
                    for first in (0..channels).step_by(S::LANES) {
                        let count = S::LANES.min(channels - first);
                        // SAFETY: `count` channels of the cells of an image and of its output.
                        unsafe {
                            let (x, dx) = (x.as_ptr().add(first), dx.as_mut_ptr().add(first));
                            let y = y.as_ptr().add(output + first);
                            let dy = dy.as_ptr().add(output + first);
                            match pool.kind {
                                PoolKind::Max => route::<S>(window, count, x, y, dy, dx),
                                PoolKind::Average => spread::<S>(window, count, dy, dx),
                            }
                        }
                    }
                }
            }
        }
    }
}

/// # Safety of the functions below
/// `x` and `dx` point to the first channels of an image, `y` and `dy` to those of one output; of each
/// cell of the window and of the output, `count` channels are valid.
#[inline(always)]
unsafe fn load<S: Simd>(p: *const f32, count: usize) -> S::V {
    // SAFETY: see above.
    unsafe {
        if count == S::LANES {
            S::load(p)
        } else {
            S::load_first(p, count)
        }
    }
}

#[inline(always)]
unsafe fn store<S: Simd>(p: *mut f32, v: S::V, count: usize) {
    // SAFETY: see above.
    unsafe {
        if count == S::LANES {
            S::store(p, v);
        } else {
            S::store_first(p, v, count);
        }
    }
}

#[inline(always)]
unsafe fn maximum<S: Simd>(window: Window, count: usize, x: *const f32, y: *mut f32) {
    // SAFETY: see `load`.
    unsafe {
        let mut best = load::<S>(x.add(window.first), count);
        let (mut cell, mut column) = (window.first, 0);
        for _ in 0..window.cells() {
            let x = load::<S>(x.add(cell), count);
            best = S::select(S::greater(x, best), x, best);
            cell += window.step(&mut column);
        }
        store::<S>(y, best, count);
    }
}

#[inline(always)]
unsafe fn mean<S: Simd>(window: Window, count: usize, x: *const f32, y: *mut f32) {
    // SAFETY: see `load`.
    unsafe {
        let mut sum = S::splat(0.0);
        let (mut cell, mut column) = (window.first, 0);
        for _ in 0..window.cells() {
            sum = S::add(sum, load::<S>(x.add(cell), count));
            cell += window.step(&mut column);
        }
        store::<S>(y, S::mul(sum, S::splat(window.share())), count);
    }
}

/// Adds the gradients of one max-pooled cell to the argmax of its window, for each channel.
#[inline(always)]
unsafe fn route<S: Simd>(
    window: Window,
    count: usize,
    x: *const f32,
    y: *const f32,
    dy: *const f32,
    dx: *mut f32,
) {
    // SAFETY: see `load`.
    unsafe {
        let zero = S::splat(0.0);
        let y = load::<S>(y, count);
        // The gradients whose argmax has not been found yet.
        let mut left = load::<S>(dy, count);
        let (mut cell, mut column) = (window.first, 0);
        for _ in 0..window.cells() {
            let x = load::<S>(x.add(cell), count);
            // The argmax is the first cell that equals the maximum or is NaN.
            let (maximum, number) = (S::eq(x, y), S::eq(x, x));
            let claim = S::select(number, S::select(maximum, left, zero), left);
            left = S::select(number, S::select(maximum, zero, left), zero);
            let dx = dx.add(cell);
            store::<S>(dx, S::add(load::<S>(dx, count), claim), count);
            cell += window.step(&mut column);
        }
    }
}

/// Adds the gradients of one mean to the cells of its window.
#[inline(always)]
unsafe fn spread<S: Simd>(window: Window, count: usize, dy: *const f32, dx: *mut f32) {
    // SAFETY: see `load`.
    unsafe {
        let share = S::mul(load::<S>(dy, count), S::splat(window.share()));
        let (mut cell, mut column) = (window.first, 0);
        for _ in 0..window.cells() {
            let dx = dx.add(cell);
            store::<S>(dx, S::add(load::<S>(dx, count), share), count);
            cell += window.step(&mut column);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
