//! The forward pass, with the pool in registers.

use super::super::pooled::max_of_four;
use super::super::{Conv2d, FusedPool};
use super::{CELLS, Planes, Square};
use crate::kernels::matmul;
use crate::kernels::simd::{Kernel, MAX_LANES, Simd, accumulate};
use cnn_ir::Activation;

/// The forward pass of one image.
pub(super) struct Windows<'a> {
    pub conv: &'a Conv2d,
    pub pool: FusedPool,
    pub planes: Planes,
    /// The image's planes.
    pub values: &'a [f32],
    /// `[..kernel, channels, filters]`.
    pub kernel: &'a [f32],
    /// `[filters]` or empty.
    pub bias: &'a [f32],
    /// `[..pool, filters]`, overwritten.
    pub y: &'a mut [f32],
    /// As long as `y`, or empty: then none is written.
    pub argmax: &'a mut [u8],
}

impl Kernel for Windows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        if const { matmul::replaces::<S>() } {
            unreachable!("a product that is matrixmultiply's");
        }
        let filters = self.conv.output[2];
        let windows = self.pool.output[1];
        assert!(self.values.len() == self.planes.len());
        assert!(self.kernel.len() == self.conv.patch() * filters);
        assert!(self.bias.is_empty() || self.bias.len() == filters);
        assert!(self.y.len() == self.pool.output[0] * windows * filters);
        assert!(self.argmax.is_empty() || self.argmax.len() == self.y.len());
        let most = const { filters_at_once::<S>() };
        // Maxima and their argmax, `[filters, windows]`, a vector of windows for each filter.
        let mut results: [Square; 2] = [[0.0; MAX_LANES * MAX_LANES]; 2];
        for row in 0..self.pool.output[0] {
            for window in (0..windows).step_by(S::LANES) {
                for first in (0..filters).step_by(S::LANES) {
                    let count = S::LANES.min(filters - first);
                    let tiles = count.div_ceil(most);
                    for tile in 0..tiles {
                        let [from, to] = [tile * count / tiles, (tile + 1) * count / tiles];
                        let origin = [row, window, first + from];
                        let [values, argmax] = &mut results;
                        let skipped = from * S::LANES;
                        let results = [
                            values[skipped..].as_mut_ptr(),
                            argmax[skipped..].as_mut_ptr(),
                        ];
                        // SAFETY: the filters exist; what their windows see is in the planes, which have a whole
                        // vector from each column on; and the results have a vector for each filter.
                        unsafe {
                            match to - from {
                                6 if const { filters_at_once::<S>() >= 6 } => {
                                    self::tile::<S, 6>(&self, origin, results)
                                }
                                5 if const { filters_at_once::<S>() >= 5 } => {
                                    self::tile::<S, 5>(&self, origin, results)
                                }
                                4 if const { filters_at_once::<S>() >= 4 } => {
                                    self::tile::<S, 4>(&self, origin, results)
                                }
                                3 if const { filters_at_once::<S>() >= 3 } => {
                                    self::tile::<S, 3>(&self, origin, results)
                                }
                                2 => self::tile::<S, 2>(&self, origin, results),
                                _ => self::tile::<S, 1>(&self, origin, results),
                            }
                        }
                    }
                    // SAFETY: windows and filters are those of `y` and `argmax`, and a square has a vector for each
                    // of up to `LANES` of both.
                    unsafe { write::<S>(&mut self, [row, window, first], count, &mut results) };
                }
            }
        }
    }
}

/// Filters whose four cells have accumulators. Asked in `const` blocks, so that larger tiles are not compiled.
const fn filters_at_once<S: Simd>() -> usize {
    if S::ACCUMULATORS >= 6 * CELLS { 6 } else { 2 }
}

/// Maxima, before the activation, and argmax of up to `LANES` windows from `[row, window]` on, for `FILTERS` filters
/// from `filter` on.
///
/// # Safety
/// The machine has the target features of `S`, windows and filters exist, and the results have a vector for each
/// filter.
#[inline(always)]
unsafe fn tile<S: Simd, const FILTERS: usize>(
    image: &Windows<'_>,
    [row, window, filter]: [usize; 3],
    [values, argmax]: [*mut f32; 2],
) {
    let (conv, planes) = (image.conv, image.planes);
    let [_, _, filters] = conv.output;
    // SAFETY: for the whole function: windows, filters and results are as the caller says.
    unsafe {
        let mut sums = [[S::splat(0.0); CELLS]; FILTERS];
        if !image.bias.is_empty() {
            for (f, sums) in sums.iter_mut().enumerate() {
                *sums = [S::splat(*image.bias.as_ptr().add(filter + f)); CELLS];
            }
        }
        let mut kernel = image.kernel.as_ptr().add(filter);
        let x = image.values.as_ptr().add(2 * row * planes.row() + window);
        for ky in 0..conv.kernel[0] {
            let upper = x.add(ky * planes.row());
            let lower = upper.add(planes.row());
            let [mut left, mut right] = [planes.column(0), planes.column(1)];
            for _ in 0..conv.kernel[1] {
                for channel in 0..planes.channels {
                    let channel = channel * planes.channel();
                    let cells = [
                        S::load(upper.add(channel + left)),
                        S::load(upper.add(channel + right)),
                        S::load(lower.add(channel + left)),
                        S::load(lower.add(channel + right)),
                    ];
                    for (f, sums) in sums.iter_mut().enumerate() {
                        let weight = S::splat(*kernel.add(f));
                        accumulate::<S, _>(sums, weight, &cells);
                    }
                    kernel = kernel.wrapping_add(filters);
                }
                // The left cell of the next tap is the right cell of this one.
                [left, right] = [right, left + 1];
            }
        }
        for (f, sums) in sums.iter().enumerate() {
            let cells = [[sums[0], sums[1]], [sums[2], sums[3]]];
            let (maximum, argmax_of) = max_of_four::<S>(cells, [0, 2]);
            S::store(values.add(f * S::LANES), maximum);
            S::store(argmax.add(f * S::LANES), argmax_of);
        }
    }
}

/// Applies a relu to the results of the tiles and writes them: `count` filters of up to `LANES` windows.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn write<S: Simd>(
    image: &mut Windows<'_>,
    [row, window, filter]: [usize; 3],
    count: usize,
    results: &mut [Square; 2],
) {
    let filters = image.conv.output[2];
    let windows = S::LANES.min(image.pool.output[1] - window);
    let offset = (row * image.pool.output[1] + window) * filters + filter;
    let shape = [count, windows];
    // SAFETY: for the whole function: the caller vouches for windows and filters.
    unsafe {
        let [values, argmax] = results;
        let [values, argmax] = [values.as_mut_ptr(), argmax.as_mut_ptr()];
        if image.conv.activation == Activation::Relu {
            for f in 0..count {
                let value = values.add(f * S::LANES);
                S::store(value, S::relu(S::load(value)));
            }
        }
        let y = image.y.as_mut_ptr().add(offset);
        S::transpose(shape, values, S::LANES, y, filters);
        if !image.argmax.is_empty() {
            // The maxima are written, so their square is free for the transposed argmax.
            S::transpose(shape, argmax, S::LANES, values, S::LANES);
            for w in 0..windows {
                let argmax = S::load(values.add(w * S::LANES));
                S::store_bytes(
                    image.argmax.as_mut_ptr().add(offset + w * filters),
                    argmax,
                    count,
                );
            }
        }
    }
}
