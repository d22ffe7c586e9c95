//! Values that become one: element by element, or side by side along the channels.
//!
//! ```text
//! forward    operands of the output's shape ─ a strip of cells at a time ─▶ output, with its activation
//!            others ─ a row at a time ─▶ the same
//! backward   the gradient, operands where they matter ─▶ the gradient of each operand, unless it is the output's
//! ```
//!
//! `operand` repeats an operand that has a single row, column or channel where the output has more.

mod loops;
mod operand;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
#[cfg(test)]
mod tests;

use self::loops::{Combine, Scale, Winner};
use self::operand::Operand;
use super::stripes::{self, Striped};
use super::{Backward, Execute, Forward, Infer, Sizes, activation, crop};
use crate::kernels::{Isa, columns};
use cnn_ir::Activation;
use cnn_ir::activation::Saved;
use cnn_ir::operation::{Inputs, Merge, MergeKind};

/// About how many values of each operand are taken at a time: few enough for the nearest cache.
const STRIP: usize = 2048;

/// A row of an operand that is repeated.
const fn row(merge: &Merge) -> usize {
    match merge.repeats() {
        true => merge.output[1] * merge.output[2],
        false => 0,
    }
}

/// A row of each operand, where any is repeated.
const fn rows_of_operands(merge: &Merge) -> usize {
    merge.inputs.count() * row(merge)
}

pub(super) const fn sizes(merge: &Merge, _micro_batch: usize) -> Sizes {
    let rows = rows_of_operands(merge);
    Sizes {
        inference: [rows, rows],
        // The backward pass makes a row of a gradient as well.
        training: row(merge) + rows,
        ..Sizes::NONE
    }
}

impl Execute for Merge {
    fn infer(&self, call: Infer<'_>) {
        stripes::infer(self, call);
    }

    fn forward(&self, call: Forward<'_>) {
        let (isa, scratch) = (call.run.isa, call.scratch);
        forward(self, isa, call.inputs, call.output, call.saved, scratch);
    }

    fn backward(&self, call: Backward<'_>) {
        let (isa, dy) = (call.run.isa, call.gradient);
        let saved = match self.activation.properties().saves {
            Saved::Output => call.output,
            Saved::PreActivation => call.saved,
        };
        if self.activation != Activation::Linear {
            activation::backward(self.activation, isa, self.output[2], saved, dy);
        }
        for (place, dx) in call.input_gradients.iter_mut().enumerate() {
            if dx.is_empty() {
                continue;
            }
            match self.kind {
                MergeKind::Concat => part(self, isa, place, dy, dx),
                MergeKind::Add
                | MergeKind::Subtract
                | MergeKind::Multiply
                | MergeKind::Average
                | MergeKind::Maximum
                | MergeKind::Minimum => {
                    backward(self, isa, place, call.inputs, dy, dx, call.scratch);
                }
            }
        }
    }
}

impl Striped for Merge {
    fn channels(&self) -> usize {
        self.output[2]
    }

    fn scratch(&self) -> usize {
        rows_of_operands(self)
    }

    fn infer_whole(&self, call: Infer<'_>) {
        let isa = call.run.isa;
        forward(self, isa, call.inputs, call.output, &mut [], call.scratch);
    }
}

/// Writes the output, and to `saved`, where it is not empty, what it was before the activation.
fn forward(
    merge: &Merge,
    isa: Isa,
    inputs: &[&[f32]],
    y: &mut [f32],
    saved: &mut [f32],
    scratch: &mut [f32],
) {
    match merge.kind {
        MergeKind::Concat => {
            side_by_side(merge, isa, inputs, y);
            activate(merge, isa, y, saved);
        }
        MergeKind::Add
        | MergeKind::Subtract
        | MergeKind::Multiply
        | MergeKind::Average
        | MergeKind::Maximum
        | MergeKind::Minimum => combine(merge, isa, inputs, y, saved, scratch),
    }
}

/// Keeps what is wanted of the values before the activation, and applies it.
fn activate(merge: &Merge, isa: Isa, y: &mut [f32], saved: &mut [f32]) {
    if !saved.is_empty() {
        saved.copy_from_slice(y);
    }
    activation::forward(merge.activation, isa, merge.output[2], y);
}

/// Where the channels of an operand lie in a cell of the output.
fn first_channel(merge: &Merge, place: usize) -> usize {
    let before = &merge.inputs.shapes()[..place];
    before.iter().map(|shape| shape[2]).sum()
}

/// The channels of all, one after the other.
fn side_by_side(merge: &Merge, isa: Isa, inputs: &[&[f32]], y: &mut [f32]) {
    let [rows, width, cell] = merge.output;
    for (place, (shape, x)) in merge.inputs.shapes().iter().zip(inputs).enumerate() {
        let (first, channels) = (first_channel(merge, place), shape[2]);
        let corner = [rows, width, channels];
        let steps = [channels, cell];
        if *shape == corner {
            // Without examples there is no first cell.
            let y = y.get_mut(first..).unwrap_or_default();
            columns::copy(isa, channels, steps, x, y);
            continue;
        }
        let lines = y.chunks_exact_mut(width * cell);
        for (y, x) in lines.zip(crop::rows(*shape, corner, x)) {
            columns::copy(isa, channels, steps, x, &mut y[first..]);
        }
    }
}

/// The gradient of one of several values that lie side by side.
fn part(merge: &Merge, isa: Isa, place: usize, dy: &[f32], dx: &mut [f32]) {
    let ([rows, width, cell], shape) = (merge.output, merge.inputs.shapes()[place]);
    let (first, channels) = (first_channel(merge, place), shape[2]);
    let corner = [rows, width, channels];
    let steps = [cell, channels];
    if shape == corner {
        let dy = dy.get(first..).unwrap_or_default();
        return columns::copy(isa, channels, steps, dy, dx);
    }
    dx.fill(0.0);
    let lines = dy.chunks_exact(width * cell);
    for (dx, dy) in crop::rows_mut(shape, corner, dx).zip(lines) {
        columns::copy(isa, channels, steps, &dy[first..], dx);
    }
}

/// What is taken of each operand; empty behind the last.
type Values<'a> = [&'a [f32]; Inputs::MOST];

/// Whether all operands have the shape of the output.
fn are_alike(merge: &Merge) -> bool {
    let mut shapes = merge.inputs.shapes().iter();
    shapes.all(|shape| *shape == merge.output)
}

/// A row of an image of each operand as the output has it. `buffers` keep what is repeated from a row to the next.
fn rows<'a>(
    merge: &Merge,
    inputs: &[&'a [f32]],
    [image, row]: [usize; 2],
    buffers: &'a mut [f32],
) -> Values<'a> {
    let mut buffers = buffers.chunks_exact_mut(merge.output[1] * merge.output[2]);
    let mut values: Values<'a> = Default::default();
    let operands = merge.inputs.shapes().iter().zip(inputs);
    for (values, (shape, x)) in values.iter_mut().zip(operands) {
        let operand = Operand::new(*shape, merge.output);
        let buffer = buffers.next().unwrap_or_default();
        *values = operand.row(operand.image(x, image), row, buffer);
    }
    values
}

/// All operands element by element.
fn combine(
    merge: &Merge,
    isa: Isa,
    inputs: &[&[f32]],
    y: &mut [f32],
    saved: &mut [f32],
    scratch: &mut [f32],
) {
    let [_, columns, channels] = merge.output;
    if are_alike(merge) {
        let strip = (STRIP / channels).max(1) * channels;
        let mut saved = saved.chunks_mut(strip);
        for (index, y) in y.chunks_mut(strip).enumerate() {
            let mut values: Values<'_> = Default::default();
            for (values, x) in values.iter_mut().zip(inputs) {
                *values = &x[index * strip..][..y.len()];
            }
            combine_strip(merge, isa, &values, y, saved.next().unwrap_or_default());
        }
        return;
    }
    let mut saved = saved.chunks_exact_mut(columns * channels);
    for (n, y) in y.chunks_exact_mut(merge.output_len()).enumerate() {
        for (index, y) in y.chunks_exact_mut(columns * channels).enumerate() {
            let values = rows(merge, inputs, [n, index], scratch);
            combine_strip(merge, isa, &values, y, saved.next().unwrap_or_default());
        }
    }
}

/// Some values of the output.
fn combine_strip(merge: &Merge, isa: Isa, values: &Values<'_>, y: &mut [f32], saved: &mut [f32]) {
    let (kind, count) = (merge.kind, merge.inputs.count());
    let takes_relu = merge.activation == Activation::Relu && kind != MergeKind::Average;
    for place in 1..count {
        isa.run_loop(Combine {
            kind,
            a: (place == 1).then_some(values[0]),
            b: values[place],
            relu: takes_relu && place + 1 == count,
            y,
        });
    }
    if kind == MergeKind::Average {
        let factor = 1.0 / count as f32;
        isa.run_loop(Scale { factor, x: None, y });
    }
    if !takes_relu {
        activate(merge, isa, y, saved);
    }
}

/// Writes the gradient of one operand.
fn backward(
    merge: &Merge,
    isa: Isa,
    place: usize,
    inputs: &[&[f32]],
    dy: &[f32],
    dx: &mut [f32],
    scratch: &mut [f32],
) {
    if are_alike(merge) {
        let mut values: Values<'_> = Default::default();
        values[..inputs.len()].copy_from_slice(inputs);
        return derive(merge, isa, place, &values, dy, dx);
    }
    let shape = merge.inputs.shapes()[place];
    let operand = Operand::new(shape, merge.output);
    let row = merge.output[1] * merge.output[2];
    let (sum, buffers) = scratch.split_at_mut(if merge.repeats() { row } else { 0 });
    if shape != merge.output {
        dx.fill(0.0);
    }
    for (n, dy) in dy.chunks_exact(merge.output_len()).enumerate() {
        let dx = operand.image_mut(dx, n);
        for (index, dy) in dy.chunks_exact(row).enumerate() {
            let values = rows(merge, inputs, [n, index], buffers);
            match operand.is_repeated() {
                true => {
                    derive(merge, isa, place, &values, dy, sum);
                    operand.add_row(isa, index, sum, dx);
                }
                false => derive(merge, isa, place, &values, dy, operand.row_mut(dx, index)),
            }
        }
    }
}

/// Writes the gradient with respect to an operand, as the output has it. `values` are those of the operands, where they
/// matter.
fn derive(merge: &Merge, isa: Isa, place: usize, values: &Values<'_>, dy: &[f32], dx: &mut [f32]) {
    let count = merge.inputs.count();
    let others = (0..count).filter(|other| *other != place);
    // The first of them finds the output's gradient, the next ones what has become of it.
    let others = others.enumerate();
    let others = others.map(|(turn, other)| (other, (turn == 0).then_some(dy)));
    match merge.kind {
        MergeKind::Add | MergeKind::Concat => dx.copy_from_slice(dy),
        MergeKind::Subtract if place == 0 => dx.copy_from_slice(dy),
        MergeKind::Subtract => isa.run_loop(Scale {
            factor: -1.0,
            x: Some(dy),
            y: dx,
        }),
        MergeKind::Average => isa.run_loop(Scale {
            factor: 1.0 / count as f32,
            x: Some(dy),
            y: dx,
        }),
        MergeKind::Multiply => {
            for (other, dy) in others {
                isa.run_loop(Combine {
                    kind: MergeKind::Multiply,
                    a: dy,
                    b: values[other],
                    relu: false,
                    y: dx,
                });
            }
        }
        MergeKind::Maximum | MergeKind::Minimum => {
            for (other, dy) in others {
                isa.run_loop(Winner {
                    // What stands first goes before its equals.
                    is_before: place < other,
                    sign: if merge.kind == MergeKind::Minimum {
                        -1.0
                    } else {
                        1.0
                    },
                    mine: values[place],
                    theirs: values[other],
                    dy,
                    dx,
                });
            }
        }
    }
}
