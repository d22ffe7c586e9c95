//! The max-pool that is fused with a convolution.
//!
//! Forward, [`MaxRow`] reads the rows of the convolution that one row of windows sees, and writes the maxima and their
//! argmax: the index of the maximum in its window, counted row by row. The argmax is all that is kept. Backward,
//! [`Unpool`] adds each gradient to the cell that its argmax names.
//!
//! Indices are computed as floats, which the comparisons of maxima select along with the values, and stored as bytes.

use super::{Conv2d, FusedPool};
use crate::kernels::Isa;
use crate::kernels::simd::{Kernel, Simd, from_fn};

/// The gradient of one image with respect to the convolution's own output: `dz` itself if there is no pool.
/// `argmax` is that of a batch, of which the image is number `i`. `scratch` holds [`Conv2d::unpooled_len`] floats.
pub(super) fn unpool<'a>(
    conv: &Conv2d,
    isa: Isa,
    i: usize,
    dz: &'a [f32],
    argmax: &[u8],
    scratch: &'a mut [f32],
) -> &'a [f32] {
    let Some(pool) = conv.pool else { return dz };
    let dy = &mut scratch[..conv.unpooled_len()];
    isa.run(Unpool {
        pool,
        output: conv.output,
        dz,
        argmax: &argmax[i * dz.len()..(i + 1) * dz.len()],
        dy,
    });
    dy
}

/// One row of windows: their maxima and argmax.
pub(super) struct MaxRow<'a> {
    pub pool: FusedPool,
    /// Height, width and filters of the convolution's output.
    pub output: [usize; 3],
    /// The row of windows.
    pub row: usize,
    /// How many rows of the convolution's output `z` holds: row `oy` is at `oy % rows`.
    pub rows: usize,
    /// `[rows, output width, filters]`.
    pub z: &'a [f32],
    /// Whether negative results become 0.
    pub relu: bool,
    /// `[windows, filters]`, overwritten.
    pub y: &'a mut [f32],
    /// As long as `y`, or empty: then none is written.
    pub argmax: &'a mut [u8],
}

impl Kernel for MaxRow<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let [height, width, filters] = self.output;
        let pool = self.pool;
        let ys = pool.cells(0, self.row, height);
        assert!(ys.len() <= self.rows, "rows of a window");
        assert!(
            self.z.len() >= self.rows * width * filters,
            "rows of a window"
        );
        assert_eq!(self.y.len(), pool.output[1] * filters, "a row of windows");
        assert!(self.argmax.is_empty() || self.argmax.len() == self.y.len());
        let row = width * filters;
        let rows: [usize; 2] = from_fn(|oy| (ys.start + oy) % self.rows * row);
        for window in 0..pool.output[1] {
            let xs = pool.cells(1, window, width);
            let first = pool.index([self.row, window], [ys.start, xs.start]);
            for channel in (0..filters).step_by(S::LANES) {
                let count = S::LANES.min(filters - channel);
                // SAFETY: `ys` and `xs` are cells of the output, and `channel + count` is at most `filters`. So all
                // reads are inside rows of `z`, and all writes inside the window's values of `y` and `argmax`.
                unsafe {
                    let z = self.z.as_ptr().add(xs.start * filters + channel);
                    let (maximum, argmax) = if ys.len() == 2 && xs.len() == 2 {
                        let mut cells = [[S::splat(0.0); 2]; 2];
                        for (row, cells) in cells.iter_mut().enumerate() {
                            for (column, value) in cells.iter_mut().enumerate() {
                                *value = load::<S>(z.add(rows[row] + column * filters), count);
                            }
                        }
                        max_of_four::<S>(cells, [first, first + pool.size[1]])
                    } else {
                        // If all cells are -∞, none is greater, and the argmax is the first cell.
                        let mut maximum = (S::splat(f32::NEG_INFINITY), S::splat(first as f32));
                        for oy in 0..ys.len() {
                            let z = z.add((ys.start + oy) % self.rows * row);
                            for ox in 0..xs.len() {
                                let index = first + oy * pool.size[1] + ox;
                                let cell = cell::<S>(z.add(ox * filters), count, index);
                                maximum = max::<S>(maximum, cell);
                            }
                        }
                        maximum
                    };
                    let maximum = if self.relu { S::relu(maximum) } else { maximum };
                    let offset = window * filters + channel;
                    store::<S>(self.y.as_mut_ptr().add(offset), maximum, count);
                    if !self.argmax.is_empty() {
                        S::store_bytes(self.argmax.as_mut_ptr().add(offset), argmax, count);
                    }
                }
            }
        }
    }
}

/// The gradients of one image in front of its pool: sums of those whose argmax is the cell, zero elsewhere.
struct Unpool<'a> {
    pool: FusedPool,
    /// Height, width and filters of the convolution's output.
    output: [usize; 3],
    /// `[..pool.output, filters]`.
    dz: &'a [f32],
    /// As long as `dz`.
    argmax: &'a [u8],
    /// `output`, overwritten.
    dy: &'a mut [f32],
}

impl Kernel for Unpool<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let [height, width, filters] = self.output;
        let pool = self.pool;
        let [rows, columns] = pool.output;
        assert_eq!(
            self.dz.len(),
            rows * columns * filters,
            "gradients of a pool"
        );
        assert_eq!(
            self.argmax.len(),
            self.dz.len(),
            "an argmax for each output"
        );
        assert_eq!(
            self.dy.len(),
            height * width * filters,
            "gradients before a pool"
        );
        self.dy.fill(0.0);
        for row in 0..rows {
            let ys = pool.cells(0, row, height);
            for window in 0..columns {
                let xs = pool.cells(1, window, width);
                let first = pool.index([row, window], [ys.start, xs.start]);
                for channel in (0..filters).step_by(S::LANES) {
                    let count = S::LANES.min(filters - channel);
                    let offset = (row * columns + window) * filters + channel;
                    // SAFETY: `ys` and `xs` are cells of the output, and `channel + count` is at most `filters`. So
                    // each access is inside the channels of one cell.
                    unsafe {
                        let dz = load::<S>(self.dz.as_ptr().add(offset), count);
                        let argmax = S::load_bytes(self.argmax.as_ptr().add(offset), count);
                        for oy in ys.clone() {
                            for ox in xs.clone() {
                                let index = first + (oy - ys.start) * pool.size[1] + ox - xs.start;
                                let is_argmax = S::eq(argmax, S::splat(index as f32));
                                let offset = (oy * width + ox) * filters + channel;
                                let dy = self.dy.as_mut_ptr().add(offset);
                                let share = S::select(is_argmax, dz, S::splat(0.0));
                                store::<S>(dy, S::add(load::<S>(dy, count), share), count);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `count` values at `z`, and the index of their cell.
///
/// # Safety
/// As for [`load`].
#[inline(always)]
unsafe fn cell<S: Simd>(z: *const f32, count: usize, index: usize) -> (S::V, S::V) {
    // SAFETY: the caller vouches for `count` values.
    unsafe { (load::<S>(z, count), S::splat(index as f32)) }
}

/// The greater of two values and its index, lane by lane; the first one if they are equal. NaN is greater than all
/// numbers.
///
/// # Safety
/// The machine has the features of `S`.
#[inline(always)]
pub(in crate::kernels) unsafe fn max<S: Simd>(a: (S::V, S::V), b: (S::V, S::V)) -> (S::V, S::V) {
    // SAFETY: the caller vouches for the features.
    unsafe {
        let is_greater = S::greater(b.0, a.0);
        (
            S::select(is_greater, b.0, a.0),
            S::select(is_greater, b.1, a.1),
        )
    }
}

/// The maximum of 2x2 values and its index, if the first values of both rows have the indices `rows`. The maxima of the
/// two rows are independent, which is faster than a chain of three comparisons.
///
/// # Safety
/// As for [`max`].
#[inline(always)]
pub(in crate::kernels) unsafe fn max_of_four<S: Simd>(
    cells: [[S::V; 2]; 2],
    rows: [usize; 2],
) -> (S::V, S::V) {
    // SAFETY: the caller vouches for the features.
    unsafe {
        let index = |row: usize, column: usize| S::splat((rows[row] + column) as f32);
        let above = max::<S>((cells[0][0], index(0, 0)), (cells[0][1], index(0, 1)));
        let below = max::<S>((cells[1][0], index(1, 0)), (cells[1][1], index(1, 1)));
        max::<S>(above, below)
    }
}

/// The first `count` values at `p`, then zeros.
///
/// # Safety
/// They are valid, and the machine has the features of `S`.
#[inline(always)]
pub(in crate::kernels) unsafe fn load<S: Simd>(p: *const f32, count: usize) -> S::V {
    // SAFETY: the caller vouches for `count` values.
    unsafe {
        if count == S::LANES {
            S::load(p)
        } else {
            S::load_first(p, count)
        }
    }
}

/// Writes the first `count` values at `p`.
///
/// # Safety
/// As for [`load`].
#[inline(always)]
pub(in crate::kernels) unsafe fn store<S: Simd>(p: *mut f32, v: S::V, count: usize) {
    // SAFETY: the caller vouches for `count` values.
    unsafe {
        if count == S::LANES {
            S::store(p, v);
        } else {
            S::store_first(p, v, count);
        }
    }
}
