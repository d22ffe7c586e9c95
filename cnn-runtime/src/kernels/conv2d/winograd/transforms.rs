//! The transforms of tiles, vector by vector over channels or filters:
//!
//! - a tile of an image, `Bᵀ d B`;
//! - a tile of products, `Aᵀ m A`, with bias, pool and relu behind it.

use super::LINE;
use super::filtering::Filtering;
use crate::kernels::conv2d::pooled::best_of_four;
use crate::kernels::simd::Simd;

/// `Bᵀ d B` of a tile of pixels, each `channels` long, to `v`: cells and lines of channels go `steps` apart, and
/// the last line is filled up to whole vectors. `row` gives the places of a row's pixels from a channel on.
#[inline(always)]
pub(super) unsafe fn read_tile<
    S: Simd,
    F: Filtering<EDGE, OUTPUTS>,
    const EDGE: usize,
    const OUTPUTS: usize,
>(
    channels: usize,
    row: impl Fn(usize, usize) -> [*const f32; EDGE] + Copy,
    v: *mut f32,
    steps: [usize; 2],
) {
    let mut channel = 0;
    let place = |channel: usize| v.wrapping_add(channel / LINE * steps[1] + channel % LINE);
    // SAFETY: the caller vouches for pixels and cells; `channel` and `count` stay inside `channels`.
    unsafe {
        while channel + S::LANES <= channels {
            read_vector::<S, F, EDGE, OUTPUTS, false>(
                |i| row(i, channel),
                S::LANES,
                place(channel),
                steps[0],
            );
            channel += S::LANES;
        }
        if channel < channels {
            read_vector::<S, F, EDGE, OUTPUTS, true>(
                |i| row(i, channel),
                channels - channel,
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
    row: impl Fn(usize) -> [*const f32; EDGE],
    count: usize,
    v: *mut f32,
    cell: usize,
) {
    // SAFETY: as in `read_tile`.
    unsafe {
        let mut columns = [[S::splat(0.0); EDGE]; EDGE];
        for i in 0..EDGE {
            let mut d = [S::splat(0.0); EDGE];
            let pixels = row(i);
            for (j, d) in d.iter_mut().enumerate() {
                *d = load::<S, PARTIAL>(pixels[j], count);
            }
            let d = F::input::<S>(d);
            for (j, column) in columns.iter_mut().enumerate() {
                column[i] = d[j];
            }
        }
        for (j, &column) in columns.iter().enumerate() {
            let v = S::address(v.wrapping_add(j * cell)).cast_mut();
            for (i, &value) in F::input::<S>(column).iter().enumerate() {
                S::store(v.wrapping_add(i * EDGE * cell), value);
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
    /// Outputs that are the bias and nothing else, see [`blanks`](super::blanks).
    pub blanks: u32,
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
        for i in 0..EDGE {
            // An address for each row, as more do not stay in registers.
            let m = S::address(m.add(i * EDGE * cell + filter));
            let mut row = [S::splat(0.0); EDGE];
            for (j, value) in row.iter_mut().enumerate() {
                *value = S::load(m.add(j * cell));
            }
            let row = F::output::<S>(row);
            for (j, column) in columns.iter_mut().enumerate() {
                column[i] = row[j];
            }
        }
        let bias = match to.bias {
            Some(bias) => load::<S, PARTIAL>(bias.add(filter), count),
            None => S::splat(0.0),
        };
        let mut outputs = [[bias; OUTPUTS]; OUTPUTS];
        let mut sum = S::splat(0.0);
        for (j, &column) in columns.iter().enumerate() {
            for (i, &value) in F::output::<S>(column).iter().enumerate() {
                outputs[i][j] = S::add(bias, value);
                sum = S::add(sum, outputs[i][j]);
            }
        }
        if const { OUTPUTS > 2 } && to.blanks != 0 {
            for (i, outputs) in outputs.iter_mut().enumerate() {
                for (j, output) in outputs.iter_mut().enumerate() {
                    if to.blanks >> (i * OUTPUTS + j) & 1 == 1 {
                        *output = bias;
                    }
                }
            }
        }
        // 0 times what is not finite is NaN, and so is all that it is added to.
        *odd = S::fma(sum, S::splat(0.0), *odd);
        let finish = |value| if to.relu { S::relu(value) } else { value };
        let place = |i: usize, j: usize| i * to.steps[0] + j * to.steps[1] + filter;
        if const { OUTPUTS.is_multiple_of(2) } && to.pool {
            for i in 0..OUTPUTS / 2 {
                for j in 0..OUTPUTS / 2 {
                    let [above, below] = [outputs[2 * i], outputs[2 * i + 1]];
                    let cells = [
                        [above[2 * j], above[2 * j + 1]],
                        [below[2 * j], below[2 * j + 1]],
                    ];
                    let (maximum, code) = best_of_four::<S>(cells, [0, 2]);
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
