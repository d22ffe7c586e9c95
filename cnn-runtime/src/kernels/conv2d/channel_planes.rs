//! Convolution of thin images with few filters, and the gradient of its kernel, behind a fused 2x2 pool.
//!
//! A handful of filters leaves a vector mostly empty. So here vectors run along a row of windows: of an
//! image whose columns are taken apart into even and odd ones, what one tap sees in neighbouring windows
//! lies side by side.
//!
//! ```text
//! image ── even and odd columns of each row and channel, zeros around ──▶ planes
//! forward:   planes ── the four cells of all windows of a row, filter by filter ── largest ── transposed ──▶ y
//! gradient:  dz, argmax ── transposed, masked by cell ──▶ dW[tap] += Σ planes * masked, summed over lanes at the end
//! ```

use super::pooled::best_of_four;
use super::{BackwardKernel, Conv2d, Forward, FusedPool};
use crate::kernels::matmul;
use crate::kernels::simd::{Kernel, Simd, accumulate, unrolled};
use cnn_ir::Activation;

/// Lanes of the widest vector.
const WIDEST: usize = 16;
/// Cells of a window.
const CELLS: usize = 4;

/// Whether vectors of `lanes` are better filled along windows than along filters, in a geometry that this
/// file can do.
pub(crate) const fn is_best(conv: &Conv2d, lanes: usize) -> bool {
    let Some(pool) = conv.pool else { return false };
    let (windows, filters) = (pool.output[1], conv.output[2]);
    fits(conv, &pool) && windows.div_ceil(lanes) * filters < windows * filters.div_ceil(lanes)
}

/// The same for the gradient of the kernel, which takes a step for each cell of a window here. Along filters it takes a
/// permutation and a step, see [`super::windowed`]. Measured for 6 filters of 5x5, whose vectors are nearly full of
/// windows: that takes as long as 5.8 steps with 16 lanes, and more than 8 with 8.
pub(crate) const fn is_best_backward(conv: &Conv2d, lanes: usize) -> bool {
    let Some(pool) = conv.pool else { return false };
    let (windows, filters) = (pool.output[1], conv.output[2]);
    let steps = if lanes == 16 { 6 } else { 8 };
    fits(conv, &pool)
        && lanes * windows.div_ceil(lanes) * filters < steps * windows * filters.div_ceil(lanes)
}

const fn fits(conv: &Conv2d, pool: &FusedPool) -> bool {
    matches!(
        (pool.size, pool.strides, pool.padding),
        ([2, 2], [2, 2], [0, 0])
    ) && matches!((conv.strides, conv.dilation), ([1, 1], [1, 1]))
        && 2 * pool.output[0] <= conv.output[0]
        && 2 * pool.output[1] <= conv.output[1]
        && matches!(conv.kernel[1], 3 | 5 | 7)
        && conv.input[2] <= 3
}

/// Floats of scratch memory that [`forward`] takes.
pub(super) const fn forward_scratch(conv: &Conv2d) -> usize {
    match conv.pool {
        Some(pool) if fits(conv, &pool) => Planes::new(conv, &pool).len(),
        _ => 0,
    }
}

/// Floats of scratch memory that [`kernel_gradient`] takes.
pub(super) const fn kernel_gradient_scratch(conv: &Conv2d) -> usize {
    match conv.pool {
        Some(pool) if fits(conv, &pool) => {
            let planes = Planes::new(conv, &pool);
            planes.len()
                + masked(conv, &pool)
                + conv.patch() * conv.output[2].next_multiple_of(2) * WIDEST
        }
        _ => 0,
    }
}

/// Floats of the masked gradients: for each row of windows and filter, those of each cell.
const fn masked(conv: &Conv2d, pool: &FusedPool) -> usize {
    let lanes = pool.output[1].next_multiple_of(WIDEST);
    pool.output[0] * conv.output[2].next_multiple_of(2) * CELLS * lanes
}

/// `y = activation(pool(x * kernel + bias))` where [`is_best`].
pub(super) fn forward(conv: &Conv2d, operands: Forward<'_>) {
    let Forward {
        isa,
        n,
        x,
        kernel,
        bias,
        y,
        argmax,
        scratch,
        ..
    } = operands;
    let pool = conv.pool.expect("a fused pool behind planes");
    let planes = Planes::new(conv, &pool);
    let (values, _) = scratch.split_at_mut(planes.len());
    values.fill(0.0);
    for i in 0..n {
        isa.run(Fill {
            conv,
            planes,
            image: &x[i * conv.input_len()..][..conv.input_len()],
            values,
        });
        let place = i * conv.output_len()..(i + 1) * conv.output_len();
        isa.run(Windows {
            conv,
            pool,
            planes,
            values,
            kernel,
            bias,
            y: &mut y[place.clone()],
            argmax: argmax.get_mut(place).unwrap_or_default(),
        });
    }
    super::activate(conv, isa, y);
}

/// Adds to the gradient, laid out as the kernel.
pub(super) fn kernel_gradient(conv: &Conv2d, operands: BackwardKernel<'_>) {
    let BackwardKernel {
        isa,
        x,
        dz,
        argmax,
        kernel_gradient,
        scratch,
    } = operands;
    let pool = conv.pool.expect("a fused pool behind planes");
    let planes = Planes::new(conv, &pool);
    let (values, scratch) = scratch.split_at_mut(planes.len());
    let (masked, sums) = scratch.split_at_mut(masked(conv, &pool));
    values.fill(0.0);
    if conv.output[2] % 2 == 1 {
        // The last filter's neighbour stays zero.
        masked.fill(0.0);
    }
    let images = x
        .chunks_exact(conv.input_len())
        .zip(dz.chunks_exact(conv.output_len()))
        .zip(argmax.chunks_exact(conv.output_len()));
    for ((x, dz), argmax) in images {
        isa.run(Fill {
            conv,
            planes,
            image: x,
            values,
        });
        isa.run(Gradient {
            conv,
            pool,
            planes,
            values,
            dz,
            argmax,
            masked,
            sums,
            kernel_gradient,
        });
    }
}

/// An image, padded, whose even and odd columns lie apart: `[rows, channels, 2, width]`.
#[derive(Clone, Copy)]
struct Planes {
    rows: usize,
    channels: usize,
    /// Columns of each kind, and room for a whole vector from each that a window sees first.
    width: usize,
    /// Columns of both kinds that windows see.
    seen: usize,
}

impl Planes {
    const fn new(conv: &Conv2d, pool: &FusedPool) -> Self {
        let [height, width] = conv.kernel;
        Self {
            rows: 2 * pool.output[0] + height - 1,
            channels: conv.input[2],
            width: pool.output[1].next_multiple_of(WIDEST) + width / 2 + 1,
            seen: 2 * pool.output[1] + width - 1,
        }
    }

    const fn len(&self) -> usize {
        self.rows * self.row()
    }

    /// From a row to the next.
    #[inline(always)]
    const fn row(&self) -> usize {
        self.channels * self.channel()
    }

    /// From a channel of a row to the next.
    #[inline(always)]
    const fn channel(&self) -> usize {
        2 * self.width
    }

    /// From the value that a tap `column` away from a window's first cell sees in the first window, to
    /// the start of the row.
    #[inline(always)]
    const fn column(&self, column: usize) -> usize {
        column % 2 * self.width + column / 2
    }
}

/// Writes the pixels of an image to their places. The others stay as they are: zeros.
struct Fill<'a> {
    conv: &'a Conv2d,
    planes: Planes,
    image: &'a [f32],
    values: &'a mut [f32],
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { conv, planes, .. } = self;
        let [height, width, channels] = conv.input;
        let [top, left] = conv.padding;
        assert!(self.image.len() == height * width * channels);
        assert!(self.values.len() == planes.len());
        // What is read later may end before the padding does: then nothing of the image is seen.
        let Some(seen) = planes.seen.checked_sub(left) else {
            return;
        };
        let seen = width.min(seen);
        for row in 0..height.min(planes.rows.saturating_sub(top)) {
            let from = &self.image[row * width * channels..][..width * channels];
            for channel in 0..channels {
                let to = (top + row) * planes.row() + channel * planes.channel();
                let to = &mut self.values[to..][..planes.channel()];
                if channels == 1 {
                    // SAFETY: the caller vouches for the features.
                    unsafe { take_apart::<S>(&from[..seen], left, to) };
                    continue;
                }
                let pixels = from[channel..].iter().step_by(channels).take(seen);
                for (column, pixel) in (left..).zip(pixels) {
                    to[planes.column(column)] = *pixel;
                }
            }
        }
    }
}

/// Writes neighbouring pixels, the first of them in column `left`, to the planes of even and odd columns.
#[inline(always)]
unsafe fn take_apart<S: Simd>(pixels: &[f32], left: usize, planes: &mut [f32]) {
    let (even, odd) = planes.split_at_mut(planes.len() / 2);
    // An odd padding makes the first pixel an odd column.
    let [first, second] = match left % 2 {
        0 => [&mut even[left / 2..], &mut odd[left / 2..]],
        _ => [&mut odd[left / 2..], &mut even[left / 2 + 1..]],
    };
    let counts = [pixels.len().div_ceil(2), pixels.len() / 2];
    let mut planes = [&mut first[..counts[0]], &mut second[..counts[1]]];
    for first in (0..pixels.len()).step_by(2 * S::LANES) {
        let pixels = &pixels[first..];
        let half = pixels.len().saturating_sub(S::LANES);
        // SAFETY: as many pixels and columns are touched as there are from `first` on.
        unsafe {
            let start = pixels.as_ptr();
            let a = S::load_first(start, pixels.len().min(S::LANES));
            let b = S::load_first(start.wrapping_add(S::LANES), half.min(S::LANES));
            let pair = S::deinterleave(a, b);
            for (parity, plane) in planes.iter_mut().enumerate() {
                let plane = &mut plane[first / 2..];
                S::store_first(plane.as_mut_ptr(), pair[parity], plane.len().min(S::LANES));
            }
        }
    }
}

/// The forward pass of one image.
struct Windows<'a> {
    conv: &'a Conv2d,
    pool: FusedPool,
    planes: Planes,
    /// The image's planes.
    values: &'a [f32],
    /// `[..kernel, channels, filters]`.
    kernel: &'a [f32],
    /// `[filters]` or empty.
    bias: &'a [f32],
    /// `[..pool, filters]`, overwritten.
    y: &'a mut [f32],
    /// As long as `y`, or empty.
    argmax: &'a mut [u8],
}

/// Results and argmax of a row of windows, `[filters, windows]`, a vector of each.
type Square = [f32; WIDEST * WIDEST];

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
        let mut results: [Square; 2] = [[0.0; WIDEST * WIDEST]; 2];
        for row in 0..self.pool.output[0] {
            for window in (0..windows).step_by(S::LANES) {
                for first in (0..filters).step_by(S::LANES) {
                    let count = S::LANES.min(filters - first);
                    let tiles = count.div_ceil(most);
                    for tile in 0..tiles {
                        let [from, to] = [tile * count / tiles, (tile + 1) * count / tiles];
                        let place = [row, window, first + from];
                        let [values, argmax] = &mut results;
                        let skipped = from * S::LANES;
                        let results = [
                            values[skipped..].as_mut_ptr(),
                            argmax[skipped..].as_mut_ptr(),
                        ];
                        // SAFETY: the filters exist, and what their windows see lies in the planes, which
                        // have a whole vector from each place; the results have one for each filter.
                        unsafe {
                            match to - from {
                                6 if const { filters_at_once::<S>() >= 6 } => {
                                    self::tile::<S, 6>(&self, place, results)
                                }
                                5 if const { filters_at_once::<S>() >= 5 } => {
                                    self::tile::<S, 5>(&self, place, results)
                                }
                                4 if const { filters_at_once::<S>() >= 4 } => {
                                    self::tile::<S, 4>(&self, place, results)
                                }
                                3 if const { filters_at_once::<S>() >= 3 } => {
                                    self::tile::<S, 3>(&self, place, results)
                                }
                                2 => self::tile::<S, 2>(&self, place, results),
                                _ => self::tile::<S, 1>(&self, place, results),
                            }
                        }
                    }
                    // SAFETY: windows and filters lie inside `y` and `argmax`, and a square has a vector for
                    // each of up to `LANES` of both.
                    unsafe { write::<S>(&mut self, [row, window, first], count, &mut results) };
                }
            }
        }
    }
}

/// Filters whose four cells the registers hold. Asked in `const` blocks, so that no more are compiled.
const fn filters_at_once<S: Simd>() -> usize {
    if S::ACCUMULATORS >= 6 * CELLS { 6 } else { 2 }
}

/// The largest cells, before the activation, of up to `LANES` windows from `[row, window]` on, for
/// `FILTERS` filters, and their argmax.
#[inline(always)]
unsafe fn tile<S: Simd, const FILTERS: usize>(
    image: &Windows<'_>,
    [row, window, filter]: [usize; 3],
    [values, argmax]: [*mut f32; 2],
) {
    let (conv, planes) = (image.conv, image.planes);
    let [_, _, filters] = conv.output;
    // SAFETY: for the whole function: the caller vouches for windows, filters and results.
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
                // The next tap sees what is right of this one on its left.
                [left, right] = [right, left + 1];
            }
        }
        for (f, sums) in sums.iter().enumerate() {
            let cells = [[sums[0], sums[1]], [sums[2], sums[3]]];
            let (best, winner) = best_of_four::<S>(cells, [0, 2]);
            S::store(values.add(f * S::LANES), best);
            S::store(argmax.add(f * S::LANES), winner);
        }
    }
}

/// Writes what the tiles left for `count` filters of up to `LANES` windows.
#[inline(always)]
unsafe fn write<S: Simd>(
    image: &mut Windows<'_>,
    [row, window, filter]: [usize; 3],
    count: usize,
    results: &mut [Square; 2],
) {
    let filters = image.conv.output[2];
    let windows = S::LANES.min(image.pool.output[1] - window);
    let place = (row * image.pool.output[1] + window) * filters + filter;
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
        let y = image.y.as_mut_ptr().add(place);
        S::transpose(shape, values, S::LANES, y, filters);
        if !image.argmax.is_empty() {
            // The values have been written: their square takes the argmax of each window.
            S::transpose(shape, argmax, S::LANES, values, S::LANES);
            for w in 0..windows {
                let winners = S::load(values.add(w * S::LANES));
                S::store_bytes(
                    image.argmax.as_mut_ptr().add(place + w * filters),
                    winners,
                    count,
                );
            }
        }
    }
}

/// What one image adds to the kernel's gradient.
struct Gradient<'a> {
    conv: &'a Conv2d,
    pool: FusedPool,
    planes: Planes,
    /// The image's planes.
    values: &'a [f32],
    /// `[..pool, filters]`.
    dz: &'a [f32],
    /// As long as `dz`.
    argmax: &'a [u8],
    /// `[rows of windows, filters, cells, windows]`, the last two in whole vectors, filters in pairs; what
    /// lies beyond windows and filters is zero.
    masked: &'a mut [f32],
    /// A vector for each tap and filter: `[filters, ..patch]`.
    sums: &'a mut [f32],
    /// `[..patch, filters]`.
    kernel_gradient: &'a mut [f32],
}

impl Gradient<'_> {
    /// Windows of a row, in whole vectors.
    #[inline(always)]
    fn lanes(&self) -> usize {
        self.pool.output[1].next_multiple_of(WIDEST)
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
        assert!(self.sums.len() >= self.conv.patch() * 2 * pairs * WIDEST);
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
#[inline(always)]
unsafe fn add_sums<S: Simd>(image: &mut Gradient<'_>) {
    let (taps, filters) = (image.conv.patch(), image.conv.output[2]);
    let mut square = [0.0; WIDEST * WIDEST];
    for filter in 0..filters {
        for first in (0..taps).step_by(S::LANES) {
            let count = S::LANES.min(taps - first);
            let sums = image.sums[(filter * taps + first) * S::LANES..].as_ptr();
            // SAFETY: a vector for each of `count` taps lies at `sums`; a square has one for each lane.
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
#[inline(always)]
unsafe fn mask<S: Simd>(image: &mut Gradient<'_>) {
    let filters = image.conv.output[2];
    let [rows, windows] = image.pool.output;
    let (lanes, masked_row) = (image.lanes(), image.masked_row());
    let mut square = [0.0; WIDEST * WIDEST];
    // SAFETY: for the whole function: `n` windows and `count` filters lie inside `dz` and `argmax`, and a
    // vector for each filter and cell inside the masked gradients; a square has one for each window.
    unsafe {
        for row in 0..rows {
            for window in (0..windows).step_by(S::LANES) {
                let n = S::LANES.min(windows - window);
                for first in (0..filters).step_by(S::LANES) {
                    let count = S::LANES.min(filters - first);
                    let place = (row * windows + window) * filters + first;
                    for w in 0..n {
                        let code = image.argmax.as_ptr().add(place + w * filters);
                        S::store(
                            square.as_mut_ptr().add(w * S::LANES),
                            S::load_bytes(code, count),
                        );
                    }
                    let to = row * masked_row + first * CELLS * lanes + window;
                    let to = image.masked.as_mut_ptr().add(to);
                    // The gradients at the place of the first cell, the argmax at that of the last.
                    let dz = image.dz.as_ptr().add(place);
                    S::transpose([n, count], dz, filters, to, CELLS * lanes);
                    let argmax = to.add((CELLS - 1) * lanes);
                    S::transpose([n, count], square.as_ptr(), S::LANES, argmax, CELLS * lanes);
                    for f in 0..count {
                        let to = to.add(f * CELLS * lanes);
                        let g = S::load_first(to, n);
                        let code = S::load_first(to.add((CELLS - 1) * lanes), n);
                        for cell in 0..CELLS {
                            let wins = S::eq(code, S::splat(cell as f32));
                            let g = S::select(wins, g, S::splat(0.0));
                            S::store(to.add(cell * lanes), g);
                        }
                    }
                }
            }
        }
    }
}

/// The sums of all taps of two filters.
#[inline(always)]
unsafe fn taps<S: Simd, const WIDTH: usize>(image: &mut Gradient<'_>, filter: usize) {
    let (conv, planes) = (image.conv, image.planes);
    let [rows, windows] = image.pool.output;
    let (lanes, masked_row) = (image.lanes(), image.masked_row());
    // SAFETY: for the whole function: two filters have masked gradients and places for sums, and what
    // their windows see lies in the planes, which have a whole vector from each place.
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
                        let place = ((filter + f) * conv.patch() + tap) * S::LANES;
                        S::store(image.sums.as_mut_ptr().add(place), sum);
                    }
                }
            }
        }
    }
}
