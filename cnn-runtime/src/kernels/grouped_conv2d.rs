//! Convolution in groups: each group is a convolution of its own, by the kernels of `conv2d`.
//!
//! The channels of a group lie side by side in each cell. They are copied to an image of their own, and the
//! convolution of that image to its place among all filters:
//!
//! ```text
//! x, [cells, groups * channels] ── gather ──▶ [cells, channels] ── conv2d ──▶ [cells, filters] ── scatter ──▶ y
//! ```
//!
//! The kernel, `[height, width, channels, groups * filters]`, is cut in the same way, where it is packed. The sums of
//! its gradient lie group by group until [`finish_kernel_gradient`].

#[cfg(any(test, feature = "reference"))]
pub mod reference;

use super::{Isa, conv2d};
use cnn_ir::operation::{GroupedConv2d, Pass};

/// Floats of the weights as a pass wants them: for each group its kernel and the packed form of it.
pub(crate) const fn packed(grouped: &GroupedConv2d, pass: Pass) -> usize {
    grouped.groups * packed_of_group(grouped, pass)
}

const fn packed_of_group(grouped: &GroupedConv2d, pass: Pass) -> usize {
    let conv = &grouped.conv;
    let packed = match pass {
        Pass::Inference | Pass::Forward => conv2d::packed_forward(conv),
        Pass::Backward => conv2d::packed_backward(conv),
    };
    kernel_of_group(grouped) + packed
}

/// Of the packed weights of inference, so many floats in all, those that the convolution of a group packs.
pub(crate) const fn packed_convolution(grouped: &GroupedConv2d, packed: usize) -> usize {
    (packed / grouped.groups).saturating_sub(kernel_of_group(grouped))
}

/// Floats of the kernel of a group.
const fn kernel_of_group(grouped: &GroupedConv2d) -> usize {
    grouped.conv.patch() * grouped.conv.output[2]
}

/// Floats of the input and the output of a group, and of its kernel where it is not packed.
const fn operands_of_group(grouped: &GroupedConv2d, n: usize) -> usize {
    n * (grouped.conv.input_len() + grouped.conv.output_len()) + kernel_of_group(grouped)
}

/// The scratch memory of [`forward`], in floats, for up to `n` images.
pub(crate) const fn forward_scratch(grouped: &GroupedConv2d, n: usize) -> usize {
    operands_of_group(grouped, n) + conv2d::forward_scratch(&grouped.conv, n)
}

/// The scratch memory of any pass of training, in floats, for up to `n` images.
pub(crate) const fn training_scratch(grouped: &GroupedConv2d, n: usize) -> usize {
    operands_of_group(grouped, n) + conv2d::training_scratch(&grouped.conv, n)
}

/// Writes the weights as a pass wants them, [`packed`] floats.
///
/// # Panics
/// If a slice is of another length.
pub(crate) fn pack(
    grouped: &GroupedConv2d,
    pass: Pass,
    isa: Isa,
    kernel: &[f32],
    packed: &mut [f32],
) {
    let conv = &grouped.conv;
    let of_groups = packed.chunks_exact_mut(packed_of_group(grouped, pass));
    for (group, packed) in of_groups.enumerate() {
        let (own, packed) = packed.split_at_mut(kernel_of_group(grouped));
        Columns::filters(grouped, group).gather(kernel, own);
        match pass {
            Pass::Inference | Pass::Forward => conv2d::pack_forward(conv, isa, own, packed),
            Pass::Backward => conv2d::pack_backward(conv, isa, own, packed),
        }
    }
}

/// What [`forward`] computes.
#[derive(Clone, Copy)]
pub(crate) enum Extent {
    /// Whole images, for a pass.
    Images(Pass),
    /// Some rows of an image, for inference.
    Stripe,
}

/// Writes `x * kernel + bias`, `[n, ..output]`, without activation, of `x`, `[n, ..input]`. `bias` and `packed`, what
/// [`pack`] wrote for the pass, may be empty. `scratch` holds at least [`forward_scratch`] floats. Returns whether the
/// values stand, see [`conv2d::infer_stripe`].
///
/// # Panics
/// If a slice is of another length.
#[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
pub(crate) fn forward(
    grouped: &GroupedConv2d,
    extent: Extent,
    isa: Isa,
    n: usize,
    x: &[f32],
    kernel: &[f32],
    bias: &[f32],
    packed: &[f32],
    y: &mut [f32],
    scratch: &mut [f32],
) -> bool {
    let conv = &grouped.conv;
    let mut stands = true;
    let (x_of_group, scratch) = scratch.split_at_mut(n * conv.input_len());
    let (y_of_group, scratch) = scratch.split_at_mut(n * conv.output_len());
    let (unpacked, scratch) = scratch.split_at_mut(kernel_of_group(grouped));
    // Not `packed_of_group`: what is packed belongs to the whole, of which this may be a stripe.
    let length = packed.len() / grouped.groups;
    for group in 0..grouped.groups {
        let (channels, filters) = (
            Columns::channels(grouped, group),
            Columns::filters(grouped, group),
        );
        channels.gather(x, x_of_group);
        let (kernel, packed) = if packed.is_empty() {
            filters.gather(kernel, unpacked);
            (&*unpacked, &[][..])
        } else {
            packed[group * length..][..length].split_at(kernel_of_group(grouped))
        };
        let bias = bias.get(filters.first..filters.end()).unwrap_or_default();
        let (from, to) = (&*x_of_group, &mut *y_of_group);
        match extent {
            Extent::Stripe => {
                let filters = 0..conv.output[2];
                stands &= conv2d::infer_stripe(
                    conv, isa, from, kernel, bias, packed, filters, to, scratch,
                );
            }
            Extent::Images(Pass::Inference) => {
                conv2d::infer(conv, isa, n, from, kernel, bias, packed, to, scratch);
            }
            Extent::Images(Pass::Forward | Pass::Backward) => {
                conv2d::forward(
                    conv,
                    isa,
                    n,
                    from,
                    kernel,
                    bias,
                    packed,
                    to,
                    &mut [],
                    scratch,
                );
            }
        }
        filters.scatter(y_of_group, y);
    }
    stands
}

/// Adds the gradients of kernel and bias, from `dy`, `[n, ..output]`, before the activation. The sums of the kernel's
/// lie group by group: [`finish_kernel_gradient`] puts them in their places. An empty `bias_gradient` means no bias.
/// `scratch` holds at least [`training_scratch`] floats.
///
/// # Panics
/// If a slice is of another length.
#[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
pub(crate) fn backward_parameters(
    grouped: &GroupedConv2d,
    isa: Isa,
    n: usize,
    x: &[f32],
    dy: &[f32],
    kernel_sums: &mut [f32],
    bias_gradient: &mut [f32],
    scratch: &mut [f32],
) {
    let conv = &grouped.conv;
    let (x_of_group, scratch) = scratch.split_at_mut(n * conv.input_len());
    let (dy_of_group, scratch) = scratch.split_at_mut(n * conv.output_len());
    let sums = kernel_sums.chunks_exact_mut(kernel_of_group(grouped));
    for (group, sums) in sums.enumerate() {
        let filters = Columns::filters(grouped, group);
        Columns::channels(grouped, group).gather(x, x_of_group);
        filters.gather(dy, dy_of_group);
        let bias = bias_gradient.get_mut(filters.first..filters.end());
        let bias = bias.unwrap_or_default();
        let (x, dy) = (&*x_of_group, &*dy_of_group);
        conv2d::backward_parameters(conv, isa, n, x, dy, &[], sums, bias, scratch);
    }
}

/// Writes the gradient of the kernel, laid out as the kernel, from sums of [`backward_parameters`].
pub(crate) fn finish_kernel_gradient(
    grouped: &GroupedConv2d,
    sums: &[f32],
    kernel_gradient: &mut [f32],
) {
    let of_groups = sums.chunks_exact(kernel_of_group(grouped)).enumerate();
    for (group, sums) in of_groups {
        Columns::filters(grouped, group).scatter(sums, kernel_gradient);
    }
}

/// Writes the gradient with respect to the input, `[n, ..input]`, from what [`pack`] wrote for a backward pass.
/// `scratch` holds at least [`training_scratch`] floats.
///
/// # Panics
/// If a slice is of another length.
pub(crate) fn backward_input(
    grouped: &GroupedConv2d,
    isa: Isa,
    n: usize,
    dy: &[f32],
    packed: &[f32],
    dx: &mut [f32],
    scratch: &mut [f32],
) {
    let conv = &grouped.conv;
    let (dx_of_group, scratch) = scratch.split_at_mut(n * conv.input_len());
    let (dy_of_group, scratch) = scratch.split_at_mut(n * conv.output_len());
    let of_groups = packed.chunks_exact(packed_of_group(grouped, Pass::Backward));
    for (group, packed) in of_groups.enumerate() {
        Columns::filters(grouped, group).gather(dy, dy_of_group);
        let (_, packed) = packed.split_at(kernel_of_group(grouped));
        let (dy, to) = (&*dy_of_group, &mut *dx_of_group);
        conv2d::backward_input(conv, isa, n, dy, &[], packed, to, scratch);
        Columns::channels(grouped, group).scatter(dx_of_group, dx);
    }
}

/// Neighbouring columns of a matrix: the channels or filters of a group.
struct Columns {
    /// Columns of the matrix.
    all: usize,
    first: usize,
    count: usize,
}

impl Columns {
    const fn channels(grouped: &GroupedConv2d, group: usize) -> Self {
        let count = grouped.conv.input[2];
        Self {
            all: grouped.channels(),
            first: group * count,
            count,
        }
    }

    const fn filters(grouped: &GroupedConv2d, group: usize) -> Self {
        let count = grouped.conv.output[2];
        Self {
            all: grouped.filters(),
            first: group * count,
            count,
        }
    }

    const fn end(&self) -> usize {
        self.first + self.count
    }

    /// Copies them out of a matrix.
    fn gather(&self, matrix: &[f32], columns: &mut [f32]) {
        assert_eq!(
            matrix.len() * self.count,
            columns.len() * self.all,
            "rows of a group"
        );
        let rows = matrix.chunks_exact(self.all);
        for (row, to) in rows.zip(columns.chunks_exact_mut(self.count)) {
            to.copy_from_slice(&row[self.first..self.end()]);
        }
    }

    /// Copies them to their places in a matrix.
    fn scatter(&self, columns: &[f32], matrix: &mut [f32]) {
        assert_eq!(
            matrix.len() * self.count,
            columns.len() * self.all,
            "rows of a group"
        );
        let rows = matrix.chunks_exact_mut(self.all);
        for (row, from) in rows.zip(columns.chunks_exact(self.count)) {
            row[self.first..self.end()].copy_from_slice(from);
        }
    }
}
