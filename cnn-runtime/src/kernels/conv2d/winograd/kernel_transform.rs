//! The transformed kernels U: `G g Gᵀ`, in the order in which the products read them.
//!
//! U consists of panels of a few vectors of columns each, of which the last may be narrower:
//! `[panels][cells][depth][width]`, where cells are an odd number of cache lines apart. So the products of a panel read
//! it once from front to back. Rows behind the depth, up to a multiple of [`UNROLL`], and columns behind the last one
//! are zero.

use super::filtering::{Filtering, Five, Four, Two};
use super::gemm::{UNROLL, panel_start, panel_width, u_cell};
use super::{LINE, TileSize};
use crate::kernels::matmul;
use crate::kernels::simd::{Kernel, Simd};

/// Writes U.
pub(super) struct TransformKernel<'a> {
    pub size: TileSize,
    /// Channels of what the products read.
    pub depth: usize,
    /// Channels of what they write.
    pub columns: usize,
    /// `[9, depth, columns]`; `[9, columns, depth]` if `flipped`.
    pub kernel: &'a [f32],
    /// Whether the kernel is flipped and transposed, as for an input gradient.
    pub flipped: bool,
    /// U, overwritten.
    pub u: &'a mut [f32],
}

impl Kernel for TransformKernel<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        if const { matmul::replaces::<S>() } {
            unreachable!("a product that is matrixmultiply's");
        }
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            match self.size {
                TileSize::Two => transform::<S, Two, 4, 2>(self),
                TileSize::Four => transform::<S, Four, 6, 4>(self),
                TileSize::Five => transform::<S, Five, 7, 5>(self),
            }
        }
    }
}

/// Writes U for tiles of one size.
///
/// # Safety
/// The machine has the target features of `S`.
#[inline(always)]
unsafe fn transform<
    S: Simd,
    F: Filtering<EDGE, OUTPUTS>,
    const EDGE: usize,
    const OUTPUTS: usize,
>(
    kernel: TransformKernel<'_>,
) {
    let TransformKernel {
        depth,
        columns,
        kernel,
        flipped,
        u,
        ..
    } = kernel;
    let rows = depth.next_multiple_of(UNROLL);
    let step = depth * columns;
    assert!(
        kernel.len() == 9 * step
            && u.len() >= panel_start::<S>(EDGE * EDGE, [depth, columns], columns)
    );
    let taps = kernel.as_ptr();
    let mut block = [0.0; 9 * LINE * LINE];
    let mut first = 0;
    while first < columns {
        let width = panel_width::<S>(depth, columns, first);
        let start = panel_start::<S>(EDGE * EDGE, [depth, columns], first);
        for column in (first..first + width).step_by(S::LANES) {
            let count = S::LANES.min(columns - column);
            for row in (0..depth).step_by(S::LANES) {
                let high = S::LANES.min(depth - row);
                // SAFETY: rows and columns are those of the taps, and of the panel in U, which starts behind the panels
                // before it. No vector is longer than a line.
                unsafe {
                    let panel = u.as_mut_ptr().add(start);
                    let u = |row: usize| panel.add(row * width + column - first);
                    if flipped {
                        // Not `0..9`: LLVM would unroll the loop.
                        for tap in 0..kernel.len() / step {
                            S::transpose(
                                [count, high],
                                taps.add(kernel.len() - (tap + 1) * step + column * depth + row),
                                depth,
                                block.as_mut_ptr().add(tap * LINE * LINE),
                                LINE,
                            );
                        }
                    }
                    for i in 0..high {
                        let (g, step) = match flipped {
                            true => (block.as_ptr().add(i * LINE), LINE * LINE),
                            false => (taps.add((row + i) * columns + column), step),
                        };
                        transform_kernels::<S, F, EDGE, OUTPUTS>(
                            count,
                            g,
                            step,
                            u(row + i),
                            u_cell(rows, width),
                        );
                    }
                }
            }
        }
        // SAFETY: as above: the rows behind `depth`.
        unsafe {
            let panel = u.as_mut_ptr().add(start);
            for cell in 0..EDGE * EDGE {
                let behind = cell * u_cell(rows, width) + depth * width;
                panel.add(behind).write_bytes(0, (rows - depth) * width);
            }
        }
        first += width;
    }
}

/// `G g Gᵀ` of a vector of kernels. Taps are `step` floats apart, cells of the result `plane`.
///
/// # Safety
/// The machine has the target features of `S`, and taps and cells are valid.
#[inline(always)]
unsafe fn transform_kernels<
    S: Simd,
    F: Filtering<EDGE, OUTPUTS>,
    const EDGE: usize,
    const OUTPUTS: usize,
>(
    count: usize,
    taps: *const f32,
    step: usize,
    u: *mut f32,
    plane: usize,
) {
    // SAFETY: taps and cells are valid.
    unsafe {
        let mut rows = [[S::splat(0.0); 3]; EDGE];
        for j in 0..3 {
            let mut g = [S::splat(0.0); 3];
            for (i, g) in g.iter_mut().enumerate() {
                *g = S::load_first(taps.add((i * 3 + j) * step), count);
            }
            let column = F::kernel::<S>(g);
            for (i, row) in rows.iter_mut().enumerate() {
                row[j] = column[i];
            }
        }
        for (i, &row) in rows.iter().enumerate() {
            for (j, &value) in F::kernel::<S>(row).iter().enumerate() {
                S::store(u.add((i * EDGE + j) * plane), value);
            }
        }
    }
}
