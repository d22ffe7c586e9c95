//! Gradients that a max pool leaves mostly zero.
//!
//! Of each window of a fused pool one cell gets a gradient: with windows of 2x2 one value in four
//! of the convolution's gradient is not zero, fewer behind a relu. Both gradients can be sums over
//! these winners, of rows of the kernel or of the image, `row = kernel width * channels` values
//! side by side. It pays where a window brings [`PAYING_CELLS`] of its own, the ones that it does
//! not share with its neighbours:
//!
//! ```text
//! row >= 16    both gradients winner by winner; the input's by tiles, if `algorithm` finds them cheaper
//! row < 16     the kernel's gradient winner by winner, the input's as without a pool
//! ```
//!
//! [`FULL_ROW`]: a shorter row leaves a vector register partly idle. The input's gradient has few winners for each sum
//! then, and starts a sum for each cell. The kernel's gradient can run along the filters instead, each of which picks
//! the value that its winner sees; which of the two is faster depends on the instruction set
//! (see [`choice`](cnn_ir::choice::conv2d)).

use super::{Plan, Step};
use cnn_ir::Operation;
use cnn_ir::choice::conv2d::pooled::FULL_ROW;
use cnn_ir::operation::{Conv2d, InputGradient, KernelGradient};

/// The cells for each window from which on a list of winners pays: below, it costs what it saves.
const PAYING_CELLS: usize = 4;

/// Computes the gradients of convolutions behind their pools from the winners, where that pays.
pub(super) fn exploit(plan: &mut Plan) {
    for step in &mut plan.steps {
        let wanted = step.wanted();
        let Operation::Conv2d(conv) = &mut step.operation else {
            continue;
        };
        let Some(case) = Case::of(conv).filter(Case::pays) else {
            continue;
        };
        if wanted.tensors {
            conv.kernel_gradient = KernelGradient::PoolSparse;
        }
        if wanted.input && case.fills_rows() {
            conv.input_gradient = InputGradient::PoolSparse;
        }
    }
}

/// Why the gradients behind a fused pool are computed as they are.
pub(super) fn why(step: &Step) -> Vec<String> {
    let (wanted, Operation::Conv2d(conv)) = (step.wanted(), &step.operation) else {
        return Vec::new();
    };
    let Some(case) = Case::of(conv).filter(|_| wanted.any()) else {
        return Vec::new();
    };
    let Case { cells, row, .. } = case;
    let mut reasons = vec![format!("1 cell in {cells} gets a gradient")];
    if !case.pays() {
        reasons[0] += &format!(", sparse needs 1 in {PAYING_CELLS}");
    } else if !case.fills_rows() && wanted.input {
        reasons.push(format!(
            "back: rows of {row} values, sparse needs {FULL_ROW}"
        ));
    }
    reasons
}

/// A convolution with a fused pool.
struct Case {
    /// The cells of a window that are not the next window's too. One cell in so many gets a gradient.
    cells: usize,
    /// The values of the image that a row of the kernel covers.
    row: usize,
}

impl Case {
    fn of(conv: &Conv2d) -> Option<Self> {
        let pool = conv.pool?;
        let own = |axis: usize| pool.size[axis].min(pool.strides[axis]);
        Some(Self {
            cells: own(0) * own(1),
            row: conv.kernel[1] * conv.input[2],
        })
    }

    fn pays(&self) -> bool {
        self.cells >= PAYING_CELLS
    }

    fn fills_rows(&self) -> bool {
        self.row >= FULL_ROW
    }
}
