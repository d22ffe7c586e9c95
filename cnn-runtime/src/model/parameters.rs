//! Buffers of floats aligned to cache lines, and random streams.
//!
//! All parameters of a network lie in one [`Buffer`], in the order of its specification; so do their gradients and
//! what the optimizer remembers of them. Saving and updating are each one loop over it.

use std::ops::{Deref, DerefMut};

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::kernels::random::split_mix;

/// Floats in a cache line, and in the widest vector register.
pub(crate) const ALIGNMENT: usize = 64 / size_of::<f32>();

/// A buffer of floats that begins at a multiple of 64 bytes.
///
/// Safe code cannot ask the allocator for an alignment, so the buffer is a window in a
/// vector that is a little longer.
pub(crate) struct Buffer {
    storage: Vec<f32>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let storage = vec![0.0; len + ALIGNMENT - 1];
        let place = storage.as_ptr().addr() / size_of::<f32>();
        Self {
            storage,
            start: place.wrapping_neg() % ALIGNMENT,
            len,
        }
    }

    /// Makes sure that there are `len` floats at least, of any content.
    pub(crate) fn reserve(&mut self, len: usize) {
        if self.len < len {
            *self = Self::zeros(len);
        }
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::zeros(0)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.storage[self.start..self.start + self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.storage[self.start..self.start + self.len]
    }
}

/// A copy has an address of its own, and so a window of its own.
impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

/// The generator of the random stream that `key` names.
pub(crate) fn stream(key: &[u64]) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(mix(key))
}

/// One number for the numbers of `key`: any change of any of them changes half of its bits.
pub(crate) fn mix(key: &[u64]) -> u64 {
    key.iter().fold(0, |state, &word| split_mix(state ^ word))
}

/// Puts `items` in a random order (Fisher & Yates).
pub(crate) fn shuffle<T>(items: &mut [T], random: &mut impl Rng) {
    for last in (1..items.len()).rev() {
        // Lemire 2019 without the rejection: for fewer than 2^32 items the bias is below 2^-32.
        let place = (u128::from(random.next_u64()) * (last as u128 + 1)) >> 64;
        items.swap(last, place as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_so_are_their_copies() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let mut buffer = Buffer::zeros(len);
            for (index, value) in buffer.iter_mut().enumerate() {
                *value = index as f32;
            }
            for buffer in [&buffer, &buffer.clone(), &buffer.clone().clone()] {
                assert_eq!(buffer.as_ptr().addr() % 64, 0, "of {len}");
                assert_eq!(buffer.len(), len);
                assert!(buffer.iter().enumerate().all(|(i, &v)| v == i as f32));
            }
        }
    }

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |key: &[u64]| stream(key).next_u64();
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        let keys: [&[u64]; 6] = [&[0, 0], &[0, 1], &[1, 0], &[1, 1], &[0, 0, 0], &[2]];
        for (i, a) in keys.iter().enumerate() {
            for b in &keys[..i] {
                assert_ne!(draw(a), draw(b), "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_favours_no_place() {
        let mut random = stream(&[7]);
        let mut landed = [[0_u32; 5]; 5];
        for _ in 0..10_000 {
            let mut items = [0, 1, 2, 3, 4];
            shuffle(&mut items, &mut random);
            for (place, &item) in items.iter().enumerate() {
                landed[item][place] += 1;
            }
        }
        // 2,000 expected, a standard deviation of 40.
        assert!(
            landed.iter().flatten().all(|n| (1800..2200).contains(n)),
            "{landed:?}"
        );
    }
}
