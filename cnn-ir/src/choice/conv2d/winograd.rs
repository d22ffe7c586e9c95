//! The tiles of Winograd's minimal filtering.

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

/// The most floats of a cell of a panel of four vectors of the transformed kernel. Wider panels make better register tiles,
/// but this cell and the next one have to stay in the cache beside transformed tiles and products.
const MAX_CELL: usize = 2048;

/// Columns of the widest panels of a transformed kernel with `channels` rows.
#[inline(always)]
pub const fn panel_columns(channels: usize, vectors: VectorShape) -> usize {
    let VectorShape {
        lanes,
        tile_vectors,
        ..
    } = vectors;
    match tile_vectors {
        4 if 4 * lanes * channels <= MAX_CELL => 4 * lanes,
        _ => 2 * lanes,
    }
}
