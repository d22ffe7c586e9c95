//! Which tiles a call of images has, and what memory their passes take.

use super::super::{Conv2d, max};
use super::{BLOCK, IMAGES, LINE, PANEL, TILES, TileSize, min, pools_tiles};

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
        let outputs = match conv.pool {
            Some(pool) if pools_tiles(conv, size) => [2 * pool.output[0], 2 * pool.output[1]],
            _ => [conv.output[0], conv.output[1]],
        };
        Self {
            size,
            input: conv.input,
            output: conv.output,
            padding: conv.padding,
            tiles: [
                outputs[0].div_ceil(size.outputs()),
                outputs[1].div_ceil(size.outputs()),
            ],
        }
    }

    pub(super) const fn input_gradient(conv: &Conv2d, size: TileSize) -> Self {
        Self {
            size,
            input: conv.output,
            output: conv.input,
            // Beyond 2 it wraps, and so does what it is taken from.
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

    /// How many of `n` images one pass works on. Those that go `through_scratch` fill a block, if that.
    pub(super) const fn images(&self, n: usize, through_scratch: bool) -> usize {
        let most = match through_scratch {
            true => max(self.block(usize::MAX) / (self.tiles[0] * self.tiles[1]), 1),
            false => IMAGES,
        };
        min(n, min(most, IMAGES))
    }

    /// Most tiles of a block, if there are `tiles`.
    pub(super) const fn block(&self, tiles: usize) -> usize {
        let [v, m] = self.strides();
        min(tiles, max(BLOCK / (v + m), TILES))
    }

    /// Floats of a tile of V, and of M, where a panel of filters has its place.
    pub(super) const fn strides(&self) -> [usize; 2] {
        [
            self.size.cells() * self.input[2].next_multiple_of(LINE),
            self.size.cells() * min(self.output[2].next_multiple_of(LINE), PANEL),
        ]
    }

    /// Floats of scratch for a pass: a way to the next cache line, a row of zeros, V, M.
    pub(super) const fn scratch(&self, images: usize) -> usize {
        let [v, m] = self.strides();
        let tiles = self.block(images * self.tiles[0] * self.tiles[1]);
        // TileGroups have 4 to 8 places, of which some of the last may be empty; a cell of one takes up to a line
        // more in V and two in M.
        let groups = tiles / 4 + 1;
        LINE + self.zeros() + (tiles + 8) * (v + m) + 3 * groups * self.size.cells() * LINE
    }

    /// Floats of a tile's row of zeros.
    pub(super) const fn zeros(&self) -> usize {
        ((self.size.outputs() + 2) * self.input[2]).next_multiple_of(LINE)
    }
}

/// The place of a tile.
#[derive(Clone, Copy, Default)]
pub(super) struct Tile {
    pub(super) image: usize,
    pub(super) row: usize,
    pub(super) column: usize,
}

impl Tile {
    /// Goes on to the next one: across, down, then to the next image.
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
