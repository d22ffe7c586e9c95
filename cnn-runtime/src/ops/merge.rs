//! Values that become one: element by element, or side by side along the channels.
//!
//! ```text
//! forward    rows of every input ─▶ a row of the output
//! backward   a row of its gradient, rows of the inputs where they matter ─▶ a row of each input's gradient
//! ```

#[cfg(any(test, feature = "reference"))]
pub mod reference;

use super::{Backward, Execute, Forward, Infer, Sizes, activation, crop};
use crate::kernels::Isa;
use crate::kernels::simd::Loop;
use cnn_ir::Activation;
use cnn_ir::activation::Saved;
use cnn_ir::operation::{Merge, MergeKind};

pub(super) const fn sizes(_: &Merge, _micro_batch: usize) -> Sizes {
    Sizes::NONE
}

impl Execute for Merge {
    fn infer(&self, call: Infer<'_>) {
        forward(self, call.run.isa, call.inputs, call.output);
        activation::forward(self.activation, call.run.isa, self.output[2], call.output);
    }

    fn forward(&self, call: Forward<'_>) {
        let isa = call.run.isa;
        forward(self, isa, call.inputs, call.output);
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
            if !dx.is_empty() {
                backward(self, isa, place, call.inputs, dy, dx);
            }
        }
    }
}

/// Writes the output, without activation.
fn forward(merge: &Merge, isa: Isa, inputs: &[&[f32]], y: &mut [f32]) {
    let shapes = merge.inputs.shapes();
    if merge.kind == MergeKind::Concat {
        let mut first = 0;
        for (shape, x) in shapes.iter().zip(inputs) {
            let corner = [merge.output[0], merge.output[1], shape[2]];
            let cells = y.chunks_exact_mut(merge.output[2]);
            let rows = crop::rows(*shape, corner, x);
            let values = rows.flat_map(|row| row.chunks_exact(shape[2]));
            for (cell, values) in cells.zip(values) {
                cell[first..first + shape[2]].copy_from_slice(values);
            }
            first += shape[2];
        }
        return;
    }
    let ([shape, others @ ..], [x, inputs @ ..]) = (shapes, inputs) else {
        return;
    };
    crop::copy(*shape, merge.output, x, y);
    let row = merge.output[1] * merge.output[2];
    for (shape, x) in others.iter().zip(inputs) {
        let rows = crop::rows(*shape, merge.output, x);
        for (y, x) in y.chunks_exact_mut(row).zip(rows) {
            isa.run_loop(Combine {
                kind: merge.kind,
                x,
                y,
            });
        }
    }
    if merge.kind == MergeKind::Average {
        let factor = 1.0 / shapes.len() as f32;
        isa.run_loop(Scale { factor, y });
    }
}

/// Writes the gradient of one input.
fn backward(merge: &Merge, isa: Isa, place: usize, inputs: &[&[f32]], dy: &[f32], dx: &mut [f32]) {
    let shapes = merge.inputs.shapes();
    let shape = shapes[place];
    let corner = [merge.output[0], merge.output[1], shape[2]];
    if merge.kind == MergeKind::Concat {
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
        return;
    }
    crop::scatter(shape, merge.output, dy, dx);
    match merge.kind {
        MergeKind::Add | MergeKind::Concat => {}
        MergeKind::Subtract if place == 0 => {}
        MergeKind::Subtract => isa.run_loop(Scale {
            factor: -1.0,
            y: dx,
        }),
        MergeKind::Average => isa.run_loop(Scale {
            factor: 1.0 / shapes.len() as f32,
            y: dx,
        }),
        MergeKind::Multiply => {
            for other in (0..shapes.len()).filter(|other| *other != place) {
                let factors = crop::rows(shapes[other], merge.output, inputs[other]);
                for (dx, factor) in crop::rows_mut(shape, corner, dx).zip(factors) {
                    isa.run_loop(Combine {
                        kind: MergeKind::Multiply,
                        x: factor,
                        y: dx,
                    });
                }
            }
        }
        MergeKind::Maximum | MergeKind::Minimum => {
            for other in (0..shapes.len()).filter(|other| *other != place) {
                let mine = crop::rows(shape, merge.output, inputs[place]);
                let theirs = crop::rows(shapes[other], merge.output, inputs[other]);
                for ((dx, mine), theirs) in crop::rows_mut(shape, corner, dx).zip(mine).zip(theirs)
                {
                    isa.run_loop(Winner {
                        // What stands first goes before its equals.
                        is_before: place < other,
                        sign: if merge.kind == MergeKind::Minimum {
                            -1.0
                        } else {
                            1.0
                        },
                        mine,
                        theirs,
                        dx,
                    });
                }
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
