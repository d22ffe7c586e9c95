//! How the prediction of one image is cut into stripes.
//!
//! Stripes of rows share the image and read all weights each; stripes of filters share the weights and read all of the
//! image each. So rows are the choice where there are enough of them, and filters where weights count for more than
//! the image. What runs for a stripe has to be what runs for the whole: other kernels may round in another way.

use super::pooled::has_whole_windows_of_four;
use super::winograd::{TileSize, panel_columns};
use super::{Forward, Weights, forward};
use crate::choice::stripes::{Cut, Stripes};
use crate::operation::{Conv2d, Rows};
use crate::vector_shape::VectorShape;

/// Tiles of a stripe of rows, and cells of one that is a matrix product: with fewer of them, reading the weights takes
/// longer than the products.
const MIN_TILES: usize = 8;
const MIN_CELLS: usize = 16;

/// Up to `most` stripes, of filters up to `threads`.
pub fn cut(
    conv: &Conv2d,
    weights: Weights,
    vectors: VectorShape,
    [most, threads]: [usize; 2],
) -> Cut {
    let chosen = forward(conv, weights, vectors);
    let rows = rows(conv, chosen, most);
    // The columns of the weights that lie together, and how many stripes of rows are long enough.
    let (grain, most_rows) = match chosen {
        Forward::Im2col | Forward::ChannelPlanes | Forward::FewChannels | Forward::Direct => {
            return Cut::rows(rows);
        }
        Forward::PackedGemm => (vectors.tile_columns(), conv.cells() / MIN_CELLS),
        Forward::Winograd(size) => {
            let panel = panel_columns(conv.input[2], vectors);
            (panel, tiles(conv, size) / MIN_TILES)
        }
    };
    let columns = match conv.activation.properties().is_elementwise {
        true => Stripes::new(conv.output[2], grain, threads.min(most)),
        false => Stripes::whole(conv.output[2]),
    };
    let is_enough = rows.count <= most_rows && rows.count >= columns.count;
    match is_enough || columns.count == 1 {
        true => Cut::rows(rows),
        false => Cut::columns(columns),
    }
}

/// The same by rows alone.
pub fn cut_rows(conv: &Conv2d, weights: Weights, vectors: VectorShape, most: usize) -> Cut {
    Cut::rows(rows(conv, forward(conv, weights, vectors), most))
}

/// Stripes of rows for a kernel.
fn rows(conv: &Conv2d, chosen: Forward, most: usize) -> Stripes {
    let grain = match chosen {
        Forward::Winograd(size) => tile_rows(conv, size),
        Forward::Im2col
        | Forward::ChannelPlanes
        | Forward::FewChannels
        | Forward::Direct
        | Forward::PackedGemm => Some(1),
    };
    match grain {
        Some(grain) if keeps_windows(conv) => Stripes::new(conv.rows(), grain, most),
        _ => Stripes::whole(conv.rows()),
    }
}

fn tiles(conv: &Conv2d, size: TileSize) -> usize {
    let [down, across] = size.tiles(conv);
    down * across
}

/// Whether a stripe has whole windows of four where the convolution has them, and only there: kernels that compute
/// these in registers run for whole windows alone.
fn keeps_windows(conv: &Conv2d) -> bool {
    conv.pool.is_none_or(|pool| {
        let are_four = (pool.size, pool.strides) == ([2, 2], [2, 2]);
        !are_four || has_whole_windows_of_four(conv)
    })
}

/// Rows of the output behind which a row of tiles begins. None where no other row of the output begins one.
fn tile_rows(conv: &Conv2d, size: TileSize) -> Option<usize> {
    let tile = size.outputs();
    match conv.pool {
        None => Some(tile),
        Some(pool) if pool.padding[0] == 0 => {
            (1..=tile).find(|rows| (rows * pool.strides[0]).is_multiple_of(tile))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{ConvAlgorithm, FusedPool};

    /// 3x3 with zeros around, F(4x4, 3x3).
    fn conv(size: usize, channels: [usize; 2]) -> Conv2d {
        let [depth, filters] = channels;
        Conv2d {
            padding: [1, 1],
            algorithm: ConvAlgorithm::Winograd4,
            ..Conv2d::new([size, size, depth], [3, 3], [size, size, filters])
        }
    }

    fn of(conv: &Conv2d, most: usize) -> Cut {
        let weights = Weights::Packed;
        cut(conv, weights, VectorShape::AVX512, [most, most])
    }

    #[test]
    fn large_images_are_cut_by_rows_of_tiles_and_small_ones_by_panels_of_filters() {
        assert_eq!(
            of(&conv(32, [32, 32]), 2),
            Cut::Rows(Stripes::new(32, 4, 2))
        );
        assert_eq!(
            of(&conv(8, [128, 128]), 2),
            Cut::Columns(Stripes::new(128, 32, 2))
        );
        assert_eq!(of(&conv(16, [64, 64]), 1), Cut::Whole);
        // Two rows of windows for each row of tiles.
        let pool = Some(FusedPool::new([16, 16], [2, 2]));
        let pooled = Conv2d {
            pool,
            ..conv(32, [32, 32])
        };
        assert_eq!(of(&pooled, 3), Cut::Rows(Stripes::new(16, 2, 3)));
    }

    #[test]
    fn windows_that_hang_over_the_edge_are_not_cut() {
        let pool = Some(FusedPool::new([4, 4], [2, 2]));
        let direct = Conv2d {
            algorithm: ConvAlgorithm::Direct,
            ..Conv2d::new([9, 10, 3], [3, 3], [7, 8, 16])
        };
        assert_eq!(of(&Conv2d { pool, ..direct }, 4), Cut::Whole);
        let pool = Some(FusedPool::new([3, 4], [2, 2]));
        assert_eq!(
            of(&Conv2d { pool, ..direct }, 4),
            Cut::Rows(Stripes::new(3, 1, 3))
        );
    }
}
