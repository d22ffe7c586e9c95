//! The transforms of one dimension: F(2, 3), F(4, 3) and F(5, 3).
//!
//! Filtering with three taps is a product of polynomials, which its values at some points determine (Toom 1963, Cook
//! 1966; Winograd 1980). The points decide how much the transforms cost and round:
//!
//! - F(2, 3) has the points 0, ±1 and ∞, whose transforms only add.
//! - F(4, 3) has 0, ±√½, ±√2 and ∞. Points of either sign share half of their work, and among those these are close to
//!   the least rounding; 0, ±1, ±2 and ∞ of Lavin & Gray 2016 round twice as much.
//! - F(5, 3) has 0, ±1, ±2, ½ and ∞. Products with powers of two are exact, which gains more than points closer
//!   together.

use crate::kernels::simd::Simd;
use core::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

/// F(`OUTPUTS`, 3): as many outputs, from `EDGE` neighbours, two more.
///
/// # Safety of all functions
/// The caller vouches for the instruction set.
pub(super) trait Filtering<const EDGE: usize, const OUTPUTS: usize> {
    /// `Bᵀ d`.
    unsafe fn input<S: Simd>(d: [S::V; EDGE]) -> [S::V; EDGE];
    /// The factors that outputs of each row and column are still to be multiplied with.
    const SCALES: [f32; OUTPUTS];

    /// `Aᵀ m`, before [`SCALES`](Self::SCALES).
    unsafe fn output<S: Simd>(m: [S::V; EDGE]) -> [S::V; OUTPUTS];
    /// `G g`.
    unsafe fn kernel<S: Simd>(g: [S::V; 3]) -> [S::V; EDGE];
}

/// F(2, 3).
pub(super) struct Two;

/// F(4, 3).
pub(super) struct Four;

/// F(5, 3).
pub(super) struct Five;

impl Filtering<4, 2> for Two {
    const SCALES: [f32; 2] = [1.0; 2];

    #[inline(always)]
    unsafe fn input<S: Simd>(d: [S::V; 4]) -> [S::V; 4] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            [
                S::sub(d[0], d[2]),
                S::add(d[1], d[2]),
                S::sub(d[2], d[1]),
                S::sub(d[1], d[3]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(m: [S::V; 4]) -> [S::V; 2] {
        // SAFETY: as above.
        unsafe {
            [
                S::add(S::add(m[0], m[1]), m[2]),
                S::sub(S::sub(m[1], m[2]), m[3]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn kernel<S: Simd>(g: [S::V; 3]) -> [S::V; 4] {
        // SAFETY: as above.
        unsafe {
            let half = S::splat(0.5);
            let outer = S::mul(half, S::add(g[0], g[2]));
            let inner = S::mul(half, g[1]);
            [g[0], S::add(outer, inner), S::sub(outer, inner), g[2]]
        }
    }
}

/// The weight of the points ±√½ of F(4, 3).
const NEAR: f32 = -2.0 / 3.0;

impl Filtering<6, 4> for Four {
    const SCALES: [f32; 4] = [
        1.0,
        NEAR * FRAC_1_SQRT_2,
        NEAR / 2.0,
        NEAR * FRAC_1_SQRT_2 / 2.0,
    ];

    #[inline(always)]
    unsafe fn input<S: Simd>(d: [S::V; 6]) -> [S::V; 6] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let minus = |factor: f32, from, what| S::fma(S::splat(-factor), what, from);
            // Even and odd parts at ±√½, where the square of the other points is 2, and at ±√2, where it is ½.
            let [even, odd] = [minus(2.0, d[4], d[2]), minus(2.0, d[3], d[1])];
            let [even_2, odd_2] = [minus(0.5, d[4], d[2]), minus(0.5, d[3], d[1])];
            let [near, far] = [FRAC_1_SQRT_2, SQRT_2];
            [
                minus(2.5, S::add(d[0], d[4]), d[2]),
                minus(-near, even, odd),
                minus(near, even, odd),
                minus(-far, even_2, odd_2),
                minus(far, even_2, odd_2),
                minus(2.5, S::add(d[1], d[5]), d[3]),
            ]
        }
    }

    /// Includes the weights of the points, -2/3 at ±√½ and 1/6 at ±√2, which `kernel` leaves out.
    #[inline(always)]
    unsafe fn output<S: Simd>(m: [S::V; 6]) -> [S::V; 4] {
        // SAFETY: as above.
        unsafe {
            let plus = |factor: f32, to, what| S::fma(S::splat(factor), what, to);
            let [even, odd] = [S::add(m[1], m[2]), S::sub(m[1], m[2])];
            let [even_2, odd_2] = [S::add(m[3], m[4]), S::sub(m[3], m[4])];
            // √2 is twice √½, and its weight -1/4 of the other.
            [
                plus(NEAR, m[0], plus(-0.25, even, even_2)),
                plus(-0.5, odd, odd_2),
                S::sub(even, even_2),
                plus(1.0 / Self::SCALES[3], plus(-2.0, odd, odd_2), m[5]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn kernel<S: Simd>(g: [S::V; 3]) -> [S::V; 6] {
        // At a point p, without the weights that `output` includes: g₀ + p g₁ + p² g₂. √½ is a factor of all points.
        // SAFETY: as above.
        unsafe {
            let [first, odd, last] = [g[0], S::mul(S::splat(FRAC_1_SQRT_2), g[1]), g[2]];
            let plus = |factor: f32, to, what| S::fma(S::splat(factor), what, to);
            let [even, even_2] = [plus(0.5, first, last), plus(2.0, first, last)];
            [
                first,
                S::add(even, odd),
                S::sub(even, odd),
                plus(2.0, even_2, odd),
                plus(-2.0, even_2, odd),
                last,
            ]
        }
    }
}

impl Filtering<7, 5> for Five {
    const SCALES: [f32; 5] = [1.0; 5];

    #[inline(always)]
    unsafe fn input<S: Simd>(d: [S::V; 7]) -> [S::V; 7] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let minus = |factor: f32, from, what| S::fma(S::splat(-factor), what, from);
            // All points but ½ share the factor x - ½: differences of neighbours.
            let mut e = [d[0]; 6];
            for (i, e) in e.iter_mut().enumerate() {
                *e = minus(0.5, d[i + 1], d[i]);
            }
            // Even and odd parts at ±1, where the square of the other points is 4, and at ±2, where it is 1.
            let [even, odd] = [minus(4.0, e[4], e[2]), minus(4.0, e[3], e[1])];
            let [even_2, odd_2] = [S::sub(e[4], e[2]), S::sub(e[3], e[1])];
            // (x² - 1) (x² - 4).
            let all = |d: [S::V; 3]| S::fma(S::splat(4.0), d[0], minus(5.0, d[2], d[1]));
            [
                all([e[0], e[2], e[4]]),
                S::add(even, odd),
                S::sub(even, odd),
                minus(-2.0, even_2, odd_2),
                minus(2.0, even_2, odd_2),
                all([d[1], d[3], d[5]]),
                all([e[1], e[3], e[5]]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(m: [S::V; 7]) -> [S::V; 5] {
        // SAFETY: as above.
        unsafe {
            let plus = |factor: f32, to, what| S::fma(S::splat(factor), what, to);
            let [even, odd] = [S::add(m[1], m[2]), S::sub(m[1], m[2])];
            let [even_2, odd_2] = [S::add(m[3], m[4]), S::sub(m[3], m[4])];
            let half = m[5];
            [
                S::add(S::add(m[0], half), S::add(even, even_2)),
                plus(0.5, plus(2.0, odd, odd_2), half),
                plus(0.25, plus(4.0, even, even_2), half),
                plus(0.125, plus(8.0, odd, odd_2), half),
                plus(0.0625, plus(16.0, S::add(even, m[6]), even_2), half),
            ]
        }
    }

    #[inline(always)]
    unsafe fn kernel<S: Simd>(g: [S::V; 3]) -> [S::V; 7] {
        // SAFETY: as above.
        unsafe {
            // At a point p: (g₀ + p g₁ + p² g₂) / the product of its differences to the other points.
            let at = |p: f32, product: f32| {
                let even = S::fma(S::splat(p * p), g[2], g[0]);
                let sum = S::fma(S::splat(p), g[1], even);
                S::mul(S::splat(1.0 / product), sum)
            };
            [
                S::mul(S::splat(-0.5), g[0]),
                at(1.0, -3.0),
                at(-1.0, 9.0),
                at(2.0, 36.0),
                at(-2.0, -60.0),
                at(0.5, 45.0 / 32.0),
                g[2],
            ]
        }
    }
}
