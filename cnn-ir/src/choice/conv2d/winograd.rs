//! The tiles of Winograd's minimal filtering, and when there are few of them.

use super::pooled::has_whole_windows_of_four;
use crate::operation::Conv2d;
use crate::vector_shape::VectorShape;

/// How many outputs a tile has in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileSize {
    /// F(2x2, 3x3).
    Two,
    /// F(4x4, 3x3).
    Four,
    /// F(5x5, 3x3).
    Five,
}

impl TileSize {
    /// Outputs of a tile in each direction.
    #[inline]
    pub const fn outputs(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
            Self::Five => 5,
        }
    }

    /// Cells of a transformed tile.
    #[inline]
    pub const fn cells(self) -> usize {
        (self.outputs() + 2) * (self.outputs() + 2)
    }

    /// Whether tiles consist of whole windows of the fused pool.
    pub const fn pools(self, conv: &Conv2d) -> bool {
        self.outputs().is_multiple_of(2) && has_whole_windows_of_four(conv)
    }

    /// How many tiles there are down and across the output of a forward pass.
    pub const fn tiles(self, conv: &Conv2d) -> [usize; 2] {
        let [height, width] = match conv.pool {
            Some(pool) if self.pools(conv) => [2 * pool.output[0], 2 * pool.output[1]],
            _ => [conv.output[0], conv.output[1]],
        };
        [
            height.div_ceil(self.outputs()),
            width.div_ceil(self.outputs()),
        ]
    }
}

/// Cells of a row of a transformed tile of a small batch, whose tiles have 4x4 outputs.
pub const SMALL_BATCH_EDGE: usize = TileSize::Four.outputs() + 2;
/// The most tiles of a small batch: the sums of a row of cells of all of them stay in registers.
pub const SMALL_BATCH_TILES: usize = 4;
/// Accumulators of a row of cells of all tiles of a small batch.
pub const SMALL_BATCH_ACCUMULATORS: usize = SMALL_BATCH_EDGE * SMALL_BATCH_TILES;
/// Bytes of the transformed kernel above which a small batch reads the half-transformed kernel in its place: half of a
/// second-level cache of 1 MiB. A smaller kernel stays in that cache from image to image, and reading it is faster than
/// a second transform.
const MAX_CACHED: usize = 512 * 1024;

/// Whether inference packs the half-transformed kernel as well, because an image is a small batch. The same for all
/// instruction sets, because it decides the layout of packed weights.
pub const fn packs_small_batch(conv: &Conv2d, size: TileSize) -> bool {
    let [rows, columns] = size.tiles(conv);
    let transformed = size.cells() * conv.input[2] * conv.output[2] * size_of::<f32>();
    matches!(size, TileSize::Four)
        && rows * columns <= SMALL_BATCH_TILES
        && transformed > MAX_CACHED
}

/// Half-transformed kernels, for a pass of so many tiles. The sums of a row of cells of all tiles need accumulators.
pub const fn takes_small_batch(tiles: usize, vectors: VectorShape) -> bool {
    0 < tiles && tiles <= SMALL_BATCH_TILES && vectors.accumulators >= SMALL_BATCH_ACCUMULATORS
}
