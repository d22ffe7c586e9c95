//! The gradient of the kernel.
//!
//! Each gradient of the pool's output belongs to one of the four cells of its window. So it is written four times,
//! masked to zero at the cells that are not its argmax, and each tap sums up products of planes and masked gradients:
//! two filters at a time, which share the loads of planes, with a vector of sums for each tap of a kernel row.

use super::super::{Conv2d, FusedPool};
use super::{CELLS, Planes};
use crate::kernels::simd::{Kernel, MAX_LANES, Simd, unrolled};

/// The part of one image in the gradient of the kernel.
pub(super) struct Gradient<'a> {
    pub conv: &'a Conv2d,
    pub pool: FusedPool,
    pub planes: Planes,
    /// The image's planes.
    pub values: &'a [f32],
    /// `[..pool, filters]`.
    pub dz: &'a [f32],
    /// As long as `dz`.
    pub argmax: &'a [u8],
    /// `[rows of windows, filters, cells, windows]`, the last two in whole vectors, filters in pairs; what
    /// is beyond windows and filters is zero.
    pub masked: &'a mut [f32],
    /// `[filters, ..patch]`, a vector of sums for each.
    pub sums: &'a mut [f32],
    /// `[..patch, filters]`.
    pub kernel_gradient: &'a mut [f32],
}

impl Gradient<'_> {
    /// Windows of a row, in whole vectors.
    #[inline(always)]
    fn lanes(&self) -> usize {
        self.pool.output[1].next_multiple_of(MAX_LANES)
    }

    /// From a row of windows to the next in the masked gradients.
    #[inline(always)]
    fn masked_row(&self) -> usize {
        self.conv.output[2].next_multiple_of(2) * CELLS * self.lanes()
    }
}

impl Kernel for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let filters = self.conv.output[2];
        let pairs = filters.div_ceil(2);
        assert!(self.values.len() == self.planes.len());
        assert!(self.masked.len() == self.pool.output[0] * self.masked_row());
        assert!(self.sums.len() >= self.conv.patch() * 2 * pairs * MAX_LANES);
        assert!(self.kernel_gradient.len() == self.conv.patch() * filters);
        assert!(self.dz.len() == self.pool.output[0] * self.pool.output[1] * filters);
        assert!(self.argmax.len() == self.dz.len());
        // SAFETY: for both: all lengths are asserted above.
        unsafe {
            mask::<S>(&mut self);
            for pair in 0..pairs {
                match self.conv.kernel[1] {
                    3 => taps::<S, 3>(&mut self, 2 * pair),
                    5 => taps::<S, 5>(&mut self, 2 * pair),
                    _ => taps::<S, 7>(&mut self, 2 * pair),
                }
            }
        }
        // SAFETY: as above.
        unsafe { add_sums::<S>(&mut self) };
    }
}

/// Adds the sums over all lanes to the kernel's gradient.
///
/// # Safety
/// The machine has the target features of `S`, and the lengths are those that [`Gradient::run`](Kernel::run) asserts.
#[inline(always)]
unsafe fn add_sums<S: Simd>(image: &mut Gradient<'_>) {
    let (taps, filters) = (image.conv.patch(), image.conv.output[2]);
    let mut square = [0.0; MAX_LANES * MAX_LANES];
    for filter in 0..filters {
        for first in (0..taps).step_by(S::LANES) {
            let count = S::LANES.min(taps - first);
            let sums = image.sums[(filter * taps + first) * S::LANES..].as_ptr();
            // SAFETY: `sums` has a vector for each of `count` taps, and a square one for each lane.
            unsafe {
                let to = square.as_mut_ptr();
                S::transpose([count, S::LANES], sums, S::LANES, to, S::LANES);
                let mut total = S::load(to);
                for lane in 1..S::LANES {
                    total = S::add(total, S::load(to.add(lane * S::LANES)));
                }
                S::store(to, total);
            }
            let gradients = image.kernel_gradient[first * filters + filter..].iter_mut();
            for (gradient, sum) in gradients.step_by(filters).zip(&square[..count]) {
                *gradient += sum;
            }
        }
    }
}

/// Writes the masked gradients.
///
/// # Safety
/// As for [`add_sums`].
#[inline(always)]
unsafe fn mask<S: Simd>(image: &mut Gradient<'_>) {
    let filters = image.conv.output[2];
    let [rows, windows] = image.pool.output;
    let (lanes, masked_row) = (image.lanes(), image.masked_row());
    let mut square = [0.0; MAX_LANES * MAX_LANES];
    // SAFETY: for the whole function: `n` windows and `count` filters are those of `dz` and `argmax`; the masked
    // gradients have a vector for each filter and cell, and a square one for each window.
    unsafe {
        for row in 0..rows {
            for window in (0..windows).step_by(S::LANES) {
                let n = S::LANES.min(windows - window);
                for first in (0..filters).step_by(S::LANES) {
                    let count = S::LANES.min(filters - first);
                    let offset = (row * windows + window) * filters + first;
                    for w in 0..n {
                        let argmax = image.argmax.as_ptr().add(offset + w * filters);
                        S::store(
                            square.as_mut_ptr().add(w * S::LANES),
                            S::load_bytes(argmax, count),
                        );
                    }
                    let to = row * masked_row + first * CELLS * lanes + window;
                    let to = image.masked.as_mut_ptr().add(to);
                    // Gradients go to where the first cell's will be, the argmax to where the last one's will be.
                    let dz = image.dz.as_ptr().add(offset);
                    S::transpose([n, count], dz, filters, to, CELLS * lanes);
                    let argmax = to.add((CELLS - 1) * lanes);
                    S::transpose([n, count], square.as_ptr(), S::LANES, argmax, CELLS * lanes);
                    for f in 0..count {
                        let to = to.add(f * CELLS * lanes);
                        let g = S::load_first(to, n);
                        let argmax = S::load_first(to.add((CELLS - 1) * lanes), n);
                        for cell in 0..CELLS {
                            let is_argmax = S::eq(argmax, S::splat(cell as f32));
                            let g = S::select(is_argmax, g, S::splat(0.0));
                            S::store(to.add(cell * lanes), g);
                        }
                    }
                }
            }
        }
    }
}

/// The sums of all taps of the two filters from `filter` on.
///
/// # Safety
/// As for [`add_sums`].
#[inline(always)]
unsafe fn taps<S: Simd, const WIDTH: usize>(image: &mut Gradient<'_>, filter: usize) {
    let (conv, planes) = (image.conv, image.planes);
    let [rows, windows] = image.pool.output;
    let (lanes, masked_row) = (image.lanes(), image.masked_row());
    // SAFETY: for the whole function: masked gradients and sums have room for pairs of filters; what their windows see
    // is in the planes, which have a whole vector from each column on.
    unsafe {
        for ky in 0..conv.kernel[0] {
            for channel in 0..planes.channels {
                let mut sums = [[S::splat(0.0); WIDTH]; 2];
                for row in 0..rows {
                    let x = (2 * row + ky) * planes.row() + channel * planes.channel();
                    let masked = row * masked_row + filter * CELLS * lanes;
                    for window in (0..windows).step_by(S::LANES) {
                        let x = image.values.as_ptr().add(x + window);
                        let masked = image.masked.as_ptr().add(masked + window);
                        for dy in 0..2 {
                            let x = x.add(dy * planes.row());
                            let g = masked.add(2 * dy * lanes);
                            let mut left = [S::splat(0.0); 2];
                            let mut right = left;
                            for (f, left) in left.iter_mut().enumerate() {
                                let g = g.add(f * CELLS * lanes);
                                *left = S::load(g);
                                right[f] = S::load(g.add(lanes));
                            }
                            unrolled!(column in 0..WIDTH + 1 => {
                                let x = S::load(x.add(planes.column(column)));
                                for (f, sums) in sums.iter_mut().enumerate() {
                                    if column < WIDTH {
                                        sums[column] = S::fma(x, left[f], sums[column]);
                                    }
                                    if column > 0 {
                                        sums[column - 1] = S::fma(x, right[f], sums[column - 1]);
                                    }
                                }
                            });
                        }
                    }
                }
                for (f, sums) in sums.iter().enumerate() {
                    for (kx, &sum) in sums.iter().enumerate() {
                        let tap = (ky * WIDTH + kx) * planes.channels + channel;
                        let offset = ((filter + f) * conv.patch() + tap) * S::LANES;
                        S::store(image.sums.as_mut_ptr().add(offset), sum);
                    }
                }
            }
        }
    }
}
