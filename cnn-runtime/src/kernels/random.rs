//! Random bits as a function of a number: without state or order, the same on every target.

/// 2^64 over the golden ratio, odd: the step of SplitMix64.
pub(crate) const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64 (Steele, Lea & Flood 2014; constants of Stafford's variant 13): what its generator
/// returns in state `z`. Any change of `z` changes each bit of the result with a probability of one half.
#[inline(always)]
pub(crate) fn split_mix(z: u64) -> u64 {
    let z = z.wrapping_add(GOLDEN_GAMMA);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the published generator, seeded with 1234567.
    #[test]
    fn it_is_the_published_generator() {
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        let state = |step: u64| step.wrapping_mul(GOLDEN_GAMMA).wrapping_add(1_234_567);
        let found = [0, 1, 2, 3, 4].map(|step| split_mix(state(step)));
        assert_eq!(found, expected);
    }
}
