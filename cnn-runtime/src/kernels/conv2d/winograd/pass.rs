//! A pass over images, block by block of tiles:
//!
//! ```text
//! read:   tiles ── Bᵀ d B ──▶ V
//! for each panel of filters:
//!   products: V, U ──▶ M
//!   write:    M ── Aᵀ m A, bias, pool, relu ──▶ y, argmax
//! ```

use super::filtering::{Filtering, Five, Four, Two};
use super::gemm::{BatchedGemm, TileGroups, panel_start, panel_width};
use super::geometry::{Geometry, Tile};
use super::tile_transforms::{Outputs, Pixels, any_nan, read_tile, write_tile};
use super::{LINE, MAX_IMAGES, TileSize, zero_patches};
use crate::kernels::matmul;
use crate::kernels::simd::{Kernel, Simd, ValidPointers};
use core::ops::Range;

/// `y = relu(pool(x * kernel + bias))` of up to [`MAX_IMAGES`] images, with pool and relu if asked for. Returns a bit
/// for each image: whether any of its values before pool and relu is not finite.
pub(super) struct Pass<'a> {
    pub geometry: Geometry,
    pub images: usize,
    /// `[images, ..input]`
    pub x: &'a [f32],
    pub u: &'a [f32],
    /// `[filters]` or empty.
    pub bias: &'a [f32],
    /// `[images, ..output]`, or `[images, ..windows, filters]` with `pool`.
    pub y: &'a mut [f32],
    /// Empty, or as long as `y` with `pool`.
    pub argmax: &'a mut [u8],
    /// Whether an output that sees zeros alone has to be the bias. Tiles of 2x2 outputs give the bias anyway.
    pub keeps_zeros: bool,
    /// The filters that `y` has: they begin with a panel.
    pub filters: Range<usize>,
    /// The windows of a 2x2 pool, down and across: only their maxima are written.
    pub pool: Option<[usize; 2]>,
    pub relu: bool,
    /// At least [`Geometry::scratch`].
    pub scratch: &'a mut [f32],
}

impl Kernel for Pass<'_> {
    type Output = u64;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> u64 {
        if const { matmul::replaces::<S>() } {
            unreachable!("a product that is matrixmultiply's");
        }
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            match self.geometry.size {
                TileSize::Two => self.tiles::<S, Two, 4, 2>(),
                TileSize::Four => self.tiles::<S, Four, 6, 4>(),
                TileSize::Five => self.tiles::<S, Five, 7, 5>(),
            }
        }
    }
}

impl Pass<'_> {
    #[inline(always)]
    unsafe fn tiles<
        S: Simd,
        F: Filtering<EDGE, OUTPUTS>,
        const EDGE: usize,
        const OUTPUTS: usize,
    >(
        self,
    ) -> u64 {
        let Geometry {
            input: [_, _, channels],
            output: [rows, columns, filters],
            tiles,
            ..
        } = self.geometry;
        let Range { start, end } = self.filters;
        // Those of a cell of the result.
        let written = end - start;
        let cells = EDGE * EDGE;
        let total = self.images * tiles[0] * tiles[1];
        // The size of the result, and how many results of it a tile has down and across.
        let ([rows, columns], outputs) = match self.pool {
            Some(windows) => (windows, OUTPUTS / 2),
            None => ([rows, columns], OUTPUTS),
        };
        assert!(
            self.images <= MAX_IMAGES
                && self.x.len() == self.images * self.geometry.input.iter().product::<usize>()
                && self.u.len() >= panel_start::<S>(cells, [channels, filters], filters)
                && (self.bias.is_empty() || self.bias.len() == filters)
                && start <= end
                && end <= filters
                && self.y.len() == self.images * rows * columns * written
                && rows <= tiles[0] * outputs
                && columns <= tiles[1] * outputs
                && (self.argmax.is_empty() || self.argmax.len() == self.y.len())
                && self.scratch.len() >= self.geometry.scratch(self.images)
        );
        let block = self.geometry.block(total);
        let skipped = self.scratch.as_ptr().align_offset(LINE * size_of::<f32>());
        let (zeros, rest) = self.scratch[skipped.min(LINE)..].split_at_mut(self.geometry.zeros());
        zeros.fill(0.0);
        let zeros = zeros.as_ptr();
        let room = rest.len();
        let v = rest.as_mut_ptr();

        let mut not_finite_images = 0;
        let blocks = total.div_ceil(block.max(1));
        let mut first = Tile::default();
        for block in 0..blocks {
            let count = total * (block + 1) / blocks - total * block / blocks;
            let groups = TileGroups::new::<S>(cells, count, channels, filters);
            let v_cell = groups.cell(channels.next_multiple_of(LINE));
            let v_steps = [EDGE * v_cell, v_cell, groups.capacity * LINE];
            let widest = panel_width::<S>(channels, filters, 0);
            assert!(groups.count * cells * (v_cell + groups.cell(widest)) <= room);
            assert!(start.is_multiple_of(widest), "the first filter of a panel");
            // SAFETY: the tiles of the blocks are those of the images. V and M are next to each other in the scratch
            // memory; products are inside them and inside U, and outputs inside the result: the assertions
            // compare all lengths.
            unsafe {
                let m = v.add(groups.count * cells * v_cell);
                let mut tile = first;
                for group in 0..groups.count {
                    let v = v.add(group * cells * v_cell);
                    for slot in 0..groups.height(group) {
                        let v = v.add(slot * LINE);
                        self.read::<S, F, EDGE, OUTPUTS>(tile, zeros, v, v_steps);
                        tile.advance(tiles);
                    }
                }
                let mut filter = start;
                while filter < end {
                    let width = panel_width::<S>(channels, filters, filter);
                    let m_cell = groups.cell(width);
                    let panel = panel_start::<S>(cells, [channels, filters], filter);
                    S::call(&BatchedGemm {
                        groups,
                        channels,
                        width,
                        v,
                        u: self.u.as_ptr().add(panel),
                        m,
                        _valid: ValidPointers::guarantee(),
                    });
                    let mut tile = first;
                    let mut nan = S::splat(0.0);
                    for group in 0..groups.count {
                        let m = m.add(group * cells * m_cell);
                        for slot in 0..groups.height(group) {
                            let [row, column] = [tile.row * outputs, tile.column * outputs];
                            let cell = (tile.image * rows + row) * columns + column;
                            let at = cell * written + filter - start;
                            let keeps_zeros = const { OUTPUTS > 2 } && self.keeps_zeros;
                            let to = Outputs {
                                zero_patches: match keeps_zeros {
                                    true => zero_patches::mask_of(&self.geometry, self.x, tile),
                                    false => 0,
                                },
                                filters: width.min(end - filter),
                                bias: (!self.bias.is_empty())
                                    .then(|| self.bias.as_ptr().add(filter)),
                                y: self.y.as_mut_ptr().add(at),
                                argmax: (!self.argmax.is_empty())
                                    .then(|| self.argmax.as_mut_ptr().add(at)),
                                steps: [columns * written, written],
                                count: [rows - row, columns - column],
                                pool: self.pool.is_some(),
                                relu: self.relu,
                            };
                            let m = m.add(slot * width);
                            write_tile::<S, F, EDGE, OUTPUTS>(m, m_cell, &to, &mut nan);
                            let image = tile.image;
                            tile.advance(tiles);
                            if tile.image != image {
                                not_finite_images |= u64::from(any_nan::<S>(nan)) << image;
                                nan = S::splat(0.0);
                            }
                        }
                    }
                    if tile.image < MAX_IMAGES {
                        not_finite_images |= u64::from(any_nan::<S>(nan)) << tile.image;
                    }
                    filter += width;
                }
                first = tile;
            }
        }
        not_finite_images
    }

    /// Writes `Bᵀ d B` of a tile of the images to `v`. `zeros` is a row of a tile in the padding.
    #[inline(always)]
    unsafe fn read<
        S: Simd,
        F: Filtering<EDGE, OUTPUTS>,
        const EDGE: usize,
        const OUTPUTS: usize,
    >(
        &self,
        tile: Tile,
        zeros: *const f32,
        v: *mut f32,
        steps: [usize; 3],
    ) {
        let [height, width, channels] = self.geometry.input;
        let padding = self.geometry.padding;
        // Above and left of an image these wrap to numbers greater than its size.
        let top = (OUTPUTS * tile.row).wrapping_sub(padding[0]);
        let left = (OUTPUTS * tile.column).wrapping_sub(padding[1]);
        let mut pixels = Pixels {
            rows: [zeros; EDGE],
            columns: 0,
            channels,
        };
        for (i, pointer) in pixels.rows.iter_mut().enumerate() {
            let row = top.wrapping_add(i);
            if row < height {
                let pixel = ((tile.image * height + row) * width).wrapping_add(left);
                *pointer = self.x.as_ptr().wrapping_add(pixel.wrapping_mul(channels));
            }
        }
        for j in 0..EDGE {
            pixels.columns |= u32::from(left.wrapping_add(j) < width) << j;
        }
        // SAFETY: pixels inside are those of the image, other rows are as many zeros.
        unsafe { read_tile::<S, F, EDGE, OUTPUTS>(&pixels, v, steps) }
    }
}
