//! What can be computed, and what is best, around a max pool that is fused behind a convolution.

use crate::operation::{Conv2d, FusedPool};
use crate::vector_shape::VectorShape;

/// Whether vectors can run along rows of channel planes: a kernel of 3, 5 or 7 columns with strides of 1, on up to
/// three channels, and a pool of whole 2x2 windows.
pub const fn supports_channel_planes(conv: &Conv2d) -> bool {
    has_whole_windows_of_four(conv)
        && matches!((conv.strides, conv.dilation), ([1, 1], [1, 1]))
        && matches!(conv.kernel[1], 3 | 5 | 7)
        && conv.input[2] <= 3
}

/// Vectors along windows, if they are better filled than along filters.
pub(super) const fn takes_channel_planes(conv: &Conv2d, vectors: VectorShape) -> bool {
    let Some(pool) = conv.pool else { return false };
    let (windows, filters, lanes) = (pool.output[1], conv.output[2], vectors.lanes);
    supports_channel_planes(conv)
        && windows.div_ceil(lanes) * filters < windows * filters.div_ceil(lanes)
}

/// Windows of a tile for few channels: with four cells each, and two vectors of filters, they fill 32 registers.
pub const FEW_CHANNELS_WINDOWS: usize = 3;

/// Accumulators of the narrowest tile for few channels: four cells of each window.
pub const FEW_CHANNELS_ACCUMULATORS: usize = 4 * FEW_CHANNELS_WINDOWS;

/// From a cell of the convolution's output to its neighbour, in values of the image.
#[inline(always)]
pub const fn cell_step(conv: &Conv2d) -> usize {
    conv.strides[1] * conv.input[2]
}

/// Whether tiles for few channels can compute the rows that see the whole height of the kernel: a pool of whole 2x2
/// windows, and a step of one or three values from a cell to its neighbour.
pub const fn supports_few_channels(conv: &Conv2d) -> bool {
    let Some(pool) = conv.pool else { return false };
    has_whole_windows_of_four(conv)
        && pool.output[1] >= FEW_CHANNELS_WINDOWS
        && conv.dilation[1] == 1
        && matches!(cell_step(conv), 1 | 3)
}

/// The fused pool in registers. All four cells of some windows need accumulators.
pub(super) const fn takes_few_channels(conv: &Conv2d, vectors: VectorShape) -> bool {
    supports_few_channels(conv) && vectors.accumulators >= FEW_CHANNELS_ACCUMULATORS
}

/// Whether a pool of 2x2 windows that lie side by side is fused behind it, and all their cells exist.
pub const fn has_whole_windows_of_four(conv: &Conv2d) -> bool {
    let Some(pool) = conv.pool else { return false };
    matches!(
        (pool.size, pool.strides, pool.padding),
        ([2, 2], [2, 2], [0, 0])
    ) && 2 * pool.output[0] <= conv.output[0]
        && 2 * pool.output[1] <= conv.output[1]
}

/// The convolution with an output for each cell of each window, two rows of them at least, and the pool on these
/// outputs. So windows at the border need no special case: their cells in the padding are never an argmax, and it does
/// not matter which values the image has there.
pub const fn whole_windows(conv: &Conv2d, pool: &FusedPool) -> (Conv2d, FusedPool) {
    let (mut conv, mut pool) = (*conv, *pool);
    let rows = if pool.size[0] > 2 { pool.size[0] } else { 2 };
    let size = [rows, pool.size[1]];
    let mut axis = 0;
    while axis < 2 {
        conv.padding[axis] += pool.padding[axis] * conv.strides[axis];
        conv.output[axis] = (pool.output[axis] - 1) * pool.strides[axis] + size[axis];
        axis += 1;
    }
    pool.padding = [0, 0];
    (conv, pool)
}

/// Values of a row of a patch, kernel width times channels, from which on sums over the argmax fill vectors: measured
/// with AVX-512 and AVX2, where one register and two hold so many.
pub const FULL_ROW: usize = 16;

/// What a permutation costs, in multiply-adds.
const PERMUTATION: usize = 4;

/// Permuted lanes in place of lists of the argmax: along filters, if rows of patches are short. The cost is that of a
/// row of a patch, in multiply-adds for each filter, where whole vectors of filters are taken.
pub(super) const fn takes_permutation(conv: &Conv2d, vectors: VectorShape) -> bool {
    let Some(pool) = conv.pool else { return false };
    let (row, filters) = (conv.kernel[1] * conv.input[2], conv.output[2]);
    let steps = row * PERMUTATION * pool.size[0].div_ceil(2);
    let cost = (steps * filters.next_multiple_of(vectors.lanes)).div_ceil(filters);
    row < FULL_ROW && cost <= vectors.max_permuted_cost && supports_permutation(conv, vectors.reach)
}

/// Whether a permutation of lanes with this reach finds, for every tap, all values that two rows of a window have. The
/// first run of memory has to hold the upper row and the last run the lower one, and neither may leave the memory
/// between the first value of the upper row and the last value of the lower one.
pub const fn supports_permutation(conv: &Conv2d, reach: usize) -> bool {
    let Some(pool) = conv.pool else { return false };
    let (conv, pool) = &whole_windows(conv, &pool);
    // From the first to the last value of a row, and from a row of cells to the next.
    let across = (pool.size[1] - 1) * cell_step(conv);
    let down = conv.strides[0] * conv.padded_size()[1] * conv.input[2];
    across < reach && down + across + 1 >= reach
}
