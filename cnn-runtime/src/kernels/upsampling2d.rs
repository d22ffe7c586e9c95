//! Images that become larger by a whole factor, by repetition or bilinear interpolation.
//!
//! Both axes are independent of each other. Columns come first: a row of the input becomes as wide as the output,
//! once, cell by cell along its channels. A row of the output is then one of these rows, or the weighted mean of two
//! of them, value by value over the whole row, however few channels there are.
//!
//! ```text
//! forward    x[row], x[row + 1] ─ columns ─▶ two wide rows in scratch ─ weights of y's rows ─▶ rows of y
//! backward   rows of dy ─ the same weights ─▶ sums in two wide rows ─ columns ─▶ dx[row], dx[row + 1]
//! ```
//!
//! [`UpSampling2d::places`] says which cells an output reads and with what weights. The gradient adds up the
//! rows of `dy` in their order, then the cells of their sums.

use super::Isa;
use super::simd::{Kernel, Simd};
use cnn_ir::operation::{Interpolation, Position, UpSampling2d};

/// Floats of scratch: two rows as wide as the output.
pub(crate) const fn scratch_len(layer: &UpSampling2d) -> usize {
    2 * layer.output[1] * layer.output[2]
}

/// Interpolates `x`, `[n, ..input]`, to `y`, `[n, ..output]`, which is overwritten.
///
/// # Panics
/// If the slices are no whole numbers of images, as many of the one as of the other, or the scratch is shorter than
/// [`scratch_len`].
pub(crate) fn forward(
    layer: &UpSampling2d,
    isa: Isa,
    x: &[f32],
    y: &mut [f32],
    scratch: &mut [f32],
) {
    check(layer, x.len(), y.len());
    let scratch = &mut scratch[..scratch_len(layer)];
    isa.run(Forward {
        layer,
        x,
        y,
        scratch,
    });
}

/// The gradient with respect to the input: `dx`, `[n, ..input]`, overwritten, from the gradient `dy` with respect to
/// the output.
///
/// # Panics
/// As [`forward`].
pub(crate) fn backward(
    layer: &UpSampling2d,
    isa: Isa,
    dy: &[f32],
    dx: &mut [f32],
    scratch: &mut [f32],
) {
    check(layer, dx.len(), dy.len());
    let scratch = &mut scratch[..scratch_len(layer)];
    isa.run(Backward {
        layer,
        dy,
        dx,
        scratch,
    });
}

fn check(layer: &UpSampling2d, x: usize, y: usize) {
    let [input, output] = [layer.input, layer.output];
    assert_eq!(input[2], output[2], "channels of both images");
    let [input, output] = [input, output].map(|shape| shape.iter().product::<usize>());
    assert!(
        x.is_multiple_of(input) && y.is_multiple_of(output),
        "whole images"
    );
    assert_eq!(x / input, y / output, "as many images");
}

struct Forward<'a> {
    layer: &'a UpSampling2d,
    x: &'a [f32],
    y: &'a mut [f32],
    /// Two rows as wide as the output.
    scratch: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            layer,
            x,
            y,
            scratch,
        } = self;
        let [height, width, channels] = layer.input;
        let [rows, columns, _] = layer.output;
        let (from, to) = (width * channels, columns * channels);
        for (x, y) in x
            .chunks_exact(height * from)
            .zip(y.chunks_exact_mut(rows * to))
        {
            if layer.interpolation == Interpolation::Nearest {
                let repeated = y.chunks_mut(layer.size[0] * to);
                for (x, y) in x.chunks_exact(from).zip(repeated) {
                    let (first, others) = y.split_at_mut(to);
                    // SAFETY: the caller vouches for the target features.
                    unsafe { widen::<S>(layer, x, first) };
                    for other in others.chunks_exact_mut(to) {
                        other.copy_from_slice(first);
                    }
                }
                continue;
            }
            let mut wide = Wide::new(scratch);
            for (y, position) in y.chunks_exact_mut(to).zip(layer.places(0)) {
                let Position { cell, part } = position;
                let is_one = part == 0.0 || cell + 1 == height;
                let last = if is_one { cell } else { cell + 1 };
                for row in cell..=last {
                    if let Some(wide) = wide.missing(row) {
                        // SAFETY: the caller vouches for the target features.
                        unsafe { widen::<S>(layer, &x[row * from..][..from], wide) };
                    }
                }
                let [first, second] = wide.both(cell);
                if is_one {
                    y.copy_from_slice(first);
                    continue;
                }
                // SAFETY: as above.
                unsafe { blend::<S>(y, first, second, part) };
            }
        }
    }
}

/// The rows of the input that were made wide last: an even one and an odd one.
struct Wide<'a> {
    rows: [&'a mut [f32]; 2],
    /// Which rows they are, if any.
    held: [Option<usize>; 2],
}

impl<'a> Wide<'a> {
    #[inline(always)]
    fn new(scratch: &'a mut [f32]) -> Self {
        let (even, odd) = scratch.split_at_mut(scratch.len() / 2);
        Self {
            rows: [even, odd],
            held: [None, None],
        }
    }

    /// The place of a row that is not there yet, to be written. (Not a closure that writes it: a closure would be a
    /// function of its own, without the target features.)
    #[inline(always)]
    fn missing(&mut self, row: usize) -> Option<&mut [f32]> {
        if self.held[row % 2] == Some(row) {
            return None;
        }
        self.held[row % 2] = Some(row);
        Some(&mut *self.rows[row % 2])
    }

    /// A row and the next one.
    #[inline(always)]
    fn both(&self, row: usize) -> [&[f32]; 2] {
        [&*self.rows[row % 2], &*self.rows[(row + 1) % 2]]
    }
}

struct Backward<'a> {
    layer: &'a UpSampling2d,
    dy: &'a [f32],
    dx: &'a mut [f32],
    /// Two rows as wide as the output.
    scratch: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            layer,
            dy,
            dx,
            scratch,
        } = self;
        let [height, width, channels] = layer.input;
        let [rows, columns, _] = layer.output;
        let (from, to) = (width * channels, columns * channels);
        let images = dy.chunks_exact(rows * to);
        for (dy, dx) in images.zip(dx.chunks_exact_mut(height * from)) {
            scratch.fill(0.0);
            let (mut sums, mut next) = scratch.split_at_mut(to);
            let mut dx = dx.chunks_exact_mut(from);
            let mut row = 0;
            for (dy, position) in dy.chunks_exact(to).zip(layer.places(0)) {
                let Position { cell, mut part } = position;
                // SAFETY: the caller vouches for the target features.
                unsafe {
                    while row < cell {
                        narrow::<S>(layer, sums, dx.next().expect("a row of the input"));
                        sums.fill(0.0);
                        core::mem::swap(&mut sums, &mut next);
                        row += 1;
                    }
                    if cell + 1 == height {
                        part = 0.0;
                    }
                    add_scaled::<S>(sums, dy, 1.0 - part);
                    if part != 0.0 {
                        add_scaled::<S>(next, dy, part);
                    }
                }
            }
            // Rows behind them are of an input that other steps read as well.
            for sums in [sums, next] {
                if let Some(dx) = dx.next() {
                    // SAFETY: as above.
                    unsafe { narrow::<S>(layer, sums, dx) };
                }
            }
            dx.for_each(|dx| dx.fill(0.0));
        }
    }
}

/// Writes a row of the input as wide as the output.
///
/// # Safety of the functions below
/// The machine has the target features of `S`.
#[inline(always)]
unsafe fn widen<S: Simd>(layer: &UpSampling2d, x: &[f32], wide: &mut [f32]) {
    let channels = layer.input[2];
    for (y, position) in wide.chunks_exact_mut(channels).zip(layer.places(1)) {
        let (cell, next) = neighbours(x, channels, position);
        // SAFETY: see above.
        unsafe {
            match next {
                Some(next) => blend::<S>(y, cell, next, position.part),
                None => copy::<S>(y, cell),
            }
        }
    }
}

/// The way back of gradients: overwrites a row with the sums of a wide one.
#[inline(always)]
unsafe fn narrow<S: Simd>(layer: &UpSampling2d, wide: &[f32], dx: &mut [f32]) {
    let channels = layer.input[2];
    dx.fill(0.0);
    for (dy, position) in wide.chunks_exact(channels).zip(layer.places(1)) {
        let Position { cell, part } = position;
        let (dx, next) = dx[cell * channels..].split_at_mut(channels);
        // SAFETY: see above.
        unsafe {
            if part == 0.0 || next.is_empty() {
                add_scaled::<S>(dx, dy, 1.0);
            } else {
                add_scaled::<S>(dx, dy, 1.0 - part);
                add_scaled::<S>(&mut next[..channels], dy, part);
            }
        }
    }
}

/// The cell at a position of a row, and the next one if it counts.
#[inline(always)]
fn neighbours(x: &[f32], channels: usize, position: Position) -> (&[f32], Option<&[f32]>) {
    let (cell, next) = x[position.cell * channels..].split_at(channels);
    let counts = position.part != 0.0 && !next.is_empty();
    (cell, counts.then(|| &next[..channels]))
}

/// `y = x`, of few values.
#[inline(always)]
unsafe fn copy<S: Simd>(y: &mut [f32], x: &[f32]) {
    let len = y.len().min(x.len());
    for first in (0..len).step_by(S::LANES) {
        let count = S::LANES.min(len - first);
        // SAFETY: both have `count` values from `first` on.
        unsafe {
            let x = load::<S>(x.as_ptr().add(first), count);
            store::<S>(y.as_mut_ptr().add(first), x, count);
        }
    }
}

/// `y = a * (1 - part) + b * part`.
#[inline(always)]
unsafe fn blend<S: Simd>(y: &mut [f32], a: &[f32], b: &[f32], part: f32) {
    let len = y.len().min(a.len()).min(b.len());
    // SAFETY: all three have `count` values from `first` on.
    unsafe {
        let weights = [S::splat(1.0 - part), S::splat(part)];
        for first in (0..len).step_by(S::LANES) {
            let count = S::LANES.min(len - first);
            let a = load::<S>(a.as_ptr().add(first), count);
            let b = load::<S>(b.as_ptr().add(first), count);
            let sum = S::fma(b, weights[1], S::mul(a, weights[0]));
            store::<S>(y.as_mut_ptr().add(first), sum, count);
        }
    }
}

/// `y += x * weight`.
#[inline(always)]
unsafe fn add_scaled<S: Simd>(y: &mut [f32], x: &[f32], weight: f32) {
    let len = y.len().min(x.len());
    // SAFETY: both have `count` values from `first` on.
    unsafe {
        let weight = S::splat(weight);
        for first in (0..len).step_by(S::LANES) {
            let count = S::LANES.min(len - first);
            let y = y.as_mut_ptr().add(first);
            let x = load::<S>(x.as_ptr().add(first), count);
            store::<S>(y, S::fma(x, weight, load::<S>(y, count)), count);
        }
    }
}

/// # Safety
/// `count <= LANES` values are valid.
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

/// # Safety
/// As [`load`].
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

#[cfg(any(test, feature = "reference"))]
pub mod reference;
#[cfg(test)]
mod tests;
