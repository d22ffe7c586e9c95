//! Values that become one: element by element, or side by side along the channels.
//!
//! ```text
//! forward    rows of every operand ─▶ a row of the output
//! backward   a row of its gradient, rows of the operands where they matter ─▶ a row of each operand's gradient
//! ```
//!
//! `operand` repeats an operand that has a single row, column or channel where the output has more.

mod operand;
#[cfg(any(test, feature = "reference"))]
pub mod reference;

use self::operand::Operand;
use super::{Backward, Execute, Forward, Infer, Sizes, activation, crop};
use crate::kernels::Isa;
use crate::kernels::simd::Loop;
use cnn_ir::Activation;
use cnn_ir::activation::Saved;
use cnn_ir::operation::{Merge, MergeKind};

/// Rows that the backward pass makes: a gradient, and two operands.
const ROWS: usize = 3;

pub(super) const fn sizes(merge: &Merge, _micro_batch: usize) -> Sizes {
    let row = match merge.repeats() {
        true => merge.output[1] * merge.output[2],
        false => 0,
    };
    Sizes {
        inference: [row, row],
        training: ROWS * row,
        ..Sizes::NONE
    }
}

impl Execute for Merge {
    fn infer(&self, call: Infer<'_>) {
        forward(self, call.run.isa, call.inputs, call.output, call.scratch);
        activation::forward(self.activation, call.run.isa, self.output[2], call.output);
    }

    fn forward(&self, call: Forward<'_>) {
        let isa = call.run.isa;
        forward(self, isa, call.inputs, call.output, call.scratch);
        if !call.saved.is_empty() {
            call.saved.copy_from_slice(call.output);
        }
        activation::forward(self.activation, isa, self.output[2], call.output);
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
                MergeKind::Concat => part(self, place, dy, dx),
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

/// Writes the output, without activation.
fn forward(merge: &Merge, isa: Isa, inputs: &[&[f32]], y: &mut [f32], scratch: &mut [f32]) {
    match merge.kind {
        MergeKind::Concat => side_by_side(merge, inputs, y),
        MergeKind::Add
        | MergeKind::Subtract
        | MergeKind::Multiply
        | MergeKind::Average
        | MergeKind::Maximum
        | MergeKind::Minimum => combine(merge, isa, inputs, y, scratch),
    }
}

/// The channels of all, one after the other.
fn side_by_side(merge: &Merge, inputs: &[&[f32]], y: &mut [f32]) {
    let mut first = 0;
    for (shape, x) in merge.inputs.shapes().iter().zip(inputs) {
        let corner = [merge.output[0], merge.output[1], shape[2]];
        let cells = y.chunks_exact_mut(merge.output[2]);
        let rows = crop::rows(*shape, corner, x);
        let values = rows.flat_map(|row| row.chunks_exact(shape[2]));
        for (cell, values) in cells.zip(values) {
            cell[first..first + shape[2]].copy_from_slice(values);
        }
        first += shape[2];
    }
}

/// The gradient of one of several values that lie side by side.
fn part(merge: &Merge, place: usize, dy: &[f32], dx: &mut [f32]) {
    let shapes = merge.inputs.shapes();
    let shape = shapes[place];
    let corner = [merge.output[0], merge.output[1], shape[2]];
    let first: usize = shapes[..place].iter().map(|shape| shape[2]).sum();
    let cells = dy.chunks_exact(merge.output[2]);
    let mut values = cells.map(|cell| &cell[first..first + shape[2]]);
    if shape != corner {
        dx.fill(0.0);
    }
    for row in crop::rows_mut(shape, corner, dx) {
        for (dx, dy) in row.chunks_exact_mut(shape[2]).zip(&mut values) {
            dx.copy_from_slice(dy);
        }
    }
}

/// All operands element by element.
fn combine(merge: &Merge, isa: Isa, inputs: &[&[f32]], y: &mut [f32], scratch: &mut [f32]) {
    let row = merge.output[1] * merge.output[2];
    for (place, (shape, x)) in merge.inputs.shapes().iter().zip(inputs).enumerate() {
        let operand = Operand::new(*shape, merge.output);
        for (n, y) in y.chunks_exact_mut(merge.output_len()).enumerate() {
            let x = operand.image(x, n);
            for (index, y) in y.chunks_exact_mut(row).enumerate() {
                let x = operand.row(x, index, scratch);
                if place == 0 {
                    y.copy_from_slice(x);
                    continue;
                }
                isa.run_loop(Combine {
                    kind: merge.kind,
                    x,
                    y,
                });
            }
        }
    }
    if merge.kind == MergeKind::Average {
        let factor = 1.0 / inputs.len() as f32;
        isa.run_loop(Scale { factor, y });
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
            let gradient = match operand.is_repeated() {
                true => &mut *sum,
                false => operand.row_mut(dx, index),
            };
            gradient.copy_from_slice(dy);
            derive(merge, isa, place, inputs, [n, index], gradient, buffers);
            if operand.is_repeated() {
                operand.add_row(isa, index, sum, dx);
            }
        }
    }
}

/// Makes the gradient with respect to an operand, as the output has it, of the output's gradient: a row of an image.
fn derive(
    merge: &Merge,
    isa: Isa,
    place: usize,
    inputs: &[&[f32]],
    [image, row]: [usize; 2],
    gradient: &mut [f32],
    buffers: &mut [f32],
) {
    let shapes = merge.inputs.shapes();
    let (mine, theirs) = buffers.split_at_mut(buffers.len() / 2);
    let others = (0..shapes.len()).filter(|other| *other != place);
    let values = |place: usize| {
        let operand = Operand::new(shapes[place], merge.output);
        (operand, operand.image(inputs[place], image))
    };
    match merge.kind {
        MergeKind::Add | MergeKind::Concat => {}
        MergeKind::Subtract if place == 0 => {}
        MergeKind::Subtract => isa.run_loop(Scale {
            factor: -1.0,
            y: gradient,
        }),
        MergeKind::Average => isa.run_loop(Scale {
            factor: 1.0 / shapes.len() as f32,
            y: gradient,
        }),
        MergeKind::Multiply => {
            for other in others {
                let (operand, x) = values(other);
                isa.run_loop(Combine {
                    kind: MergeKind::Multiply,
                    x: operand.row(x, row, theirs),
                    y: gradient,
                });
            }
        }
        MergeKind::Maximum | MergeKind::Minimum => {
            let (operand, x) = values(place);
            let mine = operand.row(x, row, mine);
            for other in others {
                let (operand, x) = values(other);
                isa.run_loop(Winner {
                    // What stands first goes before its equals.
                    is_before: place < other,
                    sign: if merge.kind == MergeKind::Minimum {
                        -1.0
                    } else {
                        1.0
                    },
                    mine,
                    theirs: operand.row(x, row, theirs),
                    dx: gradient,
                });
            }
        }
    }
}

/// `y = y ∘ x`.
struct Combine<'a> {
    kind: MergeKind,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Loop for Combine<'_> {
    #[inline(always)]
    fn run(self) {
        let values = self.y.iter_mut().zip(self.x);
        match self.kind {
            MergeKind::Add | MergeKind::Average => values.for_each(|(y, x)| *y += x),
            MergeKind::Subtract => values.for_each(|(y, x)| *y -= x),
            MergeKind::Multiply => values.for_each(|(y, x)| *y *= x),
            // What is not a number stays, whichever of the two it is.
            MergeKind::Maximum => {
                values.for_each(|(y, x)| *y = if *x > *y || x.is_nan() { *x } else { *y });
            }
            MergeKind::Minimum => {
                values.for_each(|(y, x)| *y = if *x < *y || x.is_nan() { *x } else { *y });
            }
            MergeKind::Concat => {}
        }
    }
}

/// `y *= factor`.
struct Scale<'a> {
    factor: f32,
    y: &'a mut [f32],
}

impl Loop for Scale<'_> {
    #[inline(always)]
    fn run(self) {
        for y in self.y.iter_mut() {
            *y *= self.factor;
        }
    }
}

/// Leaves the gradient where a value is the largest of two; with a sign of -1 the smallest.
struct Winner<'a> {
    is_before: bool,
    sign: f32,
    mine: &'a [f32],
    theirs: &'a [f32],
    dx: &'a mut [f32],
}

impl Loop for Winner<'_> {
    #[inline(always)]
    fn run(self) {
        let values = self.mine.iter().zip(self.theirs);
        for (dx, (mine, theirs)) in self.dx.iter_mut().zip(values) {
            let (mine, theirs) = (self.sign * mine, self.sign * theirs);
            let wins = mine > theirs || (self.is_before && mine == theirs);
            if !wins {
                *dx = 0.0;
            }
        }
    }
}
