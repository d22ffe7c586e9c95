//! Arrays of eight floats, which LLVM turns into the vectors of the target.

use super::{Kernel, Simd, VectorShape, from_fn};

/// The instance for every machine. It multiplies and adds in two roundings, because a fused operation
/// without hardware for it is a slow call.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

const LANES: usize = VectorShape::PORTABLE.lanes;

impl Simd for Portable {
    const SHAPE: VectorShape = VectorShape::PORTABLE;
    type V = [f32; LANES];
    type M = [bool; LANES];

    #[inline(never)]
    unsafe fn call<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the portable instance needs no target feature.
        unsafe { kernel.run::<Self>() }
    }
    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}
    #[inline(always)]
    unsafe fn address(p: *const f32) -> *const f32 {
        p
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self::V {
        // SAFETY: `p` is valid for `LANES` values, and arrays of floats need the alignment of a float.
        unsafe { p.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: Self::V) {
        // SAFETY: as in `load`.
        unsafe { p.cast::<Self::V>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_first(p: *const f32, count: usize) -> Self::V {
        // SAFETY: only the first `count` values are read.
        from_fn(|lane| {
            if lane < count {
                unsafe { *p.add(lane) }
            } else {
                0.0
            }
        })
    }
    #[inline(always)]
    unsafe fn store_first(p: *mut f32, v: Self::V, count: usize) {
        for (lane, &v) in v.iter().enumerate().take(count) {
            // SAFETY: `p` is valid for `count` values.
            unsafe { *p.add(lane) = v };
        }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        from_fn(|lane| a[lane] * b[lane] + c[lane])
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        from_fn(|lane| a[lane] + b[lane])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        from_fn(|lane| a[lane] - b[lane])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        from_fn(|lane| a[lane] * b[lane])
    }
    #[inline(always)]
    unsafe fn eq(a: Self::V, b: Self::V) -> Self::M {
        from_fn(|lane| a[lane] == b[lane])
    }
    #[inline(always)]
    unsafe fn ne(a: Self::V, b: Self::V) -> Self::M {
        from_fn(|lane| a[lane] != b[lane])
    }
    #[inline(always)]
    unsafe fn greater(a: Self::V, b: Self::V) -> Self::M {
        from_fn(|lane| !b[lane].is_nan() & ((a[lane] > b[lane]) | a[lane].is_nan()))
    }
    #[inline(always)]
    unsafe fn select(m: Self::M, a: Self::V, b: Self::V) -> Self::V {
        from_fn(|lane| if m[lane] { a[lane] } else { b[lane] })
    }
    #[inline(always)]
    unsafe fn relu(a: Self::V) -> Self::V {
        // Written so that NaN stays.
        from_fn(|lane| if a[lane] <= 0.0 { 0.0 } else { a[lane] })
    }
    #[inline(always)]
    unsafe fn transpose(
        [rows, columns]: [usize; 2],
        from: *const f32,
        from_row: usize,
        to: *mut f32,
        to_row: usize,
    ) {
        for column in 0..columns {
            for row in 0..rows {
                // SAFETY: the matrices hold `rows` times `columns` values.
                unsafe { *to.add(column * to_row + row) = *from.add(row * from_row + column) };
            }
        }
    }
    #[inline(always)]
    unsafe fn deinterleave(a: Self::V, b: Self::V) -> [Self::V; 2] {
        let both = |lane: usize| match lane.checked_sub(LANES) {
            None => a[lane],
            Some(lane) => b[lane],
        };
        from_fn(|odd| from_fn(|lane| both(2 * lane + odd)))
    }
    #[inline(always)]
    unsafe fn load_bytes(p: *const u8, count: usize) -> Self::V {
        // SAFETY: only the first `count` bytes are read.
        from_fn(|lane| {
            if lane < count {
                f32::from(unsafe { *p.add(lane) })
            } else {
                0.0
            }
        })
    }
    #[inline(always)]
    unsafe fn store_bytes(p: *mut u8, v: Self::V, count: usize) {
        for (lane, &v) in v.iter().enumerate().take(count) {
            // SAFETY: `p` is valid for `count` bytes.
            unsafe { *p.add(lane) = v as u8 };
        }
    }
    #[inline(always)]
    unsafe fn compress(p: *mut f32, m: Self::M, v: Self::V, count: usize) -> usize {
        let mut written = 0;
        for lane in 0..count {
            // SAFETY: `written <= lane < LANES`. A value whose bit is not set is overwritten by the next one.
            unsafe { *p.add(written) = v[lane] };
            written += usize::from(m[lane]);
        }
        written
    }
}
