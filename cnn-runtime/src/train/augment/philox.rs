//! Random words as a function of where they are used: Philox4x32-10 (Salmon et al. 2011).
//!
//! The generator has no state: four words are a function of a counter and a key. So the words of an example do not
//! depend on the examples before it, and with them neither on threads nor on where a training was resumed.

/// The multipliers of a round, and what is added to the key behind each.
const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const ROUNDS: usize = 10;

/// The counters whose words are computed side by side.
pub(super) const LANES: usize = 16;

/// The words at a counter.
#[inline(always)]
fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut a, mut b, mut c, mut d], [mut k, mut l]) = (counter, key);
    for _ in 0..ROUNDS {
        let p = u64::from(a) * u64::from(MULTIPLIERS[0]);
        let q = u64::from(c) * u64::from(MULTIPLIERS[1]);
        (a, b) = ((q >> 32) as u32 ^ b ^ k, q as u32);
        (c, d) = ((p >> 32) as u32 ^ d ^ l, p as u32);
        (k, l) = (k.wrapping_add(WEYL[0]), l.wrapping_add(WEYL[1]));
    }
    [a, b, c, d]
}

/// The words at counters that differ in their first word, which counts up: `[words, lanes]`, in loops that LLVM
/// vectorises.
#[inline(always)]
fn philox_lanes(counter: [u32; 4], key: [u32; 2]) -> [[u32; LANES]; 4] {
    let [first, b, c, d] = counter;
    let [mut k, mut l] = key;
    let (mut a, mut b, mut c, mut d) = ([first; LANES], [b; LANES], [c; LANES], [d; LANES]);
    for (lane, word) in a.iter_mut().enumerate() {
        *word = first.wrapping_add(lane as u32);
    }
    for _ in 0..ROUNDS {
        for lane in 0..LANES {
            let p = u64::from(a[lane]) * u64::from(MULTIPLIERS[0]);
            let q = u64::from(c[lane]) * u64::from(MULTIPLIERS[1]);
            a[lane] = (q >> 32) as u32 ^ b[lane] ^ k;
            b[lane] = q as u32;
            c[lane] = (p >> 32) as u32 ^ d[lane] ^ l;
            d[lane] = p as u32;
        }
        (k, l) = (k.wrapping_add(WEYL[0]), l.wrapping_add(WEYL[1]));
    }
    [a, b, c, d]
}

/// What the words of a stream are for. The numbers are part of the counter, so each purpose has words of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Shift = 0,
    Rotate = 1,
    Zoom = 2,
    Flip = 3,
    Brightness = 4,
    Contrast = 5,
    Noise = 6,
    Cutout = 7,
    Mixup = 8,
    Elastic = 9,
}

/// The random words of one example in one epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    key: [u32; 2],
    example: u64,
    epoch: u32,
}

impl Stream {
    /// The words of example `example` of the dataset in the epoch `epoch`, both counted from 0.
    pub(super) fn new(seed: u64, epoch: u64, example: u64) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            example,
            epoch: epoch as u32,
        }
    }

    /// Four words: number `block` of those for a purpose.
    pub(super) fn block(self, purpose: Purpose, block: u32) -> [u32; 4] {
        philox(self.counter(purpose, block), self.key)
    }

    /// The words of `block` and those behind it: `[words, lanes]`.
    #[inline(always)]
    pub(super) fn blocks(self, purpose: Purpose, block: u32) -> [[u32; LANES]; 4] {
        philox_lanes(self.counter(purpose, block), self.key)
    }

    #[inline(always)]
    fn counter(self, purpose: Purpose, block: u32) -> [u32; 4] {
        let high = (self.example >> 32) as u32;
        let purpose = (purpose as u32) | (high << 8);
        [block, purpose, self.example as u32, self.epoch]
    }
}

/// A number from 0 to less than 1: the upper 24 bits.
#[inline(always)]
pub(super) fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// A number from `-most` to less than `most`.
#[inline(always)]
pub(super) fn symmetric(word: u32, most: f32) -> f32 {
    (2.0 * unit(word) - 1.0) * most
}

/// A whole number from 0 to less than `count`, which is at least 1 (Lemire 2019, without its rejections: with
/// `count` numbers, the frequency of each is off by `count / 2^32` at most).
pub(super) fn below(word: u32, count: usize) -> usize {
    ((u128::from(word) * count as u128) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kat_vectors` of Random123.
    #[test]
    fn it_is_the_published_generator() {
        let ones = u32::MAX;
        let cases = [
            (
                [0; 4],
                [0; 2],
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
            ),
            (
                [ones; 4],
                [ones; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox(counter, key), expected);
        }
    }

    #[test]
    fn lanes_are_the_words_of_one_block_after_the_other() {
        let stream = Stream::new(0x0123_4567_89ab_cdef, 7, 1 << 33 | 5);
        for first in [0, 3, u32::MAX - 4] {
            let lanes = stream.blocks(Purpose::Noise, first);
            for lane in 0..LANES {
                let expected = stream.block(Purpose::Noise, first.wrapping_add(lane as u32));
                assert_eq!(lanes.map(|words| words[lane]), expected);
            }
        }
    }

    #[test]
    fn whatever_differs_gives_other_words() {
        let stream = |seed, epoch, example| Stream::new(seed, epoch, example);
        let mut all = vec![
            stream(0, 0, 0).block(Purpose::Shift, 0),
            stream(0, 0, 0).block(Purpose::Shift, 1),
            stream(0, 0, 0).block(Purpose::Rotate, 0),
            stream(1, 0, 0).block(Purpose::Shift, 0),
            stream(1 << 32, 0, 0).block(Purpose::Shift, 0),
            stream(0, 1, 0).block(Purpose::Shift, 0),
            stream(0, 0, 1).block(Purpose::Shift, 0),
            stream(0, 0, 1 << 32).block(Purpose::Shift, 0),
        ];
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 8);
    }

    #[test]
    fn numbers_are_in_their_ranges() {
        assert_eq!(unit(0), 0.0);
        assert!(unit(u32::MAX) < 1.0);
        assert_eq!(symmetric(0, 3.0), -3.0);
        assert!(symmetric(u32::MAX, 3.0) < 3.0);
        assert_eq!(symmetric(1 << 31, 3.0), 0.0);
        assert_eq!([0, u32::MAX].map(|word| below(word, 5)), [0, 4]);
        assert_eq!([0, u32::MAX].map(|word| below(word, 1)), [0, 0]);
    }
}
