//! AVX-512 (F, BW, DQ, VL): sixteen floats, thirty-two registers, masks.

use super::{Kernel, Simd};
use core::arch::x86_64::*;

/// The instance for AVX-512.
#[derive(Clone, Copy)]
pub(crate) struct Avx512;

/// Whether this machine has the features of [`call`].
pub(super) fn available() -> bool {
    #[cfg(feature = "std")]
    {
        std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512dq")
            && std::is_x86_feature_detected!("avx512vl")
            && std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("fma")
            && std::is_x86_feature_detected!("bmi2")
            && std::is_x86_feature_detected!("popcnt")
    }
    #[cfg(not(feature = "std"))]
    {
        cfg!(all(
            target_feature = "avx512f",
            target_feature = "avx512bw",
            target_feature = "avx512dq",
            target_feature = "avx512vl",
            target_feature = "avx2",
            target_feature = "fma",
            target_feature = "bmi2",
            target_feature = "popcnt",
        ))
    }
}

/// Runs the kernel compiled for AVX-512.
///
/// # Safety
/// [`available`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2,popcnt")]
#[inline(never)]
pub(super) unsafe fn call<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the features.
    unsafe { kernel.run::<Avx512>() }
}

const LANES: usize = 16;

/// A mask of the first `count` lanes.
#[inline(always)]
fn first(count: usize) -> __mmask16 {
    ((1_u32 << count) - 1) as __mmask16
}

// SAFETY, for every `unsafe` block below: the caller vouches for the target features, and for pointers
// that are valid for what the trait says; masked loads and stores touch no other value.
impl Simd for Avx512 {
    const LANES: usize = LANES;
    const TILE_VECTORS: usize = 4;
    const ACCUMULATORS: usize = 24;
    type V = __m512;
    type M = __mmask16;

    #[inline(always)]
    unsafe fn call<K: Kernel>(kernel: K) -> K::Output {
        unsafe { call(kernel) }
    }
    #[inline(always)]
    unsafe fn prefetch(p: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn load_first(p: *const f32, count: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(first(count), p) }
    }
    #[inline(always)]
    unsafe fn store_first(p: *mut f32, v: __m512, count: usize) {
        unsafe { _mm512_mask_storeu_ps(p, first(count), v) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn eq(a: __m512, b: __m512) -> __mmask16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b) }
    }
    #[inline(always)]
    unsafe fn ne(a: __m512, b: __m512) -> __mmask16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(a, b) }
    }
    #[inline(always)]
    unsafe fn beats(a: __m512, b: __m512) -> __mmask16 {
        // Not `a <= b` is also true where one is NaN; `b` ordered with itself leaves out NaNs in `b`.
        unsafe {
            let ordered = _mm512_cmp_ps_mask::<_CMP_ORD_Q>(b, b);
            _mm512_mask_cmp_ps_mask::<_CMP_NLE_UQ>(ordered, a, b)
        }
    }
    #[inline(always)]
    unsafe fn select(m: __mmask16, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mask_blend_ps(m, b, a) }
    }
    #[inline(always)]
    unsafe fn relu(a: __m512) -> __m512 {
        // `maxps` returns its second operand if one of them is NaN.
        unsafe { _mm512_max_ps(_mm512_setzero_ps(), a) }
    }
    #[inline(always)]
    unsafe fn transpose(
        [rows, columns]: [usize; 2],
        from: *const f32,
        from_row: usize,
        to: *mut f32,
        to_row: usize,
    ) {
        unsafe {
            let mut v = [_mm512_setzero_ps(); LANES];
            for (i, v) in v.iter_mut().enumerate() {
                // An empty mask touches nothing.
                let mask = if i < rows { first(columns) } else { 0 };
                *v = _mm512_maskz_loadu_ps(mask, from.wrapping_add(i * from_row));
            }
            let mut w = v;
            // Pairs, then fours, within quarters; then the quarters themselves.
            for i in [0, 2, 4, 6, 8, 10, 12, 14] {
                w[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
                w[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
            }
            for i in [0, 4, 8, 12] {
                v[i] = _mm512_shuffle_ps::<0b01_00_01_00>(w[i], w[i + 2]);
                v[i + 1] = _mm512_shuffle_ps::<0b11_10_11_10>(w[i], w[i + 2]);
                v[i + 2] = _mm512_shuffle_ps::<0b01_00_01_00>(w[i + 1], w[i + 3]);
                v[i + 3] = _mm512_shuffle_ps::<0b11_10_11_10>(w[i + 1], w[i + 3]);
            }
            for i in [0, 1, 2, 3, 8, 9, 10, 11] {
                w[i] = _mm512_shuffle_f32x4::<0b10_00_10_00>(v[i], v[i + 4]);
                w[i + 4] = _mm512_shuffle_f32x4::<0b11_01_11_01>(v[i], v[i + 4]);
            }
            for i in [0, 1, 2, 3, 4, 5, 6, 7] {
                v[i] = _mm512_shuffle_f32x4::<0b10_00_10_00>(w[i], w[i + 8]);
                v[i + 8] = _mm512_shuffle_f32x4::<0b11_01_11_01>(w[i], w[i + 8]);
            }
            for (j, v) in v.into_iter().enumerate() {
                let mask = if j < columns { first(rows) } else { 0 };
                _mm512_mask_storeu_ps(to.wrapping_add(j * to_row), mask, v);
            }
        }
    }
    #[inline(always)]
    unsafe fn load_bytes(p: *const u8, count: usize) -> __m512 {
        unsafe {
            let bytes = _mm_maskz_loadu_epi8(first(count), p.cast());
            _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))
        }
    }
    #[inline(always)]
    unsafe fn store_bytes(p: *mut u8, v: __m512, count: usize) {
        unsafe {
            let bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v));
            _mm_mask_storeu_epi8(p.cast(), first(count), bytes);
        }
    }
    #[inline(always)]
    unsafe fn compress(p: *mut f32, m: __mmask16, v: __m512, count: usize) -> usize {
        unsafe {
            let m = m & first(count);
            _mm512_storeu_ps(p, _mm512_maskz_compress_ps(m, v));
            m.count_ones() as usize
        }
    }
}
