//! Convolution of images with few channels by few filters, followed by a 2x2 pool in registers.
//!
//! A handful of filters leaves most of a vector empty. So here vectors run along a row of windows of the pool, as in a
//! layout `[channels, H, W]`. The columns of each row and channel are split into even and odd ones: then the values
//! that one tap has in neighbouring windows, two columns apart in the image, are contiguous.
//!
//! ```text
//! image ── each row and channel, between zeros, even columns and odd columns apart ──▶ planes
//! planes ── for each filter: the four cells of a vector of windows ── max ── transpose ──▶ y, argmax
//! ```

use super::choice::pooled::supports_channel_planes;
use super::pooled::max_of_four;
use super::{Conv2d, Forward, FusedPool};
use crate::kernels::matmul;
use crate::kernels::simd::{Kernel, MAX_LANES, Simd, accumulate};
use cnn_ir::Activation;

/// Cells of a window.
const CELLS: usize = 4;

/// A square of as many vectors as there are lanes.
type Square = [f32; MAX_LANES * MAX_LANES];

/// Floats of scratch memory that [`forward`] takes.
pub(super) const fn forward_scratch(conv: &Conv2d) -> usize {
    match conv.pool {
        Some(pool) if supports_channel_planes(conv) => Planes::new(conv, &pool).len(),
        _ => 0,
    }
}

/// `y = activation(pool(x * kernel + bias))`.
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
    let pool = conv.pool.expect("a fused pool");
    let planes = Planes::new(conv, &pool);
    let (values, _) = scratch.split_at_mut(planes.len());
    values.fill(0.0);
    for i in 0..n {
        isa.run(WritePlanes {
            conv,
            planes,
            image: &x[i * conv.input_len()..][..conv.input_len()],
            values,
        });
        let range = i * conv.output_len()..(i + 1) * conv.output_len();
        isa.run(Windows {
            conv,
            pool,
            planes,
            values,
            kernel,
            bias,
            y: &mut y[range.clone()],
            argmax: argmax.get_mut(range).unwrap_or_default(),
        });
    }
    super::activate(conv, isa, y);
}

/// The planes of a padded image: `[rows, channels, 2, width]`, even and odd columns apart.
#[derive(Clone, Copy)]
struct Planes {
    rows: usize,
    channels: usize,
    /// Even or odd columns, with room for a whole vector from each column on that a window sees first.
    width: usize,
    /// Columns of the padded image that windows see.
    seen: usize,
}

impl Planes {
    const fn new(conv: &Conv2d, pool: &FusedPool) -> Self {
        let [height, width] = conv.kernel;
        Self {
            rows: 2 * pool.output[0] + height - 1,
            channels: conv.input[2],
            width: pool.output[1].next_multiple_of(MAX_LANES) + width / 2 + 1,
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

    /// The offset in a row and channel of column `column` of the padded image.
    #[inline(always)]
    const fn column(&self, column: usize) -> usize {
        column % 2 * self.width + column / 2
    }
}

/// Writes the pixels of an image to its planes. All other values stay zero.
struct WritePlanes<'a> {
    conv: &'a Conv2d,
    planes: Planes,
    image: &'a [f32],
    values: &'a mut [f32],
}

impl Kernel for WritePlanes<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { conv, planes, .. } = self;
        let [height, width, channels] = conv.input;
        let [top, left] = conv.padding;
        assert!(self.image.len() == height * width * channels);
        assert!(self.values.len() == planes.len());
        // If the padding is wider than all that windows see, they see nothing of the image.
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
                    unsafe { deinterleave::<S>(&from[..seen], left, to) };
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

/// Writes neighbouring pixels to the planes of even and odd columns. The first pixel is column `left` of the padded
/// image.
///
/// # Safety
/// The machine has the target features of `S`.
#[inline(always)]
unsafe fn deinterleave<S: Simd>(pixels: &[f32], left: usize, planes: &mut [f32]) {
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
        // SAFETY: no more pixels and columns are touched than there are from `first` on.
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
    /// As long as `y`, or empty: then none is written.
    argmax: &'a mut [u8],
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
