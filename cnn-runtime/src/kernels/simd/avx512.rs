//! AVX-512 (F, BW, DQ, VL): sixteen floats, thirty-two registers, masks.

use super::{Kernel, Simd, VectorShape, from_fn, opaque};
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

const LANES: usize = VectorShape::AVX512.lanes;

/// A mask of the first `count` lanes.
#[inline(always)]
fn first(count: usize) -> __mmask16 {
    ((1_u32 << count) - 1) as __mmask16
}

// SAFETY, for every `unsafe` block below: the caller vouches for the target features, and for pointers
// that are valid for what the trait says; masked loads and stores touch no other value.
impl Simd for Avx512 {
    const SHAPE: VectorShape = VectorShape::AVX512;
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
    unsafe fn address(p: *const f32) -> *const f32 {
        opaque(p)
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
    unsafe fn greater(a: __m512, b: __m512) -> __mmask16 {
        // "Not `a <= b`" is also true if one of them is NaN; the first comparison excludes that it is `b`.
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
            if columns <= LANES / 2 {
                transpose_few_columns([rows, columns], from, from_row, to, to_row);
            } else if rows <= LANES / 2 {
                transpose_few_rows([rows, columns], from, from_row, to, to_row);
            } else {
                transpose([rows, columns], from, from_row, to, to_row);
            }
        }
    }
    #[inline(always)]
    unsafe fn deinterleave(a: __m512, b: __m512) -> [__m512; 2] {
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            [
                _mm512_permutex2var_ps(a, even, b),
                _mm512_permutex2var_ps(a, odd, b),
            ]
        }
    }
    #[inline(always)]
    unsafe fn permute(first: *const f32, last: *const f32, indices: __m512) -> __m512 {
        unsafe {
            let first = _mm512_castps256_ps512(_mm256_loadu_ps(first));
            let both = _mm512_insertf32x8::<1>(first, _mm256_loadu_ps(last.sub(7)));
            _mm512_permutexvar_ps(_mm512_cvtps_epi32(indices), both)
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

/// The index of a row that exists: `row`, or the last one. An access with an empty mask touches nothing, but takes
/// hundreds of cycles if its address has no page.
#[inline(always)]
fn existing(row: usize, rows: usize) -> usize {
    row.min(rows.wrapping_sub(1))
}

/// [`Simd::transpose`]. This function and the next two are not inlined, because many kernels use them, and they are
/// not one function, because the one that is called is then shorter.
///
/// # Safety
/// [`available`], and that of the trait.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2,popcnt")]
#[inline(never)]
unsafe fn transpose(
    [rows, columns]: [usize; 2],
    from: *const f32,
    from_row: usize,
    to: *mut f32,
    to_row: usize,
) {
    // SAFETY: the caller vouches for the pointers; an empty mask touches nothing.
    unsafe {
        let mut v = [_mm512_setzero_ps(); LANES];
        for (i, v) in v.iter_mut().enumerate() {
            let mask = if i < rows { first(columns) } else { 0 };
            *v = _mm512_maskz_loadu_ps(mask, from.wrapping_add(existing(i, rows) * from_row));
        }
        let mut w = v;
        // Transposes 2x2 and then 4x4 values within quarters of vectors, then 4x4 quarters.
        for &i in &[0, 2, 4, 6, 8, 10, 12, 14] {
            w[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
            w[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
        }
        for &i in &[0, 4, 8, 12] {
            v[i] = _mm512_shuffle_ps::<0b01_00_01_00>(w[i], w[i + 2]);
            v[i + 1] = _mm512_shuffle_ps::<0b11_10_11_10>(w[i], w[i + 2]);
            v[i + 2] = _mm512_shuffle_ps::<0b01_00_01_00>(w[i + 1], w[i + 3]);
            v[i + 3] = _mm512_shuffle_ps::<0b11_10_11_10>(w[i + 1], w[i + 3]);
        }
        for &i in &[0, 1, 2, 3, 8, 9, 10, 11] {
            w[i] = _mm512_shuffle_f32x4::<0b10_00_10_00>(v[i], v[i + 4]);
            w[i + 4] = _mm512_shuffle_f32x4::<0b11_01_11_01>(v[i], v[i + 4]);
        }
        for &i in &[0, 1, 2, 3, 4, 5, 6, 7] {
            v[i] = _mm512_shuffle_f32x4::<0b10_00_10_00>(w[i], w[i + 8]);
            v[i + 8] = _mm512_shuffle_f32x4::<0b11_01_11_01>(w[i], w[i + 8]);
        }
        for (j, &v) in v.iter().enumerate() {
            let mask = if j < columns { first(rows) } else { 0 };
            _mm512_mask_storeu_ps(to.wrapping_add(existing(j, columns) * to_row), mask, v);
        }
    }
}

/// [`Simd::transpose`] for up to `LANES / 2` columns: two rows share a vector.
///
/// # Safety
/// [`available`], and that of the trait.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2,popcnt")]
#[inline(never)]
unsafe fn transpose_few_columns(
    [rows, columns]: [usize; 2],
    from: *const f32,
    from_row: usize,
    to: *mut f32,
    to_row: usize,
) {
    // SAFETY: as above.
    unsafe {
        let row = |i: usize| {
            let mask = if i < rows {
                first(columns) as __mmask8
            } else {
                0
            };
            _mm256_maskz_loadu_ps(mask, from.wrapping_add(existing(i, rows) * from_row))
        };
        let v = from_fn(|i| {
            _mm512_insertf32x8::<1>(_mm512_castps256_ps512(row(i)), row(i + LANES / 2))
        });
        let v = transpose_quarters(v);
        // Quarters of v[k]: rows 0 to 3 of column k, then of column 4 + k, then rows 8 to 11 of both; of v[4 + k]
        // the rows behind those.
        let lower = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
        let upper = _mm512_setr_epi32(4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
        for &j in &[0, 1, 2, 3, 4, 5, 6, 7] {
            let mask = if j < columns { first(rows) } else { 0 };
            let lanes = if j < 4 { lower } else { upper };
            let column = _mm512_permutex2var_ps(v[j % 4], lanes, v[4 + j % 4]);
            _mm512_mask_storeu_ps(to.wrapping_add(existing(j, columns) * to_row), mask, column);
        }
    }
}

/// [`Simd::transpose`] for up to `LANES / 2` rows: two columns share a vector.
///
/// # Safety
/// [`available`], and that of the trait.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2,popcnt")]
#[inline(never)]
unsafe fn transpose_few_rows(
    [rows, columns]: [usize; 2],
    from: *const f32,
    from_row: usize,
    to: *mut f32,
    to_row: usize,
) {
    // SAFETY: as above.
    unsafe {
        let v = from_fn(|i| {
            let mask = if i < rows { first(columns) } else { 0 };
            _mm512_maskz_loadu_ps(mask, from.wrapping_add(existing(i, rows) * from_row))
        });
        let v = transpose_quarters(v);
        // Quarters of v[k]: rows 0 to 3 of columns k, 4 + k, 8 + k, 12 + k; of v[4 + k] rows 4 to 7.
        let lower = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
        let upper = _mm512_setr_epi32(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
        for &j in &[0, 1, 2, 3, 8, 9, 10, 11] {
            let lanes = if j < 8 { lower } else { upper };
            let two = _mm512_permutex2var_ps(v[j % 4], lanes, v[4 + j % 4]);
            // The lower half is column j, the upper one column j + 4.
            let mask = |j| if j < columns { first(rows) } else { 0 };
            let address = |j: usize| to.wrapping_add(existing(j, columns) * to_row);
            _mm512_mask_storeu_ps(address(j), mask(j), two);
            let upper = address(j + 4).wrapping_sub(LANES / 2);
            _mm512_mask_storeu_ps(upper, mask(j + 4) << (LANES / 2), two);
        }
    }
}

/// Transposes rows 0 to 3 and 4 to 7 within each quarter.
#[inline(always)]
unsafe fn transpose_quarters(v: [__m512; 8]) -> [__m512; 8] {
    // SAFETY: the caller has the features.
    unsafe {
        let (mut v, mut w) = (v, v);
        for &i in &[0, 2, 4, 6] {
            w[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
            w[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
        }
        for &i in &[0, 4] {
            v[i] = _mm512_shuffle_ps::<0b01_00_01_00>(w[i], w[i + 2]);
            v[i + 1] = _mm512_shuffle_ps::<0b11_10_11_10>(w[i], w[i + 2]);
            v[i + 2] = _mm512_shuffle_ps::<0b01_00_01_00>(w[i + 1], w[i + 3]);
            v[i + 3] = _mm512_shuffle_ps::<0b11_10_11_10>(w[i + 1], w[i + 3]);
        }
        v
    }
}
