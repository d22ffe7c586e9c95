//! Floats as they lie in a file, for constants: the compiler copies bytes in no time, but turns floats over one by one.

/// `N` floats as bytes in the order of the machine, at the start of a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Words<const N: usize>([[u8; 4]; N]);

impl<const N: usize> Words<N> {
    /// Zeros.
    pub const ZERO: Self = Self([[0; 4]; N]);

    /// Takes `count` floats, little endian, from the byte `from` on, and puts them at the float `to`.
    ///
    /// # Panics
    /// If they go beyond either end.
    pub const fn copy(&mut self, to: usize, bytes: &[u8], from: usize, count: usize) {
        let words = bytes.split_at(from).1.split_at(4 * count).0;
        let place = self.0.split_at_mut(to).1.split_at_mut(count).0;
        place.as_flattened_mut().copy_from_slice(words);
        if cfg!(target_endian = "big") {
            turn(place);
        }
    }

    /// The floats, where they are.
    pub const fn floats(&self) -> &[f32; N] {
        // SAFETY: the bytes are `4 * N`, the size of the array, and live as long as `self`. They begin at a
        // multiple of 64, which is one of 4. Any bits are an `f32`.
        unsafe { &*self.0.as_ptr().cast() }
    }
}

/// Turns the bytes of each word around.
const fn turn(words: &mut [[u8; 4]]) {
    let mut index = 0;
    while index < words.len() {
        let [a, b, c, d] = words[index];
        words[index] = [d, c, b, a];
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_those_of_the_bytes() {
        let values = [
            1.5_f32,
            -0.0,
            f32::INFINITY,
            3e-41,
            f32::from_bits(0x7fc0_1234),
        ];
        // At every place that a file may leave them.
        for shift in 0..9 {
            let mut bytes = vec![7; shift];
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            let mut words = Words::<7>::ZERO;
            words.copy(1, &bytes, shift, values.len());
            let floats = words.floats();
            assert_eq!(floats.as_ptr().addr() % 64, 0);
            let found = floats.map(f32::to_bits);
            assert_eq!(found[1..6], values.map(f32::to_bits), "from byte {shift}");
            assert_eq!([found[0], found[6]], [0; 2]);
        }
    }

    #[test]
    fn words_turn_around() {
        let mut words = [1.5_f32, -2e30].map(f32::to_le_bytes);
        turn(&mut words);
        assert_eq!(words.map(f32::from_be_bytes), [1.5, -2e30]);
    }
}
