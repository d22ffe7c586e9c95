//! Passes over the channels of many rows, for batch normalization.
//!
//! A row is a cell of an image, its channels side by side. Rows of few channels are taken several at a time, as one
//! row that repeats its channels, so that vectors are filled.
//!
//! ```text
//! channels ─▶ groups, with their coefficients repeated ─▶ strips of some vectors, from the first row to the last:
//!                                                         coefficients and sums of a strip stay in registers
//! ```

pub(crate) mod pooled;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
mod strips;
#[cfg(test)]
mod tests;

use self::strips::{Group, MOST, Strip, Strips};
use crate::kernels::Isa;
use crate::kernels::simd::{Kernel, Simd, from_fn, load, store, unrolled};

/// The square root of a positive number, without `std`: Newton's method for its inverse, from an estimate by half the
/// exponent. As exact as an `f64` is but for a few of its last bits. NaN stays NaN.
pub(crate) fn square_root(x: f64) -> f64 {
    let mut inverse = f64::from_bits(0x5FE6_EB50_C7B5_37A9_u64.wrapping_sub(x.to_bits() >> 1));
    for _ in 0..5 {
        inverse *= 1.5 - 0.5 * x * inverse * inverse;
    }
    x * inverse
}

/// `y = x factor + summand` of each channel, plus what is added to each value; with `relu`, 0 in place of what is
/// negative. The coefficients are the factor and the summand.
///
/// # Panics
/// If lengths differ.
pub(crate) fn affine(
    isa: Isa,
    coefficients: [&[f32]; 2],
    addend: Option<&[f32]>,
    relu: bool,
    x: &[f32],
    y: &mut [f32],
) {
    let [factor, summand] = coefficients;
    assert!(
        x.len() == y.len() && factor.len() == summand.len(),
        "lengths"
    );
    assert!(x.len().is_multiple_of(factor.len()), "whole rows");
    if let Some(addend) = addend {
        assert_eq!(addend.len(), x.len(), "an addend for each value");
    }
    let pass = Affine::<false, false> {
        coefficients,
        addend: addend.unwrap_or(&[]),
        x,
        y,
    };
    match (addend.is_some(), relu) {
        (false, false) => isa.run(pass),
        (false, true) => isa.run(pass.with::<false, true>()),
        (true, false) => isa.run(pass.with::<true, false>()),
        (true, true) => isa.run(pass.with::<true, true>()),
    }
}

struct Affine<'a, const ADD: bool, const RELU: bool> {
    coefficients: [&'a [f32]; 2],
    /// If something is added.
    addend: &'a [f32],
    x: &'a [f32],
    y: &'a mut [f32],
}

impl<'a> Affine<'a, false, false> {
    /// The same with what else is done.
    fn with<const ADD: bool, const RELU: bool>(self) -> Affine<'a, ADD, RELU> {
        let Self {
            coefficients,
            addend,
            x,
            y,
        } = self;
        Affine {
            coefficients,
            addend,
            x,
            y,
        }
    }
}

impl<const ADD: bool, const RELU: bool> Kernel for Affine<'_, ADD, RELU> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for group in Group::all(self.coefficients[0].len()) {
            let mut strips = AffineStrips::<ADD, RELU> {
                coefficients: self.coefficients.map(|values| group.repeated(values)),
                addend: self.addend,
                x: self.x,
                y: self.y,
            };
            // SAFETY: the machine has the features of `S`; `x`, `y` and, if it is added, `addend` are equally long.
            unsafe { group.strips::<S, _>(self.x.len(), &mut strips) }
        }
    }
}

struct AffineStrips<'a, const ADD: bool, const RELU: bool> {
    coefficients: [[f32; MOST]; 2],
    addend: &'a [f32],
    x: &'a [f32],
    y: &'a mut [f32],
}

impl<const ADD: bool, const RELU: bool> Strips for AffineStrips<'_, ADD, RELU> {
    #[inline(always)]
    unsafe fn strip<S: Simd, const V: usize, const CUT: bool>(&mut self, strip: Strip) {
        // SAFETY: as of this function.
        unsafe {
            let [factor, summand] = from_fn(|i| strip.load::<S, V, CUT>(&self.coefficients[i]));
            for row in 0..strip.rows {
                let place = strip.place(row);
                let (x, y) = (self.x.as_ptr().add(place), self.y.as_mut_ptr().add(place));
                unrolled!(i in 0..V => {
                    let x = load::<S, CUT>(x.add(i * S::LANES), strip.count);
                    let mut z = S::fma(x, factor[i], summand[i]);
                    if ADD {
                        let addend = self.addend.as_ptr().add(place + i * S::LANES);
                        z = S::add(z, load::<S, CUT>(addend, strip.count));
                    }
                    let z = if RELU { S::relu(z) } else { z };
                    store::<S, CUT>(y.add(i * S::LANES), z, strip.count);
                });
            }
        }
    }
}

/// `y *= factor` of each channel.
///
/// # Panics
/// If `y` is no whole number of rows.
pub(crate) fn scale(isa: Isa, factor: &[f32], y: &mut [f32]) {
    assert!(y.len().is_multiple_of(factor.len()), "whole rows");
    isa.run(Scale { factor, y });
}

struct Scale<'a> {
    factor: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for group in Group::all(self.factor.len()) {
            let len = self.y.len();
            let mut strips = ScaleStrips {
                factor: group.repeated(self.factor),
                y: self.y,
            };
            // SAFETY: the machine has the features of `S`.
            unsafe { group.strips::<S, _>(len, &mut strips) }
        }
    }
}

struct ScaleStrips<'a> {
    factor: [f32; MOST],
    y: &'a mut [f32],
}

impl Strips for ScaleStrips<'_> {
    #[inline(always)]
    unsafe fn strip<S: Simd, const V: usize, const CUT: bool>(&mut self, strip: Strip) {
        // SAFETY: as of this function.
        unsafe {
            let factor = strip.load::<S, V, CUT>(&self.factor);
            for row in 0..strip.rows {
                let y = self.y.as_mut_ptr().add(strip.place(row));
                unrolled!(i in 0..V => {
                    let y = y.add(i * S::LANES);
                    let scaled = S::mul(load::<S, CUT>(y, strip.count), factor[i]);
                    store::<S, CUT>(y, scaled, strip.count);
                });
            }
        }
    }
}

/// `dx = dy a + x b + c` of each channel.
///
/// # Panics
/// If lengths differ.
pub(crate) fn input_gradient(
    isa: Isa,
    coefficients: [&[f32]; 3],
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    let [a, b, c] = coefficients;
    assert!(x.len() == dy.len() && x.len() == dx.len(), "lengths");
    assert!(a.len() == b.len() && a.len() == c.len(), "lengths");
    assert!(x.len().is_multiple_of(a.len()), "whole rows");
    isa.run(InputGradient {
        coefficients,
        x,
        dy,
        dx,
    });
}

struct InputGradient<'a> {
    coefficients: [&'a [f32]; 3],
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for group in Group::all(self.coefficients[0].len()) {
            let mut strips = InputGradientStrips {
                coefficients: self.coefficients.map(|values| group.repeated(values)),
                x: self.x,
                dy: self.dy,
                dx: self.dx,
            };
            // SAFETY: the machine has the features of `S`; `x`, `dy` and `dx` are equally long.
            unsafe { group.strips::<S, _>(self.x.len(), &mut strips) }
        }
    }
}

struct InputGradientStrips<'a> {
    coefficients: [[f32; MOST]; 3],
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Strips for InputGradientStrips<'_> {
    #[inline(always)]
    unsafe fn strip<S: Simd, const V: usize, const CUT: bool>(&mut self, strip: Strip) {
        // SAFETY: as of this function.
        unsafe {
            let [a, b, c] = from_fn(|i| strip.load::<S, V, CUT>(&self.coefficients[i]));
            for row in 0..strip.rows {
                let place = strip.place(row);
                let (x, dy) = (self.x.as_ptr().add(place), self.dy.as_ptr().add(place));
                let dx = self.dx.as_mut_ptr().add(place);
                unrolled!(i in 0..V => {
                    let x = load::<S, CUT>(x.add(i * S::LANES), strip.count);
                    let dy = load::<S, CUT>(dy.add(i * S::LANES), strip.count);
                    let sum = S::fma(dy, a[i], S::fma(x, b[i], c[i]));
                    store::<S, CUT>(dx.add(i * S::LANES), sum, strip.count);
                });
            }
        }
    }
}

/// Adds rows to statistics: the count of rows, then for each channel the mean, then the sum of squared deviations from
/// it. Two passes, for a sum of squares cancels; merged by the formula of Chan, Golub & LeVeque, "Updating formulae
/// and a pairwise algorithm for computing sample variances", 1979.
///
/// # Panics
/// If lengths differ.
pub(crate) fn add_moments(isa: Isa, channels: usize, x: &[f32], statistics: &mut [f32]) {
    assert_eq!(statistics.len(), 1 + 2 * channels, "statistics");
    assert!(x.len().is_multiple_of(channels), "whole rows");
    isa.run(AddMoments {
        channels,
        x,
        statistics,
    });
}

struct AddMoments<'a> {
    channels: usize,
    x: &'a [f32],
    statistics: &'a mut [f32],
}

impl Kernel for AddMoments<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { channels, x, .. } = self;
        let (count, statistics) = self.statistics.split_at_mut(1);
        let (means, deviations) = statistics.split_at_mut(channels);
        let (before, added) = (count[0], (x.len() / channels) as f32);
        if added == 0.0 {
            return;
        }
        let all = before + added;
        for group in Group::all(channels) {
            let mut sums = SumStrips {
                x,
                sums: [0.0; MOST],
            };
            // SAFETY: the machine has the features of `S`.
            unsafe { group.strips::<S, _>(x.len(), &mut sums) }
            let mut mean = group.folded(&sums.sums);
            for mean in &mut mean[..group.width] {
                *mean /= added;
            }
            let mut squares = SquareStrips {
                mean: Group { first: 0, ..group }.repeated(&mean),
                x,
                sums: [0.0; MOST],
            };
            // SAFETY: as above.
            unsafe { group.strips::<S, _>(x.len(), &mut squares) }
            let squares = group.folded(&squares.sums);
            for column in 0..group.width {
                let place = group.first + column;
                let delta = mean[column] - means[place];
                means[place] += delta * (added / all);
                deviations[place] += squares[column] + delta * delta * (before * (added / all));
            }
        }
        count[0] = all;
    }
}

/// Sums of each column.
struct SumStrips<'a> {
    x: &'a [f32],
    sums: [f32; MOST],
}

impl Strips for SumStrips<'_> {
    #[inline(always)]
    unsafe fn strip<S: Simd, const V: usize, const CUT: bool>(&mut self, strip: Strip) {
        // SAFETY: as of this function.
        unsafe {
            let mut sums = strip.load::<S, V, CUT>(&self.sums);
            for row in 0..strip.rows {
                let x = self.x.as_ptr().add(strip.place(row));
                unrolled!(i in 0..V => {
                    let x = load::<S, CUT>(x.add(i * S::LANES), strip.count);
                    sums[i] = S::add(sums[i], x);
                });
            }
            strip.store::<S, V, CUT>(sums, &mut self.sums);
        }
    }
}

/// Sums of the squared deviations of each column.
struct SquareStrips<'a> {
    mean: [f32; MOST],
    x: &'a [f32],
    sums: [f32; MOST],
}

impl Strips for SquareStrips<'_> {
    #[inline(always)]
    unsafe fn strip<S: Simd, const V: usize, const CUT: bool>(&mut self, strip: Strip) {
        // SAFETY: as of this function.
        unsafe {
            let mean = strip.load::<S, V, CUT>(&self.mean);
            let mut sums = strip.load::<S, V, CUT>(&self.sums);
            for row in 0..strip.rows {
                let x = self.x.as_ptr().add(strip.place(row));
                unrolled!(i in 0..V => {
                    let x = load::<S, CUT>(x.add(i * S::LANES), strip.count);
                    let deviation = S::sub(x, mean[i]);
                    sums[i] = S::fma(deviation, deviation, sums[i]);
                });
            }
            strip.store::<S, V, CUT>(sums, &mut self.sums);
        }
    }
}

/// Adds the sums over rows of `dy x̂` to the first half of `sums`, of `dy` to the second one. `x̂ = (x - mean) scale`.
/// Where a relu has made `outputs`, `dy` becomes the gradient before it first: 0 where an output is not positive.
///
/// # Panics
/// If lengths differ.
pub(crate) fn add_gradient_sums(
    isa: Isa,
    mean: &[f32],
    scale: &[f32],
    x: &[f32],
    outputs: Option<&[f32]>,
    dy: &mut [f32],
    sums: &mut [f32],
) {
    let channels = mean.len();
    assert!(
        scale.len() == channels && sums.len() == 2 * channels,
        "lengths"
    );
    assert!(
        x.len() == dy.len() && x.len().is_multiple_of(channels),
        "whole rows"
    );
    match outputs {
        Some(outputs) => {
            assert_eq!(outputs.len(), dy.len(), "an output for each gradient");
            isa.run(AddGradientSums::<true> {
                mean,
                scale,
                x,
                outputs,
                dy,
                sums,
            });
        }
        None => isa.run(AddGradientSums::<false> {
            mean,
            scale,
            x,
            outputs: &[],
            dy,
            sums,
        }),
    }
}

struct AddGradientSums<'a, const RELU: bool> {
    mean: &'a [f32],
    scale: &'a [f32],
    x: &'a [f32],
    /// Those of the relu, if there is one.
    outputs: &'a [f32],
    dy: &'a mut [f32],
    sums: &'a mut [f32],
}

impl<const RELU: bool> Kernel for AddGradientSums<'_, RELU> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let channels = self.mean.len();
        let (of_products, of_gradients) = self.sums.split_at_mut(channels);
        for group in Group::all(channels) {
            let mut strips = GradientSumStrips::<RELU> {
                mean: group.repeated(self.mean),
                x: self.x,
                outputs: self.outputs,
                dy: self.dy,
                products: [0.0; MOST],
                gradients: [0.0; MOST],
            };
            // SAFETY: the machine has the features of `S`; `x`, `dy` and, if there is a relu, `outputs` are equally long.
            unsafe { group.strips::<S, _>(self.x.len(), &mut strips) }
            let products = group.folded(&strips.products);
            let gradients = group.folded(&strips.gradients);
            for column in 0..group.width {
                let place = group.first + column;
                of_products[place] += products[column] * self.scale[place];
                of_gradients[place] += gradients[column];
            }
        }
    }
}

struct GradientSumStrips<'a, const RELU: bool> {
    mean: [f32; MOST],
    x: &'a [f32],
    outputs: &'a [f32],
    dy: &'a mut [f32],
    products: [f32; MOST],
    gradients: [f32; MOST],
}

impl<const RELU: bool> Strips for GradientSumStrips<'_, RELU> {
    #[inline(always)]
    unsafe fn strip<S: Simd, const V: usize, const CUT: bool>(&mut self, strip: Strip) {
        // SAFETY: as of this function.
        unsafe {
            let zero = S::splat(0.0);
            let mean = strip.load::<S, V, CUT>(&self.mean);
            let mut products = strip.load::<S, V, CUT>(&self.products);
            let mut gradients = strip.load::<S, V, CUT>(&self.gradients);
            for row in 0..strip.rows {
                let place = strip.place(row);
                let (x, dy) = (self.x.as_ptr().add(place), self.dy.as_mut_ptr().add(place));
                unrolled!(i in 0..V => {
                    let at = i * S::LANES;
                    let mut gradient = load::<S, CUT>(dy.add(at), strip.count);
                    if RELU {
                        let y = self.outputs.as_ptr().add(place + at);
                        let y = load::<S, CUT>(y, strip.count);
                        gradient = S::select(S::greater(y, zero), gradient, zero);
                        store::<S, CUT>(dy.add(at), gradient, strip.count);
                    }
                    let x = load::<S, CUT>(x.add(at), strip.count);
                    products[i] = S::fma(gradient, S::sub(x, mean[i]), products[i]);
                    gradients[i] = S::add(gradients[i], gradient);
                });
            }
            strip.store::<S, V, CUT>(products, &mut self.products);
            strip.store::<S, V, CUT>(gradients, &mut self.gradients);
        }
    }
}
