//! The largest magnitude of some values, which also says whether all of them are finite.

use super::Isa;
use super::simd::{Kernel, Simd};

/// The largest magnitude of `values`, 0 if there are none. It is infinite or not a number if one of them is.
pub(crate) fn largest_magnitude(isa: Isa, values: &[f32]) -> f32 {
    isa.run(LargestMagnitude { values })
}

struct LargestMagnitude<'a> {
    values: &'a [f32],
}

impl Kernel for LargestMagnitude<'_> {
    type Output = f32;

    /// Without their signs, floats are in the order of their bits: finite ones, infinity, then what is not a number.
    /// A maximum of integers runs in vectors; one of floats would have to pass on NaN.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f32 {
        let bits = self.values.iter().map(|value| value.abs().to_bits());
        f32::from_bits(bits.fold(0, u32::max))
    }
}

#[cfg(test)]
mod tests;
