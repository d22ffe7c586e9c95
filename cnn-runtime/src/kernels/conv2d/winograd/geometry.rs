//! The tiles of a call, and the memory that a pass over them takes.

use super::super::{Conv2d, max};
use super::{BLOCK, LINE, MAX_IMAGES, MIN_BLOCK_TILES, TileSize, min};
use crate::kernels::simd::MAX_TILE_COLUMNS;

/// What a [`Pass`](super::Pass) reads and writes.
#[derive(Clone, Copy)]
pub(super) struct Geometry {
    pub(super) size: TileSize,
    /// Height, width and channels of the images that are read.
    pub(super) input: [usize; 3],
    /// Height, width and filters of the result, before a pool.
    pub(super) output: [usize; 3],
    /// Zeros above and left of an image.
    pub(super) padding: [usize; 2],
    /// How many tiles there are down and across an image.
    pub(super) tiles: [usize; 2],
}

impl Geometry {
    pub(super) const fn forward(conv: &Conv2d, size: TileSize) -> Self {
        Self {
            size,
            input: conv.input,
            output: conv.output,
            padding: conv.padding,
            tiles: size.tiles(conv),
        }
    }

    pub(super) const fn input_gradient(conv: &Conv2d, size: TileSize) -> Self {
        Self {
            size,
            input: conv.output,
            output: conv.input,
            // A padding above 2 gives a negative number, which wraps, like the positions that it is subtracted from.
            padding: [
                2_usize.wrapping_sub(conv.padding[0]),
                2_usize.wrapping_sub(conv.padding[1]),
            ],
            tiles: [
                conv.input[0].div_ceil(size.outputs()),
                conv.input[1].div_ceil(size.outputs()),
            ],
        }
    }

    /// The images of one pass, of `n`: no more than fill a block if their output goes `through_scratch`.
    pub(super) const fn images(&self, n: usize, through_scratch: bool) -> usize {
        let most = match through_scratch {
            true => max(self.block(usize::MAX) / (self.tiles[0] * self.tiles[1]), 1),
            false => MAX_IMAGES,
        };
        min(n, min(most, MAX_IMAGES))
    }

    /// The most tiles of a block, if there are `tiles` in all.
    pub(super) const fn block(&self, tiles: usize) -> usize {
        let [v, m] = self.strides();
        min(tiles, max(BLOCK / (v + m), MIN_BLOCK_TILES))
    }

    /// Floats of a tile in V, and in M with the widest panel of filters.
    pub(super) const fn strides(&self) -> [usize; 2] {
        [
            self.size.cells() * self.input[2].next_multiple_of(LINE),
            self.size.cells() * min(self.output[2].next_multiple_of(LINE), MAX_TILE_COLUMNS),
        ]
    }

    /// Floats of scratch memory of a pass: up to the next cache line, a row of zeros, V, M.
    pub(super) const fn scratch(&self, images: usize) -> usize {
        let [v, m] = self.strides();
        let tiles = self.block(images * self.tiles[0] * self.tiles[1]);
        // Groups have room for 4 to 8 tiles, of which the last one may use less. A cell of a group takes up to a line
        // more in V and two in M.
        let groups = tiles / 4 + 1;
        LINE + self.zeros() + (tiles + 8) * (v + m) + 3 * groups * self.size.cells() * LINE
    }

    /// Floats of a row of a tile, for rows in the padding.
    pub(super) const fn zeros(&self) -> usize {
        ((self.size.outputs() + 2) * self.input[2]).next_multiple_of(LINE)
    }
}

/// The position of a tile.
#[derive(Clone, Copy, Default)]
pub(super) struct Tile {
    pub(super) image: usize,
    pub(super) row: usize,
    pub(super) column: usize,
}

impl Tile {
    /// Advances to the next one: across, down, then to the next image.
    #[inline(always)]
    pub(super) fn advance(&mut self, tiles: [usize; 2]) {
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
