//! Dropout (Srivastava et al. 2014), inverted: what remains is scaled up while training, so that
//! inference does nothing.
//!
//! The mask is a function of the seed and the position alone, so that it depends on neither the
//! thread nor the order of work.

use super::Isa;
use super::random::{GOLDEN_GAMMA, split_mix};
use super::simd::{Kernel, Simd};

/// Zeroes values at random while training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The share of values that become zero, in `0.0..1.0`.
    pub rate: f32,
}

impl Dropout {
    /// `y = x * mask`, where each value of `mask` is 0 with probability `rate` and
    /// else `1 / (1 - rate)`.
    ///
    /// `first` is the place of the first value in the batch: a batch that is worked off in pieces gets
    /// the same mask. Layers and steps that shall drop independently need seeds that differ.
    ///
    /// # Panics
    /// If the slices differ in length or `rate` is not in `0.0..1.0`.
    pub fn forward(
        &self,
        isa: Isa,
        seed: u64,
        first: usize,
        x: &[f32],
        y: &mut [f32],
        mask: &mut [f32],
    ) {
        assert!((0.0..1.0).contains(&self.rate), "a rate in 0.0..1.0");
        assert_eq!([x.len(), mask.len()], [y.len(); 2], "values of a dropout");
        isa.run(Forward {
            rate: self.rate,
            seed,
            first,
            x,
            y,
            mask,
        });
    }

    /// The gradient with respect to the input, which it overwrites: `dx = dy * mask`.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn backward(&self, mask: &[f32], dy: &[f32], dx: &mut [f32]) {
        assert_eq!([mask.len(), dy.len()], [dx.len(); 2], "values of a dropout");
        dx.iter_mut()
            .zip(dy)
            .zip(mask)
            .for_each(|((dx, dy), mask)| *dx = dy * mask);
    }
}

struct Forward<'a> {
    rate: f32,
    seed: u64,
    first: usize,
    x: &'a [f32],
    y: &'a mut [f32],
    mask: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // Mixed first, so that the streams of neighbouring seeds do not overlap.
        let stream = split_mix(self.seed);
        let scale = 1.0 / (1.0 - self.rate);
        let places = self.y.iter_mut().zip(self.x).zip(self.mask);
        for (i, ((y, x), mask)) in places.enumerate() {
            let place = (self.first + i) as u64;
            let bits = split_mix(stream.wrapping_add(place.wrapping_mul(GOLDEN_GAMMA)));
            // The high 24 bits as a number in 0.0..1.0.
            let uniform = (bits >> 40) as i32 as f32 * (1.0 / 16_777_216.0);
            *mask = if uniform < self.rate { 0.0 } else { scale };
            *y = x * *mask;
        }
    }
}
