//! The transforms of tiles, vector by vector of channels or filters:
//!
//! ```text
//! Pixels, a tile of an image ── Bᵀ d B ──▶ V
//! M, a tile of products      ── Aᵀ m A, + bias, max-pool, relu ──▶ Outputs
//! ```

use super::LINE;
use super::filtering::Filtering;
use crate::kernels::conv2d::pooled::max_of_four;
use crate::kernels::simd::{Simd, from_fn};
use core::ptr::null;

/// A tile of an image, which may reach beyond it.
#[derive(Clone, Copy)]
pub(super) struct Pixels<const EDGE: usize> {
    /// The first pixel of each row; for a row outside the image, the first of as many zeros.
    pub rows: [*const f32; EDGE],
    /// A bit for each column inside the image. Other columns are zeros and not read.
    pub columns: u32,
    /// From a pixel to the next.
    pub channels: usize,
}

/// Writes `Bᵀ d B` of a tile to `v`. The steps are from a row of cells, from a cell, and from a line of channels to the
/// next. The last line is filled up to whole vectors.
///
/// # Safety
/// The machine has the target features of `S`. Pixels are valid for reads, and cells for writes.
#[inline(always)]
pub(super) unsafe fn read_tile<
    S: Simd,
    F: Filtering<EDGE, OUTPUTS>,
    const EDGE: usize,
    const OUTPUTS: usize,
>(
    pixels: &Pixels<EDGE>,
    v: *mut f32,
    [row, cell, line]: [usize; 3],
) {
    let channels = pixels.channels;
    let is_inside = pixels.columns == (1 << EDGE) - 1;
    let mut channel = 0;
    let address = |channel: usize| v.wrapping_add(channel / LINE * line + channel % LINE);
    // SAFETY: pixels and cells are valid; no channel from `channels` on is touched.
    unsafe {
        while channel + S::LANES <= channels {
            let v = address(channel);
            match is_inside {
                true => read_vector::<S, F, EDGE, OUTPUTS, true, false>(
                    pixels,
                    channel,
                    S::LANES,
                    v,
                    [row, cell],
                ),
                false => read_vector::<S, F, EDGE, OUTPUTS, false, false>(
                    pixels,
                    channel,
                    S::LANES,
                    v,
                    [row, cell],
                ),
            }
            channel += S::LANES;
        }
        if channel < channels {
            read_vector::<S, F, EDGE, OUTPUTS, false, true>(
                pixels,
                channel,
                channels - channel,
                address(channel),
                [row, cell],
            );
        }
    }
}

/// The transform of a vector of channels. All columns of the tile are in the image if `INSIDE`; only `count` channels
/// exist if `PARTIAL`.
///
/// # Safety
/// As for [`read_tile`].
#[inline(always)]
unsafe fn read_vector<
    S: Simd,
    F: Filtering<EDGE, OUTPUTS>,
    const EDGE: usize,
    const OUTPUTS: usize,
    const INSIDE: bool,
    const PARTIAL: bool,
>(
    pixels: &Pixels<EDGE>,
    channel: usize,
    count: usize,
    v: *mut f32,
    steps: [usize; 2],
) {
    // SAFETY: as in `read_tile`.
    unsafe {
        let vectors = Vectors {
            rows: from_fn(|i| S::address(pixels.rows[i].wrapping_add(channel))),
            columns: match INSIDE {
                true => u32::MAX,
                false => pixels.columns,
            },
            step: pixels.channels,
            count,
        };
        if const { EDGE == 4 } {
            write_rows::<S, F, EDGE, OUTPUTS, PARTIAL, 0, 4>(vectors, v, steps);
        } else {
            // A tile has more values than there are registers. So rows of cells are computed one after the other, or
            // two if points of either sign share work, and pixels are read again for each.
            write_rows::<S, F, EDGE, OUTPUTS, PARTIAL, 0, 1>(vectors, v, steps);
            write_rows::<S, F, EDGE, OUTPUTS, PARTIAL, 1, 2>(vectors, v, steps);
            write_rows::<S, F, EDGE, OUTPUTS, PARTIAL, 3, 2>(vectors, v, steps);
            write_rows::<S, F, EDGE, OUTPUTS, PARTIAL, 5, 1>(vectors, v, steps);
            if const { EDGE == 7 } {
                write_rows::<S, F, EDGE, OUTPUTS, PARTIAL, 6, 1>(vectors, v, steps);
            }
        }
    }
}

/// A vector of channels of each pixel of a tile.
#[derive(Clone, Copy)]
struct Vectors<const EDGE: usize> {
    rows: [*const f32; EDGE],
    /// A bit for each column inside the image.
    columns: u32,
    /// From a column to the next.
    step: usize,
    /// How many channels exist, if the vector is partial.
    count: usize,
}

/// `ROWS` rows of cells from `FIRST` on. What only other rows need is not computed, because the compiler drops it.
///
/// # Safety
/// As for [`read_tile`].
#[inline(always)]
unsafe fn write_rows<
    S: Simd,
    F: Filtering<EDGE, OUTPUTS>,
    const EDGE: usize,
    const OUTPUTS: usize,
    const PARTIAL: bool,
    const FIRST: usize,
    const ROWS: usize,
>(
    pixels: Vectors<EDGE>,
    v: *mut f32,
    steps: [usize; 2],
) {
    // SAFETY: as in `read_tile`; columns outside are not touched.
    unsafe {
        let mut rows = [[S::splat(0.0); EDGE]; ROWS];
        let mut column = null::<f32>();
        for j in 0..EDGE {
            if pixels.columns >> j & 1 == 1 {
                let mut d = [S::splat(0.0); EDGE];
                for (i, d) in d.iter_mut().enumerate() {
                    let pixel = pixels.rows[i].wrapping_byte_add(column.addr());
                    *d = load::<S, PARTIAL>(pixel, pixels.count);
                }
                let d = F::input::<S>(d);
                for (i, row) in rows.iter_mut().enumerate() {
                    row[j] = d[FIRST + i];
                }
            }
            // The offset of the next column, in a register: there are not enough for each pixel's address.
            column = S::address(column.wrapping_add(pixels.step));
        }
        for (i, &row) in rows.iter().enumerate() {
            let v = S::address(v.wrapping_add((FIRST + i) * steps[0])).cast_mut();
            for (j, &value) in F::input::<S>(row).iter().enumerate() {
                S::store(v.wrapping_add(j * steps[1]), value);
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
    /// The argmax of the first output.
    pub argmax: Option<*mut u8>,
    /// From an output to the next, down and across.
    pub steps: [usize; 2],
    /// How many outputs there are down and across: more than these are not written.
    pub count: [usize; 2],
    /// A bit for each output that is to be the bias, see [`zero_patches`](super::zero_patches).
    pub zero_patches: u32,
    /// Whether an output is the maximum of 2x2.
    pub pool: bool,
    pub relu: bool,
}

/// Writes `Aᵀ m A` of the cells at `m`, `cell` floats apart. Lanes of `nan` become NaN if an output is not finite.
///
/// # Safety
/// The machine has the target features of `S`. Cells are valid for reads, and outputs for writes.
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
    nan: &mut S::V,
) {
    let mut filter = 0;
    // SAFETY: cells and outputs are valid; no filter from `filters` on is touched.
    unsafe {
        while filter + S::LANES <= to.filters {
            write_vector::<S, F, EDGE, OUTPUTS, false>(filter, S::LANES, m, cell, to, nan);
            filter += S::LANES;
        }
        if filter < to.filters {
            let count = to.filters - filter;
            write_vector::<S, F, EDGE, OUTPUTS, true>(filter, count, m, cell, to, nan);
        }
    }
}

/// The transform of a vector of filters, of which only `count` exist if `PARTIAL`.
///
/// # Safety
/// As for [`write_tile`].
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
    nan: &mut S::V,
) {
    // SAFETY: as in `write_tile`; no outputs behind `to.count` are touched.
    unsafe {
        let mut columns = [[S::splat(0.0); EDGE]; OUTPUTS];
        for i in 0..EDGE {
            // One address for each row: there are not enough registers for more.
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
        let mut sums = [S::splat(0.0); OUTPUTS];
        for (j, &column) in columns.iter().enumerate() {
            for (i, &value) in F::output::<S>(column).iter().enumerate() {
                outputs[i][j] = match F::SCALES[i] * F::SCALES[j] {
                    1.0 => S::add(bias, value),
                    scale => S::fma(S::splat(scale), value, bias),
                };
                // A sum for each row: a single one would be a long chain of dependent additions.
                sums[i] = match j {
                    0 => outputs[i][j],
                    _ => S::add(sums[i], outputs[i][j]),
                };
            }
        }
        if const { OUTPUTS > 2 } && to.zero_patches != 0 {
            for (i, outputs) in outputs.iter_mut().enumerate() {
                for (j, output) in outputs.iter_mut().enumerate() {
                    if to.zero_patches >> (i * OUTPUTS + j) & 1 == 1 {
                        *output = bias;
                    }
                }
            }
        }
        // 0 times a value that is not finite is NaN, and so is every sum with it.
        for sum in sums {
            *nan = S::fma(sum, S::splat(0.0), *nan);
        }
        let finish = |value| if to.relu { S::relu(value) } else { value };
        let offset = |i: usize, j: usize| i * to.steps[0] + j * to.steps[1] + filter;
        if const { OUTPUTS.is_multiple_of(2) } && to.pool {
            for i in 0..OUTPUTS / 2 {
                for j in 0..OUTPUTS / 2 {
                    let [above, below] = [outputs[2 * i], outputs[2 * i + 1]];
                    let cells = [
                        [above[2 * j], above[2 * j + 1]],
                        [below[2 * j], below[2 * j + 1]],
                    ];
                    let (maximum, index) = max_of_four::<S>(cells, [0, 2]);
                    if i < to.count[0] && j < to.count[1] {
                        if let Some(argmax) = to.argmax {
                            S::store_bytes(argmax.add(offset(i, j)), index, count);
                        }
                        store::<S, PARTIAL>(to.y.add(offset(i, j)), finish(maximum), count);
                    }
                }
            }
        } else {
            for (i, outputs) in outputs.iter().enumerate() {
                for (j, &value) in outputs.iter().enumerate() {
                    if i < to.count[0] && j < to.count[1] {
                        store::<S, PARTIAL>(to.y.add(offset(i, j)), finish(value), count);
                    }
                }
            }
        }
    }
}

/// A vector at `p`, of which only `count` values exist if `PARTIAL`.
///
/// # Safety
/// They are valid, and the machine has the target features of `S`.
#[inline(always)]
unsafe fn load<S: Simd, const PARTIAL: bool>(p: *const f32, count: usize) -> S::V {
    // SAFETY: the values are valid.
    unsafe {
        match PARTIAL {
            true => S::load_first(p, count),
            false => S::load(p),
        }
    }
}

/// Stores what [`load`] reads.
///
/// # Safety
/// As for [`load`].
#[inline(always)]
unsafe fn store<S: Simd, const PARTIAL: bool>(p: *mut f32, v: S::V, count: usize) {
    // SAFETY: the values are valid.
    unsafe {
        match PARTIAL {
            true => S::store_first(p, v, count),
            false => S::store(p, v),
        }
    }
}

/// Whether any lane is NaN.
///
/// # Safety
/// The machine has the target features of `S`.
#[inline(always)]
pub(super) unsafe fn any_nan<S: Simd>(v: S::V) -> bool {
    let mut lanes = [0.0_f32; LINE];
    // SAFETY: no vector is longer than a cache line.
    unsafe { S::store(lanes.as_mut_ptr(), v) };
    lanes.iter().any(|lane| lane.is_nan())
}
