//! Winograd's minimal filtering F(2x2, 3x3) (Lavin & Gray 2016): 3x3 kernels, strides and dilation 1.
//!
//! Four outputs take 16 multiplications for each channel and filter instead of 36:
//!
//! ```text
//! kernel ── G g Gᵀ, once after each change ──▶ U [16][channels][filters]
//! images ── 4x4 tiles d, Bᵀ d B ─▶ V [16][tiles][channels] ── 16 products V · U ─▶ M [16][tiles][filters]
//!                                                   Aᵀ m A: 2x2 outputs, pool, relu ◀──┘
//! ```
//!
//! Tiles are numbered over all images of a call and worked off in blocks, so that V and M of a block stay
//! in cache and each block passes over U once for several images. A 2x2 pool behind the convolution is
//! taken in the output transform, because there a tile is a window. The input gradient is the same with
//! the flipped kernel on the gradient of the output.
//!
//! A tile takes 16 multiplications for each pair of a channel and a filter, and the transforms about as long
//! as 200 for each channel and each filter. So it wins from some 24 channels and filters on, if a call has a
//! few tiles: with one, the products wait for U.
//!
//! A sum of differences rounds more than the plain sum: about one bit less is exact. A NaN or ∞ would spread
//! over its tiles, and ∞ turn into NaN, so images with an output that is not finite are computed again by
//! `direct`. Gradients are not: there it is enough that what is not finite stays so.

mod products;
mod transforms;

use self::products::Products;
use self::transforms::{Taps, TransformKernel, any_nan, transform_tile, write_maximum, write_tile};
use super::pooled::MaxRow;
use super::{BackwardInput, Conv2d, Forward, columns, direct, max};
use crate::kernels::simd::{Kernel, Simd};
use crate::kernels::{Activation, Isa};

/// Products of a tile: the cells of a transformed tile.
const CELLS: usize = 16;
/// Floats of V and M together that a block may take: half of a second-level cache of 1 MiB.
const BLOCK: usize = 128 * 1024;
/// Tiles that a block may have in any case: with fewer, passing over U takes longer than the products.
const TILES: usize = 32;
/// Images of one [`Pass`], whose result has a bit for each.
const IMAGES: usize = 64;
/// Floats in a cache line, and in the longest vector.
const LINE: usize = 16;

/// Floats of scratch memory that [`forward`] takes for up to `n` images.
pub(super) const fn forward_scratch(conv: &Conv2d, n: usize) -> usize {
    scratch(&Geometry::forward(conv), n, dense_output(conv))
}

/// Floats of scratch memory that [`input_gradient`] takes for up to `n` images.
pub(super) const fn input_gradient_scratch(conv: &Conv2d, n: usize) -> usize {
    scratch(&Geometry::input_gradient(conv), n, conv.unpooled_scratch())
}

/// A pass, and images of `dense` floats beside it.
const fn scratch(geometry: &Geometry, n: usize, dense: usize) -> usize {
    let images = geometry.images(n, dense > 0);
    geometry.scratch(images) + images * dense
}

/// Floats of U.
pub(super) const fn prepared(conv: &Conv2d) -> usize {
    CELLS * plane(conv.input[2] * conv.output[2])
}

/// Writes U, `[16, channels, filters]`.
pub(super) fn prepare_forward(conv: &Conv2d, isa: Isa, kernel: &[f32], prepared: &mut [f32]) {
    let values = conv.input[2] * conv.output[2];
    isa.run(TransformKernel {
        values,
        taps: Taps::Apart(kernel),
        transformed: prepared,
    });
}

/// Writes U of the flipped kernel, `[16, filters, channels]`.
pub(super) fn prepare_backward(conv: &Conv2d, isa: Isa, kernel: &[f32], prepared: &mut [f32]) {
    let [channels, filters] = [conv.input[2], conv.output[2]];
    let values = channels * filters;
    let taps = kernel.chunks_exact(values).rev();
    for (from, to) in taps.zip(prepared.chunks_exact_mut(plane(values))) {
        columns::transpose(channels, filters, from, &mut to[..values]);
    }
    isa.run(TransformKernel {
        values,
        taps: Taps::InPlace,
        transformed: prepared,
    });
}

pub(super) fn forward(conv: &Conv2d, prepared: &[f32], operands: Forward<'_>) {
    let Forward {
        isa,
        n,
        x,
        kernel,
        bias,
        y,
        codes,
        scratch,
    } = operands;
    let geometry = Geometry::forward(conv);
    let dense = dense_output(conv);
    let group = geometry.images(n, dense > 0);
    let relu = conv.activation == Activation::Relu;
    for first in (0..n).step_by(group.max(1)) {
        let images = group.min(n - first);
        let x = &x[first * conv.input_len()..][..images * conv.input_len()];
        let place = first * conv.output_len()..(first + images) * conv.output_len();
        let y = &mut y[place.clone()];
        let codes = codes.get_mut(place).unwrap_or_default();
        let odd = if dense > 0 {
            let (rows, scratch) = scratch.split_at_mut(images * dense);
            let odd = isa.run(Pass {
                geometry,
                images,
                x,
                weights: prepared,
                bias,
                y: rows,
                codes: &mut [],
                pool: false,
                relu: false,
                scratch,
            });
            pool_images(conv, isa, rows, relu, y, codes);
            odd
        } else {
            isa.run(Pass {
                geometry,
                images,
                x,
                weights: prepared,
                bias,
                y,
                codes,
                pool: conv.pool.is_some(),
                relu,
                scratch,
            })
        };
        conv.activate(isa, y);
        for image in (0..images).filter(|image| odd >> image & 1 == 1) {
            let place = image * conv.output_len()..(image + 1) * conv.output_len();
            let operands = Forward {
                isa,
                n: 1,
                x: &x[image * conv.input_len()..][..conv.input_len()],
                kernel,
                bias,
                y: &mut y[place.clone()],
                codes: codes.get_mut(place).unwrap_or_default(),
                scratch,
            };
            direct::forward(conv, operands);
        }
    }
}

/// The fused pool of whole images of the convolution's own output.
fn pool_images(
    conv: &Conv2d,
    isa: Isa,
    images: &[f32],
    relu: bool,
    y: &mut [f32],
    codes: &mut [u8],
) {
    let Some(pool) = conv.pool else { return };
    let windows = pool.output[1] * conv.output[2];
    let images = images.chunks_exact(conv.cells() * conv.output[2]);
    for (i, (z, y)) in images
        .zip(y.chunks_exact_mut(conv.output_len()))
        .enumerate()
    {
        for (row, y) in y.chunks_exact_mut(windows).enumerate() {
            let place = i * conv.output_len() + row * windows;
            isa.run(MaxRow {
                pool,
                output: conv.output,
                row,
                rows: conv.output[0],
                z,
                relu,
                y,
                codes: codes.get_mut(place..place + windows).unwrap_or_default(),
            });
        }
    }
}

pub(super) fn input_gradient(conv: &Conv2d, operands: BackwardInput<'_>) {
    let BackwardInput {
        isa,
        n,
        dz,
        codes,
        prepared,
        dx,
        scratch,
    } = operands;
    let geometry = Geometry::input_gradient(conv);
    let dense = conv.unpooled_scratch();
    let group = geometry.images(n, dense > 0);
    for first in (0..n).step_by(group.max(1)) {
        let images = group.min(n - first);
        let dz = &dz[first * conv.output_len()..][..images * conv.output_len()];
        let (dy, scratch) = scratch.split_at_mut(images * dense);
        if dense > 0 {
            let gradients = dz.chunks_exact(conv.output_len());
            for (i, (dz, dy)) in gradients.zip(dy.chunks_exact_mut(dense)).enumerate() {
                conv.unpool(isa, first + i, dz, codes, dy);
            }
        }
        isa.run(Pass {
            geometry,
            images,
            x: if dense > 0 { dy } else { dz },
            weights: prepared,
            bias: &[],
            y: &mut dx[first * conv.input_len()..][..images * conv.input_len()],
            codes: &mut [],
            pool: false,
            relu: false,
            scratch,
        });
    }
}

/// Floats of an image of the convolution's own output that a pass has to write to scratch, because its
/// fused pool is not one of tiles; else 0.
const fn dense_output(conv: &Conv2d) -> usize {
    if pools_tiles(conv) {
        0
    } else {
        conv.unpooled_scratch()
    }
}

/// Whether each 2x2 tile of the output is a window of the fused pool.
const fn pools_tiles(conv: &Conv2d) -> bool {
    match conv.pool {
        Some(pool) => {
            matches!(
                (pool.size, pool.strides, pool.padding),
                ([2, 2], [2, 2], [0, 0])
            ) && 2 * pool.output[0] <= conv.output[0]
                && 2 * pool.output[1] <= conv.output[1]
        }
        None => false,
    }
}

/// What a [`Pass`] reads and writes.
#[derive(Clone, Copy)]
struct Geometry {
    /// Height, width and channels of the images that are read.
    input: [usize; 3],
    /// Height, width and filters of the result, before a pool.
    output: [usize; 3],
    /// Zeros above and left of an image.
    padding: [usize; 2],
    /// How many tiles there are down and across an image.
    tiles: [usize; 2],
}

impl Geometry {
    const fn forward(conv: &Conv2d) -> Self {
        let tiles = match conv.pool {
            Some(pool) if pools_tiles(conv) => pool.output,
            _ => [conv.output[0].div_ceil(2), conv.output[1].div_ceil(2)],
        };
        Self {
            input: conv.input,
            output: conv.output,
            padding: conv.padding,
            tiles,
        }
    }

    const fn input_gradient(conv: &Conv2d) -> Self {
        Self {
            input: conv.output,
            output: conv.input,
            // Beyond 2 it wraps, and so does what it is taken from.
            padding: [
                2_usize.wrapping_sub(conv.padding[0]),
                2_usize.wrapping_sub(conv.padding[1]),
            ],
            tiles: [conv.input[0].div_ceil(2), conv.input[1].div_ceil(2)],
        }
    }

    /// How many of `n` images one pass works on. Those that go `through_scratch` fill a block, if that.
    const fn images(&self, n: usize, through_scratch: bool) -> usize {
        let most = match through_scratch {
            true => max(self.block(usize::MAX) / (self.tiles[0] * self.tiles[1]), 1),
            false => IMAGES,
        };
        min(n, min(most, IMAGES))
    }

    /// Most tiles of a block, if there are `tiles`.
    const fn block(&self, tiles: usize) -> usize {
        min(
            tiles,
            max(BLOCK / (CELLS * (self.input[2] + self.output[2])), TILES),
        )
    }

    /// Floats of a plane of V and of M.
    const fn planes(&self, block: usize) -> [usize; 2] {
        [plane(block * self.input[2]), plane(block * self.output[2])]
    }

    /// Floats of scratch for a pass: a way to the next cache line, a pixel of zeros, V, M.
    const fn scratch(&self, images: usize) -> usize {
        let planes = self.planes(self.block(images * self.tiles[0] * self.tiles[1]));
        LINE + self.zeros() + CELLS * (planes[0] + planes[1])
    }

    /// Floats of the pixel of zeros.
    const fn zeros(&self) -> usize {
        self.input[2].next_multiple_of(LINE)
    }
}

/// From one of the 16 matrices of `values` floats in U, V and M to the next: an odd number of cache lines,
/// so that they do not meet in the same sets of a cache.
const fn plane(values: usize) -> usize {
    (values.div_ceil(LINE) | 1) * LINE
}

const fn min(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}

/// `y = relu(pool(x * kernel + bias))` of up to 64 images, pool and relu where asked for. Returns a bit for
/// each image: whether any of its values before pool and relu is not finite.
struct Pass<'a> {
    geometry: Geometry,
    images: usize,
    /// `[images, ..input]`
    x: &'a [f32],
    /// U.
    weights: &'a [f32],
    /// `[filters]` or empty.
    bias: &'a [f32],
    /// `[images, ..output]`, or `[images, ..tiles, filters]` with `pool`.
    y: &'a mut [f32],
    /// Empty, or as long as `y` with `pool`.
    codes: &'a mut [u8],
    /// Whether of each tile only the maximum is written.
    pool: bool,
    relu: bool,
    /// At least [`Geometry::scratch`].
    scratch: &'a mut [f32],
}

impl Kernel for Pass<'_> {
    type Output = u64;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> u64 {
        let Geometry {
            input: [_, _, channels],
            output: [height, width, filters],
            tiles,
            ..
        } = self.geometry;
        let weights_plane = plane(channels * filters);
        let total = self.images * tiles[0] * tiles[1];
        let cells = match self.pool {
            true => tiles[0] * tiles[1],
            false => height * width,
        };
        assert!(
            self.images <= IMAGES
                && self.x.len() == self.images * self.geometry.input.iter().product::<usize>()
                && self.weights.len() == CELLS * weights_plane
                && (self.bias.is_empty() || self.bias.len() == filters)
                && self.y.len() == self.images * cells * filters
                && (self.codes.is_empty() || self.codes.len() == self.y.len())
                && self.scratch.len() >= self.geometry.scratch(self.images)
        );
        let most = self.geometry.block(total);
        let planes = self.geometry.planes(most);
        let way = self.scratch.as_ptr().align_offset(LINE * size_of::<f32>());
        let (zeros, rest) = self.scratch[way.min(LINE)..].split_at_mut(self.geometry.zeros());
        zeros.fill(0.0);
        let zeros = zeros.as_ptr();
        let (v, m) = rest.split_at_mut(CELLS * planes[0]);
        let [v, m] = [v, m].map(<[f32]>::as_mut_ptr);

        let mut odd_images = 0;
        let blocks = total.div_ceil(most.max(1));
        let mut first = Tile::default();
        for block in 0..blocks {
            let count = total * (block + 1) / blocks - total * block / blocks;
            // SAFETY: the blocks' tiles are those of the images, and there are at most `most` in each. So
            // tiles lie inside planes, planes inside the scratch, and the products' rows, columns and depth
            // inside U, V and M: the assertion compares all lengths.
            unsafe {
                let mut tile = first;
                for place in 0..count {
                    read_tile::<S>(
                        &self.geometry,
                        tile,
                        self.x,
                        zeros,
                        v.add(place * channels),
                        planes[0],
                    );
                    tile.advance(tiles);
                }
                S::call(&Products {
                    tiles: count,
                    channels,
                    filters,
                    v,
                    u: self.weights.as_ptr(),
                    m,
                    planes: [planes[0], weights_plane, planes[1]],
                    bias: (!self.bias.is_empty()).then_some(self.bias.as_ptr()),
                });
                let mut tile = first;
                let mut odd = S::splat(0.0);
                for place in 0..count {
                    let m = m.add(place * filters);
                    if self.pool {
                        let at =
                            ((tile.image * tiles[0] + tile.row) * tiles[1] + tile.column) * filters;
                        let codes = match self.codes.is_empty() {
                            true => None,
                            false => Some(self.codes.as_mut_ptr().add(at)),
                        };
                        let y = self.y.as_mut_ptr().add(at);
                        write_maximum::<S>(filters, m, planes[1], y, codes, self.relu, &mut odd);
                    } else {
                        let [row, column] = [2 * tile.row, 2 * tile.column];
                        let at = ((tile.image * height + row) * width + column) * filters;
                        let y = self.y.as_mut_ptr().add(at);
                        let inside = [row + 1 < height, column + 1 < width];
                        write_tile::<S>(
                            [width, filters],
                            m,
                            planes[1],
                            y,
                            inside,
                            self.relu,
                            &mut odd,
                        );
                    }
                    let image = tile.image;
                    tile.advance(tiles);
                    if tile.image != image || place + 1 == count {
                        odd_images |= u64::from(any_nan::<S>(odd)) << image;
                        odd = S::splat(0.0);
                    }
                }
                first = tile;
            }
        }
        odd_images
    }
}

/// The place of a tile.
#[derive(Clone, Copy, Default)]
struct Tile {
    image: usize,
    row: usize,
    column: usize,
}

impl Tile {
    /// Goes on to the next one: across, down, then to the next image.
    #[inline(always)]
    fn advance(&mut self, tiles: [usize; 2]) {
        self.column += 1;
        if self.column == tiles[1] {
            self.column = 0;
            self.row += 1;
        }
        if self.row == tiles[0] {
            self.row = 0;
            self.image += 1;
        }
    }
}

/// `Bᵀ d B` of a tile of the images `x`: its 16 pixels of `channels` go to `v`, a plane apart. `zeros` is a
/// pixel of the padding.
#[inline(always)]
unsafe fn read_tile<S: Simd>(
    geometry: &Geometry,
    tile: Tile,
    x: &[f32],
    zeros: *const f32,
    v: *mut f32,
    plane: usize,
) {
    let [height, width, channels] = geometry.input;
    // Above and left of an image they wrap, far beyond its size.
    let top = (2 * tile.row).wrapping_sub(geometry.padding[0]);
    let left = (2 * tile.column).wrapping_sub(geometry.padding[1]);
    let pixel = |row: usize, column: usize| {
        let place = ((tile.image * height + row) * width + column) * channels;
        x.as_ptr().wrapping_add(place)
    };
    let is_inside = top < height && top + 4 <= height && left < width && left + 4 <= width;
    // SAFETY: the pointers name pixels of the image, or that of zeros, each `channels` long.
    unsafe {
        if is_inside {
            let corner = pixel(top, left);
            let pixel = |row, column| corner.wrapping_add((row * width + column) * channels);
            transform_tile::<S>(channels, pixel, v, plane);
        } else {
            // Loops: the closures of `from_fn` were not inlined here, so not compiled for `S`.
            let mut pixels = [[zeros; 4]; 4];
            for (i, pixels) in pixels.iter_mut().enumerate() {
                let row = top.wrapping_add(i);
                for (j, place) in pixels.iter_mut().enumerate() {
                    let column = left.wrapping_add(j);
                    if row < height && column < width {
                        *place = pixel(row, column);
                    }
                }
            }
            transform_tile::<S>(channels, |row, column| pixels[row][column], v, plane);
        }
    }
}
