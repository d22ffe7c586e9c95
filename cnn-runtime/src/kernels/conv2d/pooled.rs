//! The max-pool that is fused behind a convolution.
//!
//! Forward, [`MaxRow`] takes the convolution's rows that one row of windows sees. The place of each winner
//! in its window, a code, is all that is kept; from argmax, [`Unpool`] spreads gradients back.

use super::{Conv2d, FusedPool};
use crate::kernels::Isa;
use crate::kernels::simd::{Kernel, Simd, from_fn};

/// The gradient with respect to the convolution's own output, of image `i` of the batch that `argmax`
/// belongs to: `dz` itself if there is no pool. `scratch` holds [`Conv2d::unpooled_len`] floats.
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

/// One row of windows: their largest values, and the argmax of these.
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
    /// As long as `y`, or empty: then no argmax are written.
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
            let first = pool.code([self.row, window], [ys.start, xs.start]);
            for channel in (0..filters).step_by(S::LANES) {
                let count = S::LANES.min(filters - channel);
                // SAFETY: `ys` and `xs` are cells of the output; `channel + count` is at most `filters`, so
                // all that is read lies in one of the rows of `z`, and all that is written in the window's
                // place of `y` and `argmax`.
                unsafe {
                    let z = self.z.as_ptr().add(xs.start * filters + channel);
                    let (best, winner) = if ys.len() == 2 && xs.len() == 2 {
                        let mut cells = [[S::splat(0.0); 2]; 2];
                        for (row, cells) in cells.iter_mut().enumerate() {
                            for (column, value) in cells.iter_mut().enumerate() {
                                *value = load::<S>(z.add(rows[row] + column * filters), count);
                            }
                        }
                        best_of_four::<S>(cells, [first, first + pool.size[1]])
                    } else {
                        // Nothing but a larger value or NaN beats -∞; if nothing does, the first cell wins.
                        let mut best = (S::splat(f32::NEG_INFINITY), S::splat(first as f32));
                        for oy in 0..ys.len() {
                            let z = z.add((ys.start + oy) % self.rows * row);
                            for ox in 0..xs.len() {
                                let code = first + oy * pool.size[1] + ox;
                                best =
                                    better::<S>(best, cell::<S>(z.add(ox * filters), count, code));
                            }
                        }
                        best
                    };
                    let best = if self.relu { S::relu(best) } else { best };
                    let place = window * filters + channel;
                    store::<S>(self.y.as_mut_ptr().add(place), best, count);
                    if !self.argmax.is_empty() {
                        S::store_bytes(self.argmax.as_mut_ptr().add(place), winner, count);
                    }
                }
            }
        }
    }
}

/// Adds up the gradients of the windows of one image at their winners, and zeros elsewhere.
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
        assert_eq!(self.argmax.len(), self.dz.len(), "a code for each output");
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
                let first = pool.code([row, window], [ys.start, xs.start]);
                for channel in (0..filters).step_by(S::LANES) {
                    let count = S::LANES.min(filters - channel);
                    let place = (row * columns + window) * filters + channel;
                    // SAFETY: `ys` and `xs` are cells of the output; `channel + count` is at most `filters`,
                    // so everything lies in the channels of one cell.
                    unsafe {
                        let dz = load::<S>(self.dz.as_ptr().add(place), count);
                        let winner = S::load_bytes(self.argmax.as_ptr().add(place), count);
                        for oy in ys.clone() {
                            for ox in xs.clone() {
                                let code = first + (oy - ys.start) * pool.size[1] + ox - xs.start;
                                let wins = S::eq(winner, S::splat(code as f32));
                                let place = (oy * width + ox) * filters + channel;
                                let dy = self.dy.as_mut_ptr().add(place);
                                let share = S::select(wins, dz, S::splat(0.0));
                                store::<S>(dy, S::add(load::<S>(dy, count), share), count);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `count` values at `z`, and the code of their cell.
///
/// # Safety
/// As for [`load`].
#[inline(always)]
unsafe fn cell<S: Simd>(z: *const f32, count: usize, code: usize) -> (S::V, S::V) {
    // SAFETY: the caller vouches for `count` values.
    unsafe { (load::<S>(z, count), S::splat(code as f32)) }
}

/// Where the second of two values with their argmax beats the first, the second.
///
/// # Safety
/// The machine has the features of `S`.
#[inline(always)]
pub(super) unsafe fn better<S: Simd>(a: (S::V, S::V), b: (S::V, S::V)) -> (S::V, S::V) {
    // SAFETY: the caller vouches for the features.
    unsafe {
        let better = S::greater(b.0, a.0);
        (S::select(better, b.0, a.0), S::select(better, b.1, a.1))
    }
}

/// The best of 2x2 values and its code, where `argmax` are those of the first values of both rows. The winners of
/// both rows at once, then the better one of them.
///
/// # Safety
/// As for [`better`].
#[inline(always)]
pub(super) unsafe fn best_of_four<S: Simd>(
    cells: [[S::V; 2]; 2],
    argmax: [usize; 2],
) -> (S::V, S::V) {
    // SAFETY: the caller vouches for the features.
    unsafe {
        let code = |row: usize, column: usize| S::splat((argmax[row] + column) as f32);
        let above = better::<S>((cells[0][0], code(0, 0)), (cells[0][1], code(0, 1)));
        let below = better::<S>((cells[1][0], code(1, 0)), (cells[1][1], code(1, 1)));
        better::<S>(above, below)
    }
}

/// The first `count` values at `p`, then zeros.
///
/// # Safety
/// They are valid, and the machine has the features of `S`.
#[inline(always)]
pub(super) unsafe fn load<S: Simd>(p: *const f32, count: usize) -> S::V {
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
pub(super) unsafe fn store<S: Simd>(p: *mut f32, v: S::V, count: usize) {
    // SAFETY: the caller vouches for `count` values.
    unsafe {
        if count == S::LANES {
            S::store(p, v);
        } else {
            S::store_first(p, v, count);
        }
    }
}
