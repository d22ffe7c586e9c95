//! Dropout (Srivastava et al. 2014), inverted: what remains is scaled up while training, so that
//! inference does nothing.
//!
//! The mask is a function of the seed and the position alone, so that it depends on neither the
//! thread nor the order of work.

#[cfg(any(test, feature = "reference"))]
pub mod reference;

use super::{Backward, Execute, Forward, Infer, Sizes, crop};
use crate::kernels::Isa;
use crate::kernels::random::{GOLDEN_GAMMA, split_mix};
use crate::kernels::simd::Loop;
use cnn_ir::operation::Dropout;

pub(super) const fn sizes(_: &Dropout, _micro_batch: usize) -> Sizes {
    Sizes::NONE
}

impl Execute for Dropout {
    fn infer(&self, call: Infer<'_>) {
        crop::copy(self.input, self.output, call.inputs[0], call.output);
    }

    fn forward(&self, call: Forward<'_>) {
        let seed = call.run.seed.wrapping_add(self.stream);
        let first = call.run.first * self.output_len();
        mask(self.rate, call.run.isa, seed, first, call.saved);
        crop::copy(self.input, self.output, call.inputs[0], call.output);
        for (y, mask) in call.output.iter_mut().zip(&*call.saved) {
            *y *= mask;
        }
    }

    fn backward(&self, call: Backward<'_>) {
        for (dy, mask) in call.gradient.iter_mut().zip(call.saved) {
            *dy *= mask;
        }
        if let [dx] = call.input_gradients
            && !dx.is_empty()
        {
            crop::scatter(self.input, self.output, call.gradient, dx);
        }
    }
}

/// Fills a mask: each value is 0 with probability `rate` and else `1 / (1 - rate)`.
///
/// `first` is the place of the first value in the batch: a batch that is worked off in pieces gets
/// the same mask. Layers and steps that shall drop independently need seeds that differ.
///
/// # Panics
/// If `rate` is not in `0.0..1.0`.
pub fn mask(rate: f32, isa: Isa, seed: u64, first: usize, mask: &mut [f32]) {
    assert!((0.0..1.0).contains(&rate), "a rate in 0.0..1.0");
    isa.run_loop(Mask {
        rate,
        seed,
        first,
        mask,
    });
}

struct Mask<'a> {
    rate: f32,
    seed: u64,
    first: usize,
    mask: &'a mut [f32],
}

impl Loop for Mask<'_> {
    #[inline(always)]
    fn run(self) {
        // Mixed first, so that the streams of neighbouring seeds do not overlap.
        let stream = split_mix(self.seed);
        let scale = 1.0 / (1.0 - self.rate);
        for (i, mask) in self.mask.iter_mut().enumerate() {
            let place = (self.first + i) as u64;
            let bits = split_mix(stream.wrapping_add(place.wrapping_mul(GOLDEN_GAMMA)));
            // The high 24 bits as a number in 0.0..1.0.
            let uniform = (bits >> 40) as i32 as f32 * (1.0 / 16_777_216.0);
            *mask = if uniform < self.rate { 0.0 } else { scale };
        }
    }
}

#[cfg(test)]
mod tests;
