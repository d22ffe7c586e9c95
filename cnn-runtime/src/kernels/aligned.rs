//! Floats as they lie in a file, for constants: the compiler copies bytes in no time, but turns floats over one by one.

/// `N` floats at the start of a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Aligned<const N: usize>([f32; N]);

impl<const N: usize> Aligned<N> {
    /// Zeros.
    pub const ZERO: Self = Self([0.0; N]);

    /// Takes `count` floats, little endian, from the byte `from` on, and puts them at the float `to`.
    ///
    /// # Panics
    /// If they go beyond either end.
    pub const fn copy(&mut self, to: usize, bytes: &[u8], from: usize, count: usize) {
        let bytes = bytes.split_at(from).1.split_at(size_of::<f32>() * count).0;
        let place = self.0.split_at_mut(to).1.split_at_mut(count).0;
        // SAFETY: the bytes are those of `place`, which is borrowed for as long. A byte lies anywhere, and any bytes are
        // floats.
        let written =
            unsafe { core::slice::from_raw_parts_mut(place.as_mut_ptr().cast(), bytes.len()) };
        written.copy_from_slice(bytes);
        if cfg!(target_endian = "big") {
            turn(place);
        }
    }

    /// The floats, where they are.
    pub const fn floats(&self) -> &[f32; N] {
        &self.0
    }
}

/// Turns the bytes of each float around.
const fn turn(floats: &mut [f32]) {
    let mut index = 0;
    while index < floats.len() {
        floats[index] = f32::from_bits(floats[index].to_bits().swap_bytes());
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [f32; 5] = [1.5, -0.0, f32::INFINITY, 3e-41, f32::from_bits(0x7f80_1234)];

    #[test]
    fn floats_are_those_of_the_bytes() {
        // At every place that a file may leave them.
        for shift in 0..9 {
            let mut bytes = vec![7; shift];
            bytes.extend(VALUES.iter().flat_map(|value| value.to_le_bytes()));
            let mut aligned = Aligned::<7>::ZERO;
            aligned.copy(1, &bytes, shift, VALUES.len());
            let floats = aligned.floats();
            assert_eq!(floats.as_ptr().addr() % 64, 0);
            let found = floats.map(f32::to_bits);
            assert_eq!(found[1..6], VALUES.map(f32::to_bits), "from byte {shift}");
            assert_eq!([found[0], found[6]], [0; 2]);
        }
    }

    #[test]
    fn floats_turn_around() {
        let mut floats =
            VALUES.map(|value| f32::from_bits(u32::from_be_bytes(value.to_le_bytes())));
        turn(&mut floats);
        assert_eq!(floats.map(f32::to_bits), VALUES.map(f32::to_bits));
    }
}
