//! `exp`, `ln` and what is made of them, in single precision and portable arithmetic.
//!
//! The polynomials are those of the Cephes library (Moshier 1989, `expf.c`, `logf.c`, `tanhf.c`),
//! written without branches so that LLVM turns loops over them into vector code, and without
//! fused multiply-adds, so that they give the same bits on every target, with and without `std`.

/// `1.5 * 2^23`: adding and subtracting it rounds to an integer, to even on ties, for
/// `|x| < 2^22`. The integer can be read off the low bits of the sum.
const ROUND: f32 = 12_582_912.0;

/// `ln 2`, split so that the product of the high part with a small integer is exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// `q` and `k` of `e^x = 2^k (1 + q)`, where `1 + q` lies between the square roots of 1/2 and 2. `x` lies in
/// -104..=89 or is NaN.
#[inline(always)]
fn reduced_exp(x: f32) -> (f32, i32) {
    let rounded = x * core::f32::consts::LOG2_E + ROUND;
    let power = rounded - ROUND;
    let r = x - power * LN_2_HIGH - power * LN_2_LOW;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let power = (rounded.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    (p * (r * r) + r, power)
}

/// `2^e` for `e` in -126..=127.
#[inline(always)]
fn power_of_two(e: i32) -> f32 {
    f32::from_bits((e.wrapping_add(127) as u32) << 23)
}

/// `e^x`, within 2 units in the last place for normal results.
///
/// Results below the normal range are rounded to the subnormal grid, those below half of
/// it are zero; above the range they are infinite. NaN stays NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Outside these bounds the result is 0 or infinite. The comparisons keep NaN.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let (q, power) = reduced_exp(x);
    // 2^power as two factors, each of which is normal: power is in -150..=128.
    let half = power >> 1;
    (q + 1.0) * power_of_two(half) * power_of_two(power.wrapping_sub(half))
}

/// `e^x - 1` for `x <= 0`, accurate also where `e^x` rounds to 1; 0 for positive `x`. NaN stays NaN.
///
/// Within 1 unit in the last place.
#[inline(always)]
pub fn exp_m1(x: f32) -> f32 {
    // Below the lower bound the result rounds to -1.
    let (q, power) = reduced_exp(clamp(x, -18.0, 0.0));
    let scale = power_of_two(power);
    scale * q + (scale - 1.0)
}

/// The natural logarithm, within 2 units in the last place.
///
/// Zero gives -∞, a negative number NaN; ∞ and NaN stay themselves.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    // Subnormals are brought into the normal range by 2^24.
    let subnormal = x < f32::MIN_POSITIVE;
    let normal = if subnormal { x * 16_777_216.0 } else { x };
    // normal = m * 2^e with m in sqrt(1/2)..sqrt(2): the offset carries into the exponent there.
    const SQRT_HALF_BITS: u32 = core::f32::consts::FRAC_1_SQRT_2.to_bits();
    let shifted = normal.to_bits().wrapping_sub(SQRT_HALF_BITS);
    let e = (shifted as i32 >> 23) - if subnormal { 24 } else { 0 };
    let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(SQRT_HALF_BITS));
    let e = e as f32;
    let r = m - 1.0;
    let p = 7.037_683_6e-2;
    let p = p * r - 1.151_461e-1;
    let p = p * r + 1.167_699_8e-1;
    let p = p * r - 1.242_014_1e-1;
    let p = p * r + 1.424_932_3e-1;
    let p = p * r - 1.666_805_8e-1;
    let p = p * r + 2.000_071_4e-1;
    let p = p * r - 2.499_999_4e-1;
    let p = p * r + 3.333_333e-1;
    let square = r * r;
    let y = p * (r * square) + e * LN_2_LOW - 0.5 * square;
    let y = r + y + e * LN_2_HIGH;
    let y = if x < f32::INFINITY { y } else { x };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    let y = if x < 0.0 { f32::NAN } else { y };
    if x.is_nan() { x } else { y }
}

/// `ln(1 + x)` for `x >= 0`, accurate also where `1 + x` rounds to 1.
///
/// Kahan's correction: the logarithm of the rounded sum, times the ratio of the exact to the
/// rounded distance from 1 (Goldberg 1991, theorem 4).
#[inline(always)]
pub fn ln_1p(x: f32) -> f32 {
    let sum = 1.0 + x;
    // Computed in any case, so that loops have no branch.
    let corrected = ln(sum) * (x / (sum - 1.0));
    if (sum == 1.0) | (sum == f32::INFINITY) {
        x
    } else {
        corrected
    }
}

/// `1 / (1 + e^-x)`, within 4 units in the last place for normal results.
///
/// Below -88.7, where `e^-x` overflows, the result is 0.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `1 / (1 + e^-x)` and `1 / (1 + e^x)`, which is 1 minus the first; each within 3 units in the last
/// place for normal results.
#[inline(always)]
pub fn sigmoids(x: f32) -> (f32, f32) {
    let e = exp(-x.abs());
    let large = 1.0 / (1.0 + e);
    let small = e * large;
    if x < 0.0 {
        (small, large)
    } else {
        (large, small)
    }
}

/// `ln(1 + e^x)`, within 3 units in the last place for normal results.
#[inline(always)]
pub fn softplus(x: f32) -> f32 {
    let positive = if x < 0.0 { 0.0 } else { x };
    positive + ln_1p(exp(-x.abs()))
}

/// The hyperbolic tangent, within 4 units in the last place.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let magnitude = x.abs();
    let square = x * x;
    let p = -5.704_988_7e-3;
    let p = p * square + 2.063_908_8e-2;
    let p = p * square - 5.373_971_6e-2;
    let p = p * square + 1.333_144_2e-1;
    let p = p * square - 3.333_328e-1;
    let near_zero = p * square * magnitude + magnitude;
    let far = 1.0 - 2.0 / (exp(2.0 * magnitude) + 1.0);
    let result = if magnitude < 0.625 { near_zero } else { far };
    result.copysign(x)
}

/// `e^(-x^2 / 2)`, within 2 units in the last place for normal results.
#[inline(always)]
pub fn gaussian(x: f32) -> f32 {
    // Beyond, the result is 0 anyway.
    let x = clamp(x, -14.5, 14.5);
    // The rounding error of the square, which the exponential would multiply by up to 100: exact, as each
    // half of `x` has 12 bits (Dekker 1971).
    let square = x * x;
    let high = f32::from_bits(x.to_bits() & 0xffff_f000);
    let low = x - high;
    let error = ((high * high - square) + 2.0 * high * low) + low * low;
    exp(-0.5 * square) * (1.0 - 0.5 * error)
}

/// The standard normal distribution, `(1 + erf(x / sqrt(2))) / 2`, within 6 units in the last place for
/// normal results.
///
/// The tail is a Gaussian times Mills' ratio, which is a polynomial in `(a - K) / (a + K)` over `a + K`, as
/// in Shepherd & Laframboise 1981. The coefficients are those of its Chebyshev interpolation on 0..14.5,
/// rounded so that 0 gives 1/2; its relative error is 3.5e-8.
#[inline(always)]
pub fn normal_distribution(x: f32) -> f32 {
    const K: f32 = 3.75;
    let a = clamp(x.abs(), 0.0, 14.5);
    let inverse = 1.0 / (a + K);
    let t = (a - K) * inverse;
    let p = 4.500_865e-4;
    let p = p * t + 5.216_264_4e-4;
    let p = p * t - 4.167_902_8e-3;
    let p = p * t + 1.192_890_5e-3;
    let p = p * t + 3.749_048_3e-2;
    let p = p * t - 1.515_195_4e-1;
    let p = p * t + 3.529_398_7e-1;
    let p = p * t - 5.881_883_5e-1;
    let p = p * t + 7.502_941e-1;
    let tail = gaussian(a) * (p * inverse);
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// The sine and the cosine of `turns * 2 * pi`, each within 2e-7, for `turns` in -1..=1. Multiples of a quarter turn are
/// exact.
#[inline(always)]
pub fn sin_cos_of_turns(turns: f32) -> (f32, f32) {
    // In quarter turns: a whole number, and what is left on either side of it.
    let quarters = 4.0 * turns;
    let rounded = quarters + ROUND;
    let x = (quarters - (rounded - ROUND)) * core::f32::consts::FRAC_PI_2;
    let quarter = rounded.to_bits() & 3;
    let square = x * x;
    let p = -1.951_529_6e-4;
    let p = p * square + 8.332_161e-3;
    let p = p * square - 1.666_665_5e-1;
    let sin = p * square * x + x;
    let p = 2.443_315_7e-5;
    let p = p * square - 1.388_731_6e-3;
    let p = p * square + 4.166_664_6e-2;
    let cos = p * (square * square) - 0.5 * square + 1.0;
    let is_odd = quarter & 1 == 1;
    let (of_sin, of_cos) = if is_odd { (cos, sin) } else { (sin, cos) };
    let sign = |is_negative: bool| if is_negative { -1.0 } else { 1.0 };
    (
        of_sin * sign(quarter & 2 == 2),
        of_cos * sign((quarter + 1) & 2 == 2),
    )
}

/// `x` where it lies between the bounds, else the nearer one. NaN stays NaN.
#[inline(always)]
pub fn clamp(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

#[cfg(test)]
mod tests;
