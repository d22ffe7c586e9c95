//! AVX2 with FMA: eight floats, sixteen registers.

use super::{Kernel, Simd, VectorShape, opaque};
use core::arch::x86_64::*;

/// The instance for AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// Whether this machine has the features of [`call`].
pub(super) fn available() -> bool {
    #[cfg(feature = "std")]
    {
        std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma")
    }
    #[cfg(not(feature = "std"))]
    {
        cfg!(all(target_feature = "avx2", target_feature = "fma"))
    }
}

/// Runs the kernel compiled for AVX2 and FMA.
///
/// # Safety
/// [`available`].
#[target_feature(enable = "avx2,fma")]
#[inline(never)]
pub(super) unsafe fn call<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the features.
    unsafe { kernel.run::<Avx2>() }
}

const LANES: usize = VectorShape::AVX2.lanes;

/// For each mask the indices of the lanes whose bit is set.
static SET_LANES: [[u8; LANES]; 256] = {
    let mut sets = [[0; LANES]; 256];
    let mut bits = 0;
    while bits < 256 {
        let mut found = 0;
        let mut lane = 0;
        while lane < LANES {
            if bits >> lane & 1 == 1 {
                sets[bits][found] = lane as u8;
                found += 1;
            }
            lane += 1;
        }
        bits += 1;
    }
    sets
};

/// A mask of the first `count` lanes.
#[inline(always)]
unsafe fn first(count: usize) -> __m256i {
    // SAFETY: for the whole function: the caller vouches for the features.
    unsafe {
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lanes)
    }
}

// SAFETY, for every `unsafe` block below: the caller vouches for the target features, and for pointers
// that are valid for what the trait says; masked loads and stores touch no other value.
impl Simd for Avx2 {
    const SHAPE: VectorShape = VectorShape::AVX2;
    type V = __m256;
    type M = __m256;

    #[inline(always)]
    unsafe fn call<K: Kernel>(kernel: K) -> K::Output {
        unsafe { call(kernel) }
    }
    #[inline(always)]
    unsafe fn prefetch(p: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn address(p: *const f32) -> *const f32 {
        opaque(p)
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m256) {
        unsafe { _mm256_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn load_first(p: *const f32, count: usize) -> __m256 {
        unsafe { _mm256_maskload_ps(p, first(count)) }
    }
    #[inline(always)]
    unsafe fn store_first(p: *mut f32, v: __m256, count: usize) {
        unsafe { _mm256_maskstore_ps(p, first(count), v) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn eq(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b) }
    }
    #[inline(always)]
    unsafe fn ne(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_cmp_ps::<_CMP_NEQ_UQ>(a, b) }
    }
    #[inline(always)]
    unsafe fn greater(a: __m256, b: __m256) -> __m256 {
        // "Not `a <= b`" is also true if one of them is NaN; the second comparison excludes that it is `b`.
        unsafe {
            let greater_or_nan = _mm256_cmp_ps::<_CMP_NLE_UQ>(a, b);
            _mm256_and_ps(greater_or_nan, _mm256_cmp_ps::<_CMP_ORD_Q>(b, b))
        }
    }
    #[inline(always)]
    unsafe fn select(m: __m256, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_blendv_ps(b, a, m) }
    }
    #[inline(always)]
    unsafe fn relu(a: __m256) -> __m256 {
        // `maxps` returns its second operand if one of them is NaN.
        unsafe { _mm256_max_ps(_mm256_setzero_ps(), a) }
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
            let mut v = [_mm256_setzero_ps(); LANES];
            for (i, v) in v.iter_mut().enumerate().take(rows) {
                let from = from.add(i * from_row);
                *v = if columns == LANES {
                    Self::load(from)
                } else {
                    Self::load_first(from, columns)
                };
            }
            // Transposes 2x2 and then 4x4 values within halves of vectors, then 2x2 halves.
            for &i in &[0, 2, 4, 6] {
                let (a, b) = (v[i], v[i + 1]);
                v[i] = _mm256_unpacklo_ps(a, b);
                v[i + 1] = _mm256_unpackhi_ps(a, b);
            }
            let mut w = v;
            for &i in &[0, 4] {
                w[i] = _mm256_shuffle_ps::<0b01_00_01_00>(v[i], v[i + 2]);
                w[i + 1] = _mm256_shuffle_ps::<0b11_10_11_10>(v[i], v[i + 2]);
                w[i + 2] = _mm256_shuffle_ps::<0b01_00_01_00>(v[i + 1], v[i + 3]);
                w[i + 3] = _mm256_shuffle_ps::<0b11_10_11_10>(v[i + 1], v[i + 3]);
            }
            for i in 0..4 {
                v[i] = _mm256_permute2f128_ps::<0x20>(w[i], w[i + 4]);
                v[i + 4] = _mm256_permute2f128_ps::<0x31>(w[i], w[i + 4]);
            }
            for (j, &v) in v.iter().enumerate().take(columns) {
                let to = to.add(j * to_row);
                if rows == LANES {
                    Self::store(to, v);
                } else {
                    Self::store_first(to, v, rows);
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn deinterleave(a: __m256, b: __m256) -> [__m256; 2] {
        unsafe {
            let even = _mm256_shuffle_ps::<0b10_00_10_00>(a, b);
            let odd = _mm256_shuffle_ps::<0b11_01_11_01>(a, b);
            // Now halves of `a` and `b` alternate.
            let even = _mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_castps_pd(even));
            let odd = _mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_castps_pd(odd));
            [_mm256_castpd_ps(even), _mm256_castpd_ps(odd)]
        }
    }
    #[inline(always)]
    unsafe fn permute(first: *const f32, last: *const f32, indices: __m256) -> __m256 {
        unsafe {
            let both = _mm256_loadu2_m128(last.sub(3), first);
            _mm256_permutevar8x32_ps(both, _mm256_cvtps_epi32(indices))
        }
    }
    #[inline(always)]
    unsafe fn load_bytes(p: *const u8, count: usize) -> __m256 {
        unsafe {
            let mut bytes = [0_u8; LANES];
            if count == LANES {
                bytes = p.cast::<[u8; LANES]>().read_unaligned();
            } else {
                core::ptr::copy_nonoverlapping(p, bytes.as_mut_ptr(), count);
            }
            let bytes = _mm_loadl_epi64(bytes.as_ptr().cast());
            _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes))
        }
    }
    #[inline(always)]
    unsafe fn store_bytes(p: *mut u8, v: __m256, count: usize) {
        unsafe {
            let words = _mm256_cvtps_epi32(v);
            let halves = _mm_packs_epi32(
                _mm256_castsi256_si128(words),
                _mm256_extracti128_si256::<1>(words),
            );
            let packed = _mm_packus_epi16(halves, halves);
            if count == LANES {
                _mm_storel_epi64(p.cast(), packed);
            } else {
                let mut bytes = [0_u8; LANES];
                _mm_storel_epi64(bytes.as_mut_ptr().cast(), packed);
                core::ptr::copy_nonoverlapping(bytes.as_ptr(), p, count);
            }
        }
    }
    #[inline(always)]
    unsafe fn compress(p: *mut f32, m: __m256, v: __m256, count: usize) -> usize {
        unsafe {
            let bits = _mm256_movemask_ps(m) & ((1 << count) - 1);
            let lanes = _mm_loadl_epi64(SET_LANES[bits as usize].as_ptr().cast());
            let lanes = _mm256_cvtepu8_epi32(lanes);
            _mm256_storeu_ps(p, _mm256_permutevar8x32_ps(v, lanes));
            bits.count_ones() as usize
        }
    }
}
