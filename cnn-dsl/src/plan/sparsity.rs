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
//! row < 16     kernel gradient: windowed if its cost <= 24, else winner by winner
//!              input gradient: as without a pool
//! ```
//!
//! - [`FULL_ROW`]: a shorter row leaves a vector register partly idle. The input's gradient has few
//!   winners for each sum then, and starts a sum for each cell.
//! - [`WINDOWED`]: the kernel's gradient can run along the filters instead, each of which picks the value that its
//!   winner sees from two rows of the window, if these are short ([`REACH`]); or, behind a plain pool of 2x2, along a
//!   row of windows, over all places of them. The cost is that of a winner's row, in multiply-adds, where whole
//!   vectors of 16 of these `n` filters or windows are taken, and a pick counts as [`PICK`] of them:
//!
//! ```text
//! filters      row  4 ceil(window height / 2)  ceil16(n) / n
//! windows      row  window                     ceil16(n) / n
//! ```
//!
//!   The first layer of the MNIST tutorial (3 x 4, 32 filters) costs 12, that of LeNet-5 (5 x 4, 14 windows) 23, an
//!   image of three colours (9 x 4, 32 filters) 36.
//!
//! [`FULL_ROW`] and [`WINDOWED`] were measured on a machine with AVX-512 and AVX2.

use super::{Plan, Step};
use cnn_ir::Operation;
use cnn_ir::choice::conv2d::pooled::supports_channel_planes;
use cnn_ir::operation::{Conv2d, InputGradient, KernelGradient};

/// The cells for each window from which on a list of winners pays: below, it costs what it saves.
const PAYING_CELLS: usize = 4;

/// The shortest row, in values, whose sums fill vector registers: measured on a machine with
/// AVX-512 and AVX2, where one register and two hold so many.
const FULL_ROW: usize = 16;

/// What a pick costs, in multiply-adds.
const PICK: usize = 4;

/// The most values from the first to the last that a row of a window has for a tap: what a pick reaches with AVX2; with
/// AVX-512 it is more.
const REACH: usize = 4;

/// The filters or windows that the windowed gradient takes at a time.
const VECTOR: usize = 16;

/// The highest cost of the windowed gradient, in multiply-adds for each winner, that pays: measured
/// on a machine with AVX-512 and AVX2. It is the faster one at 12, and behind pools of 3x3 at 24 (by 1.3 and 2.4 times
/// where windows overlap, by 1.4 and 2.5 where they do not). At 36 it takes 1.3 times as long as winner by winner
/// with AVX2, but 0.7 times with AVX-512.
const WINDOWED: usize = 24;

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
            conv.kernel_gradient = case.kernel_gradient();
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
    } else if !case.fills_rows() {
        if wanted.tensors {
            reasons.push(match case.windowed() {
                Some(cost) => format!("windowed costs {cost}, pays up to {WINDOWED}"),
                None => format!("windowed needs rows of up to {REACH} values in a window"),
            });
        }
        if wanted.input {
            reasons.push(format!(
                "back: rows of {row} values, sparse needs {FULL_ROW}"
            ));
        }
    }
    reasons
}

/// A convolution with a fused pool.
struct Case {
    /// The cells of a window.
    window: usize,
    /// Those of them that are not the next window's too. One cell in so many gets a gradient.
    cells: usize,
    /// The values of the image that a row of the kernel covers.
    row: usize,
    filters: usize,
    /// Pairs of rows of a window, if the windowed gradient can run along the filters.
    pairs: Option<usize>,
    /// The windows of a row, if the windowed gradient can run along them.
    windows: Option<usize>,
}

impl Case {
    fn of(conv: &Conv2d) -> Option<Self> {
        let pool = conv.pool?;
        let [_, _, channels] = conv.input;
        let [_, _, filters] = conv.output;
        let own = |axis: usize| pool.size[axis].min(pool.strides[axis]);
        let is_narrow = (pool.size[1] - 1) * conv.strides[1] * channels < REACH;
        let [_, windows] = pool.output;
        Some(Self {
            window: pool.size[0] * pool.size[1],
            cells: own(0) * own(1),
            row: conv.kernel[1] * channels,
            filters,
            pairs: is_narrow.then_some(pool.size[0].div_ceil(2)),
            windows: supports_channel_planes(conv).then_some(windows),
        })
    }

    fn pays(&self) -> bool {
        self.cells >= PAYING_CELLS
    }

    fn fills_rows(&self) -> bool {
        self.row >= FULL_ROW
    }

    fn kernel_gradient(&self) -> KernelGradient {
        match self.windowed() {
            Some(cost) if !self.fills_rows() && cost <= WINDOWED => KernelGradient::Windowed,
            _ => KernelGradient::PoolSparse,
        }
    }

    /// The cost of the windowed gradient, in multiply-adds for each winner, rounded up.
    fn windowed(&self) -> Option<usize> {
        let along =
            |steps: usize, n: usize| (self.row * steps * n.next_multiple_of(VECTOR)).div_ceil(n);
        let filters = self.pairs.map(|pairs| along(PICK * pairs, self.filters));
        let windows = self.windows.map(|n| along(self.window, n));
        filters.into_iter().chain(windows).min()
    }
}
