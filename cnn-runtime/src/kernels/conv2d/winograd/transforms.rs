//! The transforms of tiles, vector by vector over channels or filters:
//!
//! - a tile of an image, `Bᵀ d B`;
//! - a tile of products, `Aᵀ m A`, with bias, pool and relu behind it.

use super::LINE;
use super::filtering::Filtering;
use crate::kernels::simd::Simd;

/// `Bᵀ d B` of the pixels of a tile, each `channels` long, to `v`: cells and lines of channels go `steps` apart,
/// and the last line is filled up to whole vectors.
#[inline(always)]
pub(super) unsafe fn read_tile<
    S: Simd,
    F: Filtering<EDGE, OUTPUTS>,
    const EDGE: usize,
    const OUTPUTS: usize,
>(
    channels: usize,
    pixel: impl Fn(usize, usize) -> *const f32 + Copy,
    v: *mut f32,
    steps: [usize; 2],
) {
    let mut channel = 0;
    let place = |channel: usize| v.wrapping_add(channel / LINE * steps[1] + channel % LINE);
    // SAFETY: the caller vouches for pixels and cells; `channel` and `count` stay inside `channels`.
    unsafe {
        while channel + S::LANES <= channels {
            read_vector::<S, F, EDGE, OUTPUTS, false>(
                channel,
                S::LANES,
                pixel,
                place(channel),
                steps[0],
            );
            channel += S::LANES;
        }
        if channel < channels {
            let count = channels - channel;
            read_vector::<S, F, EDGE, OUTPUTS, true>(
                channel,
                count,
                pixel,
                place(channel),
                steps[0],
            );
        }
    }
}

#[inline(always)]
unsafe fn read_vector<
    S: Simd,
    F: Filtering<EDGE, OUTPUTS>,
    const EDGE: usize,
    const OUTPUTS: usize,
    const PARTIAL: bool,
>(
    channel: usize,
    count: usize,
    pixel: impl Fn(usize, usize) -> *const f32,
    v: *mut f32,
    cell: usize,
) {
    // SAFETY: as in `read_tile`.
    unsafe {
        let mut rows = [[S::splat(0.0); EDGE]; EDGE];
        for j in 0..EDGE {
            let mut d = [S::splat(0.0); EDGE];
            for (i, d) in d.iter_mut().enumerate() {
                *d = load::<S, PARTIAL>(pixel(i, j).add(channel), count);
            }
            let column = F::input::<S>(d);
            for (i, row) in rows.iter_mut().enumerate() {
                row[j] = column[i];
            }
        }
        for (i, &row) in rows.iter().enumerate() {
            for (j, &value) in F::input::<S>(row).iter().enumerate() {
                S::store(v.add((i * EDGE + j) * cell), value);
            }
        }
    }
}

/// Where the outputs of a tile go, and what is done to them.
#[derive(Clone, Copy)]
pub(super) struct Outputs {
    /// How many filters there are.
    pub filters: usize,
    /// `[filters]`.
    pub bias: Option<*const f32>,
    /// The first output.
    pub y: *mut f32,
    /// The code of the first output.
    pub codes: Option<*mut u8>,
    /// From an output to the next, down and across.
    pub steps: [usize; 2],
    /// How many outputs there are down and across.
    pub inside: [usize; 2],
    /// Whether an output is the maximum of 2x2.
    pub pool: bool,
    pub relu: bool,
}

/// Writes `Aᵀ m A` of the cells at `m`, `cell` apart. `odd` becomes NaN where an output is not finite.
#[inline(always)]
pub(super) unsafe fn write_tile<
    S: Simd,
    F: Filtering<EDGE, OUTPUTS>,
    const EDGE: usize,
    const OUTPUTS: usize,
>(
    m: *const f32,
    cell: usize,
    to: &Outputs,
    odd: &mut S::V,
) {
    let mut filter = 0;
    // SAFETY: the caller vouches for cells and outputs; `filter` and `count` stay inside `filters`.
    unsafe {
        while filter + S::LANES <= to.filters {
            write_vector::<S, F, EDGE, OUTPUTS, false>(filter, S::LANES, m, cell, to, odd);
            filter += S::LANES;
        }
        if filter < to.filters {
            let count = to.filters - filter;
            write_vector::<S, F, EDGE, OUTPUTS, true>(filter, count, m, cell, to, odd);
        }
    }
}

#[inline(always)]
unsafe fn write_vector<
    S: Simd,
    F: Filtering<EDGE, OUTPUTS>,
    const EDGE: usize,
    const OUTPUTS: usize,
    const PARTIAL: bool,
>(
    filter: usize,
    count: usize,
    m: *const f32,
    cell: usize,
    to: &Outputs,
    odd: &mut S::V,
) {
    // SAFETY: as in `write_tile`; outputs that are not inside are not touched.
    unsafe {
        let mut columns = [[S::splat(0.0); EDGE]; OUTPUTS];
        for j in 0..EDGE {
            let mut column = [S::splat(0.0); EDGE];
            for (i, value) in column.iter_mut().enumerate() {
                *value = S::load(m.add((i * EDGE + j) * cell + filter));
            }
            let column = F::output::<S>(column);
            for (i, columns) in columns.iter_mut().enumerate() {
                columns[j] = column[i];
            }
        }
        let bias = match to.bias {
            Some(bias) => load::<S, PARTIAL>(bias.add(filter), count),
            None => S::splat(0.0),
        };
        let mut outputs = [[bias; OUTPUTS]; OUTPUTS];
        let mut sum = S::splat(0.0);
        for (i, outputs) in outputs.iter_mut().enumerate() {
            let row = F::output::<S>(columns[i]);
            for (j, output) in outputs.iter_mut().enumerate() {
                *output = S::add(*output, row[j]);
                sum = S::add(sum, *output);
            }
        }
        // 0 times what is not finite is NaN, and so is all that it is added to.
        *odd = S::fma(sum, S::splat(0.0), *odd);
        let finish = |value| if to.relu { S::relu(value) } else { value };
        let place = |i: usize, j: usize| i * to.steps[0] + j * to.steps[1] + filter;
        if to.pool {
            for i in 0..OUTPUTS / 2 {
                for j in 0..OUTPUTS / 2 {
                    let mut maximum = outputs[2 * i][2 * j];
                    let mut code = S::splat(0.0);
                    for place in 1..4 {
                        let value = outputs[2 * i + place / 2][2 * j + place % 2];
                        let beats = S::beats(value, maximum);
                        maximum = S::select(beats, value, maximum);
                        code = S::select(beats, S::splat(place as f32), code);
                    }
                    if i < to.inside[0] && j < to.inside[1] {
                        if let Some(codes) = to.codes {
                            S::store_bytes(codes.add(place(i, j)), code, count);
                        }
                        store::<S, PARTIAL>(to.y.add(place(i, j)), finish(maximum), count);
                    }
                }
            }
        } else {
            for (i, outputs) in outputs.iter().enumerate() {
                for (j, &value) in outputs.iter().enumerate() {
                    if i < to.inside[0] && j < to.inside[1] {
                        store::<S, PARTIAL>(to.y.add(place(i, j)), finish(value), count);
                    }
                }
            }
        }
    }
}

/// A vector at `p`, of which only `count` values exist if `PARTIAL`.
#[inline(always)]
pub(super) unsafe fn load<S: Simd, const PARTIAL: bool>(p: *const f32, count: usize) -> S::V {
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
pub(super) unsafe fn store<S: Simd, const PARTIAL: bool>(p: *mut f32, v: S::V, count: usize) {
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
