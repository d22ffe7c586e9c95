//! Batch normalization with a max pool behind it, of which neither the normalized values nor their gradients are
//! written.
//!
//! ```text
//! forward    the cells of a window ─▶ x factor + summand of each ─▶ their maximum and its argmax
//! backward   dz, argmax ─▶ Σ dz x̂ and Σ dz over the cells that have the maximum of their window
//!            dz, argmax, x ─▶ dx of every cell: a of the gradients whose argmax it is, b x + c
//! ```
//!
//! The factor of a channel may be negative, so the values are compared, not what they are made of.

use crate::kernels::Isa;
use crate::kernels::conv2d::pooled::{load, max, max_of_four, store};
use crate::kernels::simd::{Kernel, Simd};
use cnn_ir::operation::FusedPool;
use core::ops::Range;

/// A max pool without padding behind images.
#[derive(Clone, Copy)]
pub(crate) struct Pooled {
    pub(crate) pool: FusedPool,
    /// Height, width and channels of an image before it.
    pub(crate) image: [usize; 3],
}

impl Pooled {
    fn image_len(&self) -> usize {
        self.image.iter().product()
    }

    fn output_len(&self) -> usize {
        self.pool.output[0] * self.pool.output[1] * self.image[2]
    }

    /// # Panics
    /// If the values of images and of their outputs are not so many.
    fn check(&self, images: usize, outputs: usize) {
        assert!(images.is_multiple_of(self.image_len()), "whole images");
        let count = images / self.image_len();
        assert_eq!(outputs, count * self.output_len(), "outputs of a pool");
        assert_eq!(self.pool.padding, [0, 0], "a pool without padding");
        for axis in 0..2 {
            let seen = (self.pool.output[axis] - 1) * self.pool.strides[axis];
            let seen = seen + self.pool.size[axis];
            assert!(seen <= self.image[axis], "windows inside the image");
        }
    }

    /// Whether windows are the commonest ones, of 2x2 cells side by side.
    #[inline(always)]
    fn is_two_by_two(&self) -> bool {
        self.pool.size == [2, 2] && self.pool.strides == [2, 2]
    }

    /// The pool; where `TWO`, with windows that the compiler knows.
    #[inline(always)]
    fn known<const TWO: bool>(&self) -> FusedPool {
        match TWO {
            true => FusedPool::new(self.pool.output, [2, 2]),
            false => self.pool,
        }
    }
}

/// The windows of an axis that see a cell.
#[inline(always)]
fn windows(pool: FusedPool, axis: usize, cell: usize) -> Range<usize> {
    let (size, stride) = (pool.size[axis], pool.strides[axis]);
    let first = (cell + 1).saturating_sub(size).div_ceil(stride);
    first..(cell / stride + 1).min(pool.output[axis])
}

/// The largest value of each window, where a value is `x factor + summand` of its channel; with `relu`, 0 in place of
/// what is negative. Then the index of its cell in the window, unless `argmax` is empty.
///
/// # Panics
/// If lengths differ.
pub(crate) fn forward(
    isa: Isa,
    pooled: Pooled,
    coefficients: [&[f32]; 2],
    relu: bool,
    x: &[f32],
    y: &mut [f32],
    argmax: &mut [u8],
) {
    pooled.check(x.len(), y.len());
    assert!(
        argmax.is_empty() || argmax.len() == y.len(),
        "an argmax for each output"
    );
    for values in coefficients {
        assert_eq!(
            values.len(),
            pooled.image[2],
            "a coefficient for each channel"
        );
    }
    isa.run(Forward {
        pooled,
        coefficients,
        relu,
        x,
        y,
        argmax,
    });
}

struct Forward<'a> {
    pooled: Pooled,
    coefficients: [&'a [f32]; 2],
    relu: bool,
    x: &'a [f32],
    y: &'a mut [f32],
    argmax: &'a mut [u8],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the machine has the features of `S`.
        unsafe {
            match self.pooled.is_two_by_two() {
                true => self.maxima::<S, true>(),
                false => self.maxima::<S, false>(),
            }
        }
    }
}

impl Forward<'_> {
    /// # Safety
    /// The machine has the features of `S`.
    #[inline(always)]
    unsafe fn maxima<S: Simd, const TWO: bool>(self) {
        let pool = self.pooled.known::<TWO>();
        let [_, width, channels] = self.pooled.image;
        let [factor, summand] = self.coefficients;
        let row = width * channels;
        let mut place = 0;
        for x in self.x.chunks_exact(self.pooled.image_len()) {
            for top in 0..pool.output[0] {
                for left in 0..pool.output[1] {
                    let first = top * pool.strides[0] * row + left * pool.strides[1] * channels;
                    for channel in (0..channels).step_by(S::LANES) {
                        let count = S::LANES.min(channels - channel);
                        // SAFETY: as of this function. Windows lie inside the image, and `channel + count` is at most
                        // `channels`: so all accesses are to channels of one cell or of one window.
                        unsafe {
                            let factor = load::<S>(factor.as_ptr().add(channel), count);
                            let summand = load::<S>(summand.as_ptr().add(channel), count);
                            let x = x.as_ptr().add(first + channel);
                            let (maximum, index) = if TWO {
                                let mut cells = [[S::splat(0.0); 2]; 2];
                                for (down, cells) in cells.iter_mut().enumerate() {
                                    for (across, cell) in cells.iter_mut().enumerate() {
                                        let x = x.add(down * row + across * channels);
                                        *cell = S::fma(load::<S>(x, count), factor, summand);
                                    }
                                }
                                max_of_four::<S>(cells, [0, 2])
                            } else {
                                // If all cells are -∞, none is greater, and the argmax is the first cell.
                                let mut maximum = (S::splat(f32::NEG_INFINITY), S::splat(0.0));
                                for down in 0..pool.size[0] {
                                    for across in 0..pool.size[1] {
                                        let x = x.add(down * row + across * channels);
                                        let z = S::fma(load::<S>(x, count), factor, summand);
                                        let index = (down * pool.size[1] + across) as f32;
                                        maximum = max::<S>(maximum, (z, S::splat(index)));
                                    }
                                }
                                maximum
                            };
                            let maximum = if self.relu { S::relu(maximum) } else { maximum };
                            store::<S>(self.y.as_mut_ptr().add(place), maximum, count);
                            if !self.argmax.is_empty() {
                                S::store_bytes(self.argmax.as_mut_ptr().add(place), index, count);
                            }
                        }
                        place += count;
                    }
                }
            }
        }
    }
}

/// Adds the sums of `dz x̂` over the cells that `argmax` names to the first half of `sums`, of `dz` to the second one.
/// `x̂ = (x - mean) scale`; `dz` is the gradient with respect to the maxima.
///
/// # Panics
/// If lengths differ.
pub(crate) fn add_gradient_sums(
    isa: Isa,
    pooled: Pooled,
    [mean, scale]: [&[f32]; 2],
    x: &[f32],
    argmax: &[u8],
    dz: &[f32],
    sums: &mut [f32],
) {
    let channels = pooled.image[2];
    pooled.check(x.len(), dz.len());
    assert_eq!(argmax.len(), dz.len(), "an argmax for each gradient");
    assert!(mean.len() == channels && scale.len() == channels, "lengths");
    assert_eq!(sums.len(), 2 * channels, "sums");
    isa.run(AddGradientSums {
        pooled,
        mean,
        scale,
        x,
        argmax,
        dz,
        sums,
    });
}

struct AddGradientSums<'a> {
    pooled: Pooled,
    mean: &'a [f32],
    scale: &'a [f32],
    x: &'a [f32],
    argmax: &'a [u8],
    dz: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for AddGradientSums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the machine has the features of `S`.
        unsafe {
            match self.pooled.is_two_by_two() {
                true => self.add::<S, true>(),
                false => self.add::<S, false>(),
            }
        }
    }
}

impl AddGradientSums<'_> {
    /// # Safety
    /// The machine has the features of `S`.
    #[inline(always)]
    unsafe fn add<S: Simd, const TWO: bool>(self) {
        let pool = self.pooled.known::<TWO>();
        let [_, width, channels] = self.pooled.image;
        let [rows, columns] = pool.output;
        let row = width * channels;
        let (of_products, of_gradients) = self.sums.split_at_mut(channels);
        for (number, x) in self.x.chunks_exact(self.pooled.image_len()).enumerate() {
            for top in 0..rows {
                let first = (number * rows + top) * columns * channels;
                for channel in (0..channels).step_by(S::LANES) {
                    let count = S::LANES.min(channels - channel);
                    // SAFETY: as of this function. Windows lie inside the image, and `channel + count` is at most
                    // `channels`: so all accesses are to channels of one cell or of one window.
                    unsafe {
                        let mean = load::<S>(self.mean.as_ptr().add(channel), count);
                        let mut products = S::splat(0.0);
                        let mut gradients = S::splat(0.0);
                        for left in 0..columns {
                            let place = first + left * channels + channel;
                            let dz = load::<S>(self.dz.as_ptr().add(place), count);
                            let argmax = S::load_bytes(self.argmax.as_ptr().add(place), count);
                            let cell =
                                top * pool.strides[0] * row + left * pool.strides[1] * channels;
                            let cells = x.as_ptr().add(cell + channel);
                            let mut x = S::splat(0.0);
                            for down in 0..pool.size[0] {
                                for across in 0..pool.size[1] {
                                    let index = (down * pool.size[1] + across) as f32;
                                    let is_argmax = S::eq(argmax, S::splat(index));
                                    let cell = cells.add(down * row + across * channels);
                                    x = S::select(is_argmax, load::<S>(cell, count), x);
                                }
                            }
                            products = S::fma(dz, S::sub(x, mean), products);
                            gradients = S::add(gradients, dz);
                        }
                        let scale = load::<S>(self.scale.as_ptr().add(channel), count);
                        let sum = of_products.as_mut_ptr().add(channel);
                        store::<S>(sum, S::fma(products, scale, load::<S>(sum, count)), count);
                        let sum = of_gradients.as_mut_ptr().add(channel);
                        store::<S>(sum, S::add(gradients, load::<S>(sum, count)), count);
                    }
                }
            }
        }
    }
}

/// `dx = dy a + x b + c` of each channel, where `dy` is the sum of the gradients `dz` whose argmax the cell is; `dx = dy a`
/// without `x`. The coefficients are `a`, `b` and `c`.
///
/// # Panics
/// If lengths differ.
pub(crate) fn input_gradient(
    isa: Isa,
    pooled: Pooled,
    coefficients: [&[f32]; 3],
    x: Option<&[f32]>,
    argmax: &[u8],
    dz: &[f32],
    dx: &mut [f32],
) {
    pooled.check(dx.len(), dz.len());
    assert_eq!(argmax.len(), dz.len(), "an argmax for each gradient");
    for values in coefficients {
        assert_eq!(
            values.len(),
            pooled.image[2],
            "a coefficient for each channel"
        );
    }
    if let Some(x) = x {
        assert_eq!(x.len(), dx.len(), "lengths");
    }
    isa.run(InputGradient {
        pooled,
        coefficients,
        x,
        argmax,
        dz,
        dx,
    });
}

struct InputGradient<'a> {
    pooled: Pooled,
    coefficients: [&'a [f32]; 3],
    x: Option<&'a [f32]>,
    argmax: &'a [u8],
    dz: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the machine has the features of `S`.
        unsafe {
            match self.pooled.is_two_by_two() {
                true => self.of_cells::<S, true>(),
                false => self.of_cells::<S, false>(),
            }
        }
    }
}

impl InputGradient<'_> {
    /// # Safety
    /// The machine has the features of `S`.
    #[inline(always)]
    unsafe fn of_cells<S: Simd, const TWO: bool>(self) {
        let pool = self.pooled.known::<TWO>();
        let [height, width, channels] = self.pooled.image;
        let [rows, columns] = pool.output;
        let [a, b, c] = self.coefficients;
        let mut place = 0;
        for number in 0..self.dx.len() / self.pooled.image_len() {
            for y in 0..height {
                let tops = windows(pool, 0, y);
                for x in 0..width {
                    let lefts = windows(pool, 1, x);
                    for channel in (0..channels).step_by(S::LANES) {
                        let count = S::LANES.min(channels - channel);
                        // SAFETY: as of this function. `channel + count` is at most `channels`, so all accesses are to
                        // channels of one cell or of one window.
                        unsafe {
                            let mut dy = S::splat(0.0);
                            for top in tops.clone() {
                                for left in lefts.clone() {
                                    let window = (number * rows + top) * columns + left;
                                    let window = window * channels + channel;
                                    let index = pool.index([top, left], [y, x]) as f32;
                                    let dz = load::<S>(self.dz.as_ptr().add(window), count);
                                    let argmax = self.argmax.as_ptr().add(window);
                                    let argmax = S::load_bytes(argmax, count);
                                    let is_argmax = S::eq(argmax, S::splat(index));
                                    dy = S::add(dy, S::select(is_argmax, dz, S::splat(0.0)));
                                }
                            }
                            let a = load::<S>(a.as_ptr().add(channel), count);
                            let dx = match self.x {
                                Some(x) => {
                                    let b = load::<S>(b.as_ptr().add(channel), count);
                                    let c = load::<S>(c.as_ptr().add(channel), count);
                                    let x = load::<S>(x.as_ptr().add(place), count);
                                    S::fma(dy, a, S::fma(x, b, c))
                                }
                                None => S::mul(dy, a),
                            };
                            store::<S>(self.dx.as_mut_ptr().add(place), dx, count);
                        }
                        place += count;
                    }
                }
            }
        }
    }
}
