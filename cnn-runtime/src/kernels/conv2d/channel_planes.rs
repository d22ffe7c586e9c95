//! Convolution of images with few channels by few filters, followed by a 2x2 pool, and the gradient of its kernel.
//!
//! A handful of filters leaves most of a vector empty. So here vectors run along a row of windows of the pool, as in a
//! layout `[channels, H, W]`. The columns of each row and channel are split into even and odd ones: then the values
//! that one tap has in neighbouring windows, two columns apart in the image, are contiguous.
//!
//! ```text
//! image ── each row and channel, between zeros, even columns and odd columns apart ──▶ planes
//! forward:   planes ── for each filter: the four cells of a vector of windows ── max ── transpose ──▶ y, argmax
//! gradient:  dz, argmax ── transpose, mask by cell ──▶ masked;  dK[tap] += Σ planes * masked, lanes summed at the end
//! ```
//!
//! `forward` and `gradient` hold the two directions, this file the planes.

mod forward;
mod gradient;

use self::forward::Windows;
use self::gradient::Gradient;
use super::choice::pooled::supports_channel_planes;
use super::{BackwardKernel, Conv2d, Forward, FusedPool};
use crate::kernels::simd::{Kernel, MAX_LANES, Simd};

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

/// Floats of scratch memory that [`kernel_gradient`] takes.
pub(super) const fn kernel_gradient_scratch(conv: &Conv2d) -> usize {
    match conv.pool {
        Some(pool) if supports_channel_planes(conv) => {
            let planes = Planes::new(conv, &pool);
            planes.len()
                + masked(conv, &pool)
                + conv.patch() * conv.output[2].next_multiple_of(2) * MAX_LANES
        }
        _ => 0,
    }
}

/// Floats of the masked gradients, see [`Gradient`].
const fn masked(conv: &Conv2d, pool: &FusedPool) -> usize {
    let lanes = pool.output[1].next_multiple_of(MAX_LANES);
    pool.output[0] * conv.output[2].next_multiple_of(2) * CELLS * lanes
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
    let pool = conv.pool.expect("a fused pool");
    let planes = Planes::new(conv, &pool);
    let (values, scratch) = scratch.split_at_mut(planes.len());
    let (masked, sums) = scratch.split_at_mut(masked(conv, &pool));
    values.fill(0.0);
    if conv.output[2] % 2 == 1 {
        // Filters are taken in pairs: the last one's partner has gradients of zero.
        masked.fill(0.0);
    }
    let images = x
        .chunks_exact(conv.input_len())
        .zip(dz.chunks_exact(conv.output_len()))
        .zip(argmax.chunks_exact(conv.output_len()));
    for ((x, dz), argmax) in images {
        isa.run(WritePlanes {
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
