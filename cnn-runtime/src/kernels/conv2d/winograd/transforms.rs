//! The transforms of F(2x2, 3x3), vector by vector over channels or filters:
//!
//! - a tile of an image, `Bᵀ d B`;
//! - a tile of products, `Aᵀ m A`, with pool and relu behind it;
//! - the kernels, `G g Gᵀ`.
//!
//! The matrices are those of Lavin & Gray 2016, section 4.1. Each of the 16 values of a transformed tile or
//! kernel has a plane of its own.

use super::{CELLS, LINE, plane};
use crate::kernels::simd::{Kernel, Simd};

/// `Bᵀ d B` of the 4x4 pixels of a tile, each `channels` long, to `v`, a plane apart.
#[inline(always)]
pub(super) unsafe fn transform_tile<S: Simd>(
    channels: usize,
    pixel: impl Fn(usize, usize) -> *const f32 + Copy,
    v: *mut f32,
    plane: usize,
) {
    let mut channel = 0;
    // SAFETY: the caller vouches for pixels and planes; `channel` and `count` stay inside `channels`.
    unsafe {
        while channel + S::LANES <= channels {
            transform_pixels::<S, false>(channel, S::LANES, pixel, v, plane);
            channel += S::LANES;
        }
        if channel < channels {
            transform_pixels::<S, true>(channel, channels - channel, pixel, v, plane);
        }
    }
}

#[inline(always)]
unsafe fn transform_pixels<S: Simd, const PARTIAL: bool>(
    channel: usize,
    count: usize,
    pixel: impl Fn(usize, usize) -> *const f32,
    v: *mut f32,
    plane: usize,
) {
    // SAFETY: as in `transform_tile`.
    unsafe {
        let mut rows = [[S::splat(0.0); 4]; 4];
        for (i, row) in rows.iter_mut().enumerate() {
            let mut d = [S::splat(0.0); 4];
            for (j, d) in d.iter_mut().enumerate() {
                *d = load::<S, PARTIAL>(pixel(i, j).add(channel), count);
            }
            *row = input_transform::<S>(d);
        }
        #[expect(clippy::needless_range_loop, reason = "columns")]
        for j in 0..4 {
            let column = input_transform::<S>([rows[0][j], rows[1][j], rows[2][j], rows[3][j]]);
            for (i, value) in column.into_iter().enumerate() {
                store::<S, PARTIAL>(v.add((i * 4 + j) * plane + channel), value, count);
            }
        }
    }
}

/// Writes the larger of the four outputs of a tile for each filter, and which it was. `odd` becomes NaN
/// where one is not finite.
#[inline(always)]
pub(super) unsafe fn write_maximum<S: Simd>(
    filters: usize,
    m: *const f32,
    plane: usize,
    y: *mut f32,
    codes: Option<*mut u8>,
    relu: bool,
    odd: &mut S::V,
) {
    let mut filter = 0;
    // SAFETY: the caller vouches for planes and results; `filter` and `count` stay inside `filters`.
    unsafe {
        while filter + S::LANES <= filters {
            write_maxima::<S, false>(filter, S::LANES, m, plane, y, codes, relu, odd);
            filter += S::LANES;
        }
        if filter < filters {
            write_maxima::<S, true>(filter, filters - filter, m, plane, y, codes, relu, odd);
        }
    }
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a loop's body")]
unsafe fn write_maxima<S: Simd, const PARTIAL: bool>(
    filter: usize,
    count: usize,
    m: *const f32,
    plane: usize,
    y: *mut f32,
    codes: Option<*mut u8>,
    relu: bool,
    odd: &mut S::V,
) {
    // SAFETY: as in `write_maximum`.
    unsafe {
        let [top, bottom] = outputs::<S, PARTIAL>(count, m.add(filter), plane, odd);
        let mut maximum = top[0];
        let mut code = S::splat(0.0);
        for (cell, value) in [(1.0, top[1]), (2.0, bottom[0]), (3.0, bottom[1])] {
            let beats = S::beats(value, maximum);
            maximum = S::select(beats, value, maximum);
            code = S::select(beats, S::splat(cell), code);
        }
        if let Some(codes) = codes {
            S::store_bytes(codes.add(filter), code, count);
        }
        if relu {
            maximum = S::relu(maximum);
        }
        store::<S, PARTIAL>(y.add(filter), maximum, count);
    }
}

/// Writes those of the four outputs of a tile that are `inside` the result: the lower row, the right column.
/// `odd` becomes NaN where one is not finite.
#[inline(always)]
pub(super) unsafe fn write_tile<S: Simd>(
    [width, filters]: [usize; 2],
    m: *const f32,
    plane: usize,
    y: *mut f32,
    inside: [bool; 2],
    relu: bool,
    odd: &mut S::V,
) {
    let mut filter = 0;
    let size = [width, filters];
    // SAFETY: as in `write_maximum`.
    unsafe {
        while filter + S::LANES <= filters {
            write_pixels::<S, false>(filter, S::LANES, size, m, plane, y, inside, relu, odd);
            filter += S::LANES;
        }
        if filter < filters {
            write_pixels::<S, true>(
                filter,
                filters - filter,
                size,
                m,
                plane,
                y,
                inside,
                relu,
                odd,
            );
        }
    }
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a loop's body")]
unsafe fn write_pixels<S: Simd, const PARTIAL: bool>(
    filter: usize,
    count: usize,
    [width, filters]: [usize; 2],
    m: *const f32,
    plane: usize,
    y: *mut f32,
    inside: [bool; 2],
    relu: bool,
    odd: &mut S::V,
) {
    // SAFETY: as in `write_maximum`; pixels outside the result are not touched.
    unsafe {
        let rows = outputs::<S, PARTIAL>(count, m.add(filter), plane, odd);
        for (i, row) in rows
            .into_iter()
            .enumerate()
            .take(1 + usize::from(inside[0]))
        {
            for (j, value) in row.into_iter().enumerate().take(1 + usize::from(inside[1])) {
                let value = if relu { S::relu(value) } else { value };
                let place = (i * width + j) * filters + filter;
                store::<S, PARTIAL>(y.add(place), value, count);
            }
        }
    }
}

/// `Aᵀ m A` of a vector of filters: two rows of two outputs.
#[inline(always)]
unsafe fn outputs<S: Simd, const PARTIAL: bool>(
    count: usize,
    m: *const f32,
    plane: usize,
    odd: &mut S::V,
) -> [[S::V; 2]; 2] {
    // SAFETY: the caller vouches for the planes.
    unsafe {
        let [mut tops, mut bottoms] = [[S::splat(0.0); 4]; 2];
        for (j, (top, bottom)) in tops.iter_mut().zip(&mut bottoms).enumerate() {
            let mut column = [S::splat(0.0); 4];
            for (i, value) in column.iter_mut().enumerate() {
                *value = load::<S, PARTIAL>(m.add((i * 4 + j) * plane), count);
            }
            [*top, *bottom] = output_transform::<S>(column);
        }
        let [top, bottom] = [output_transform::<S>(tops), output_transform::<S>(bottoms)];
        // 0 times what is not finite is NaN, and so is all that it is added to.
        let sum = S::add(S::add(top[0], top[1]), S::add(bottom[0], bottom[1]));
        *odd = S::fma(sum, S::splat(0.0), *odd);
        [top, bottom]
    }
}

/// `Bᵀ d`.
#[inline(always)]
unsafe fn input_transform<S: Simd>(d: [S::V; 4]) -> [S::V; 4] {
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

/// `Aᵀ m`.
#[inline(always)]
unsafe fn output_transform<S: Simd>(m: [S::V; 4]) -> [S::V; 2] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        [
            S::add(S::add(m[0], m[1]), m[2]),
            S::sub(S::sub(m[1], m[2]), m[3]),
        ]
    }
}

/// `G g`.
#[inline(always)]
unsafe fn kernel_transform<S: Simd>(g: [S::V; 3]) -> [S::V; 4] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let half = S::splat(0.5);
        let outer = S::mul(half, S::add(g[0], g[2]));
        let inner = S::mul(half, g[1]);
        [g[0], S::add(outer, inner), S::sub(outer, inner), g[2]]
    }
}

/// `G g Gᵀ` of each 3x3 kernel.
pub(super) struct TransformKernel<'a> {
    /// Channels times filters.
    pub values: usize,
    /// The kernels, `[9, values]`.
    pub taps: Taps<'a>,
    /// U: 16 planes of `values`.
    pub transformed: &'a mut [f32],
}

/// Where the taps lie.
pub(super) enum Taps<'a> {
    /// One behind the other.
    Apart(&'a [f32]),
    /// In the first nine planes of U.
    InPlace,
}

impl Kernel for TransformKernel<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let plane = plane(self.values);
        assert!(self.transformed.len() >= CELLS * plane);
        let u = self.transformed.as_mut_ptr();
        let (taps, step) = match self.taps {
            Taps::Apart(kernel) => {
                assert_eq!(kernel.len(), 9 * self.values);
                (kernel.as_ptr(), self.values)
            }
            Taps::InPlace => (u.cast_const(), plane),
        };
        let mut value = 0;
        // SAFETY: the assertions compare the lengths. Where the taps lie in U, a vector is read from all
        // of its planes before it is written to all, and no other vector shares its places.
        unsafe {
            while value + S::LANES <= self.values {
                let (taps, u) = (taps.add(value), u.add(value));
                transform_kernels::<S, false>(S::LANES, taps, step, u, plane);
                value += S::LANES;
            }
            if value < self.values {
                let count = self.values - value;
                transform_kernels::<S, true>(count, taps.add(value), step, u.add(value), plane);
            }
        }
    }
}

#[inline(always)]
unsafe fn transform_kernels<S: Simd, const PARTIAL: bool>(
    count: usize,
    taps: *const f32,
    step: usize,
    u: *mut f32,
    plane: usize,
) {
    // SAFETY: the caller vouches for taps and planes.
    unsafe {
        let mut rows = [[S::splat(0.0); 3]; 4];
        for j in 0..3 {
            let mut g = [S::splat(0.0); 3];
            for (i, g) in g.iter_mut().enumerate() {
                *g = load::<S, PARTIAL>(taps.add((i * 3 + j) * step), count);
            }
            for (row, value) in rows.iter_mut().zip(kernel_transform::<S>(g)) {
                row[j] = value;
            }
        }
        for (i, row) in rows.into_iter().enumerate() {
            for (j, value) in kernel_transform::<S>(row).into_iter().enumerate() {
                store::<S, PARTIAL>(u.add((i * 4 + j) * plane), value, count);
            }
        }
    }
}

/// A vector at `p`, of which only `count` values exist if `PARTIAL`.
#[inline(always)]
unsafe fn load<S: Simd, const PARTIAL: bool>(p: *const f32, count: usize) -> S::V {
    // SAFETY: the caller vouches for the values.
    unsafe {
        match PARTIAL {
            true => S::load_first(p, count),
            false => S::load(p),
        }
    }
}

/// Writes what [`load`] reads.
#[inline(always)]
unsafe fn store<S: Simd, const PARTIAL: bool>(p: *mut f32, v: S::V, count: usize) {
    // SAFETY: the caller vouches for the values.
    unsafe {
        match PARTIAL {
            true => S::store_first(p, v, count),
            false => S::store(p, v),
        }
    }
}

/// Whether any lane is NaN.
#[inline(always)]
pub(super) unsafe fn any_nan<S: Simd>(v: S::V) -> bool {
    let mut lanes = [0.0_f32; LINE];
    // SAFETY: no vector is longer than a cache line.
    unsafe { S::store(lanes.as_mut_ptr(), v) };
    lanes.iter().any(|lane| lane.is_nan())
}
