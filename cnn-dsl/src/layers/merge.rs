//! `add` and its kind: several values that become one.

use super::{Layer, LayerKind, Op, Takes};
use crate::check::arguments::{Reader, Reported};
use crate::check::shape::Site;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Activation, Shape};
use cnn_ir::Operation;
use cnn_ir::operation::{self, Inputs, MergeKind, image};

/// Several values that become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merge {
    /// How.
    pub kind: MergeKind,
}

/// A row for each way.
macro_rules! merge {
    ($Row:ident, $Kind:ident, $name:literal, $others:expr, $docs:literal, $example:literal) => {
        pub(super) const $Row: LayerKind = LayerKind {
            name: $name,
            other_names: $others,
            docs: $docs,
            example: Some($example),
            takes: Takes::Several,
            view: None,
            parameters: &[],
            read: |reader| read(reader, MergeKind::$Kind),
        };
    };
}

merge!(
    ADD,
    Add,
    "add",
    &["sum", "residual", "skip"],
    "The sum of values, element by element; with a single label, of the line above and that one. An axis of 1 is repeated, and so is a flat value, of as many values as an image has channels, along its cells.",
    "add(main, shortcut)"
);
merge!(
    SUBTRACT,
    Subtract,
    "subtract",
    &["sub", "minus"],
    "The first of two values minus the second; with a single label, the line above minus that one. Axes of 1 are repeated, as by `add`.",
    "subtract(a, b)"
);
merge!(
    MULTIPLY,
    Multiply,
    "multiply",
    &["mul", "prod"],
    "The product of values, element by element; with a single label, of the line above and that one. An axis of 1 is repeated, and so is a flat value, of as many values as an image has channels, along its cells.",
    "multiply(a, b)"
);
merge!(
    AVERAGE,
    Average,
    "average",
    &["mean"],
    "The mean of values, element by element; with a single label, of the line above and that one. Axes of 1 are repeated, as by `add`.",
    "average(a, b)"
);
merge!(
    MAXIMUM,
    Maximum,
    "maximum",
    &["max"],
    "The largest of values, element by element; with a single label, of the line above and that one. Axes of 1 are repeated, as by `add`.",
    "maximum(a, b)"
);
merge!(
    MINIMUM,
    Minimum,
    "minimum",
    &["min"],
    "The smallest of values, element by element; with a single label, of the line above and that one. Axes of 1 are repeated, as by `add`.",
    "minimum(a, b)"
);
merge!(
    CONCAT,
    Concat,
    "concat",
    &["concatenate", "cat", "stack"],
    "Values side by side along the last axis, the channels of an image; with a single label, the line above and that one.",
    "concat(a, b)"
);

fn read(reader: &mut Reader<'_, '_>, kind: MergeKind) -> Result<Op, Reported> {
    let most = match kind {
        MergeKind::Subtract => 2,
        MergeKind::Add
        | MergeKind::Multiply
        | MergeKind::Average
        | MergeKind::Maximum
        | MergeKind::Minimum
        | MergeKind::Concat => Inputs::MOST,
    };
    reader.operands(most)?;
    Ok(Op::Merge(Merge { kind }))
}

impl Layer for Merge {
    fn join(&self, inputs: &[Shape], site: &mut Site<'_, '_>) -> Result<Shape, Reported> {
        let Some((first, others)) = inputs.split_first() else {
            return Err(Reported);
        };
        let mut shape = first.clone();
        for (place, other) in others.iter().enumerate() {
            let Some(joined) = self.joined(&shape, other) else {
                // One of the values before it does not go together with it.
                let fits = |one: &Shape| self.joined(one, other).is_some();
                let one = inputs.iter().position(|one| !fits(one)).unwrap_or(0);
                return Err(self.mismatch([one, place + 1], inputs, site));
            };
            shape = joined;
        }
        Ok(shape)
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        match self.kind {
            MergeKind::Concat => 0,
            MergeKind::Average => inputs.len() as u64,
            MergeKind::Add
            | MergeKind::Subtract
            | MergeKind::Multiply
            | MergeKind::Maximum
            | MergeKind::Minimum => inputs.len().saturating_sub(1) as u64,
        }
    }

    fn activation(&self) -> Option<Activation> {
        Some(Activation::Linear)
    }

    fn operation(&self, inputs: &[Shape], output: &Shape) -> Option<Operation> {
        let mut shapes = [[0; 3]; Inputs::MOST];
        for (shape, input) in shapes.iter_mut().zip(inputs) {
            *shape = image(&input.0);
        }
        let merge = operation::Merge {
            kind: self.kind,
            inputs: Inputs::new(&shapes[..inputs.len()]),
            output: image(&output.0),
            activation: Activation::Linear,
        };
        Some(merge.into())
    }
}

/// The shape of two values element by element, as in numpy: the last axes stand below each other, and an axis of 1, or
/// one that is missing, is repeated.
fn broadcast(one: &[usize], other: &[usize]) -> Option<Vec<usize>> {
    let axes = one.len().max(other.len());
    let axis = |shape: &[usize], axis: usize| match (axis + shape.len()).checked_sub(axes) {
        Some(place) => shape[place],
        None => 1,
    };
    (0..axes)
        .map(|place| match (axis(one, place), axis(other, place)) {
            (a, b) if a == b || b == 1 => Some(a),
            (1, b) => Some(b),
            _ => None,
        })
        .collect()
}

impl Merge {
    /// The shape of two values as one, if they go together.
    fn joined(&self, one: &Shape, other: &Shape) -> Option<Shape> {
        match self.kind {
            MergeKind::Concat => {
                let ([axes @ .., one], [others @ .., other]) = (&one.0[..], &other.0[..]) else {
                    return None;
                };
                let sum = one.saturating_add(*other);
                (axes == others).then(|| Shape([axes, &[sum]].concat()))
            }
            MergeKind::Add
            | MergeKind::Subtract
            | MergeKind::Multiply
            | MergeKind::Average
            | MergeKind::Maximum
            | MergeKind::Minimum => broadcast(&one.0, &other.0).map(Shape),
        }
    }

    /// Reports two of the values that do not go together, with what makes them.
    fn mismatch(
        &self,
        [one, other]: [usize; 2],
        inputs: &[Shape],
        site: &mut Site<'_, '_>,
    ) -> Reported {
        let [(a, _), (b, at)] = [site.operand(one), site.operand(other)];
        let name = site.name();
        let [first, second] = [&inputs[one], &inputs[other]];
        let message = format!("`{name}` joins `{a}`, {first}, with `{b}`, {second}");
        let diagnostic = Diagnostic::new(Code::JoinMismatch, at, message);
        let diagnostic = match self.kind {
            MergeKind::Concat => diagnostic.note("all axes but the last have to be equal"),
            MergeKind::Add
            | MergeKind::Subtract
            | MergeKind::Multiply
            | MergeKind::Average
            | MergeKind::Maximum
            | MergeKind::Minimum => {
                diagnostic.note("the two shapes have to be equal, but for axes of 1")
            }
        };
        let help = self.help(first, second, (&a, one), (&b, other), site);
        site.report(diagnostic.maybe_help(help))
    }

    /// What to write so that the two go together.
    fn help(
        &self,
        first: &Shape,
        other: &Shape,
        (a, at_a): (&str, usize),
        (b, at_b): (&str, usize),
        site: &Site<'_, '_>,
    ) -> Option<String> {
        let (Some([rows, columns, channels]), Some([rows_b, columns_b, channels_b])) =
            (first.image(), other.image())
        else {
            let (image, name, flat) = match (first.image(), other.image()) {
                (Some(_), None) => (first, a, b),
                (None, Some(_)) => (other, b, a),
                (None, None) | (Some(_), Some(_)) => return None,
            };
            let channels = image.0.last().filter(|_| self.kind != MergeKind::Concat);
            return Some(match channels {
                Some(channels) => format!(
                    "bring `{flat}` to {channels} values, one for each channel of `{name}`, as in `dense({channels})`"
                ),
                None => format!("`flatten` `{name}` first ({image} → {})", image.len()),
            });
        };
        // What is repeated needs no other size.
        let meets = |x: usize, y: usize| match self.kind != MergeKind::Concat && x == 1 {
            true => y,
            false => x,
        };
        let [rows, rows_b] = [meets(rows, rows_b), meets(rows_b, rows)];
        let [columns, columns_b] = [meets(columns, columns_b), meets(columns_b, columns)];
        let [filters, filters_b] = [meets(channels_b, channels), meets(channels, channels_b)];
        let larger = |x: usize, y: usize| x.max(y).checked_div(x.min(y));
        let ratio = [larger(rows, rows_b)?, larger(columns, columns_b)?];
        // The one that has to become smaller, and the channels that it should have.
        let (name, at, filters) = match rows * columns >= rows_b * columns_b {
            true => (a, at_a, filters),
            false => (b, at_b, filters_b),
        };
        let differs = [rows, columns] != [rows_b, columns_b];
        let is_exact = rows.max(rows_b).div_ceil(ratio[0]) == rows.min(rows_b)
            && columns.max(columns_b).div_ceil(ratio[1]) == columns.min(columns_b);
        if differs && ratio == [1, 1] {
            let smaller = if name == a { b } else { a };
            return Some(format!(
                "write `padding = same` in the lines that lead to `{smaller}`, the smaller one"
            ));
        }
        if differs && is_exact {
            let strides = match ratio {
                [rows, columns] if rows == columns => rows.to_string(),
                [rows, columns] => format!("{rows}x{columns}"),
            };
            return Some(format!(
                "bring `{name}` to the same size, as in \
                 `shortcut: conv2d({filters}, 1x1, strides = {strides}, padding = same{});`",
                site.from(at)
            ));
        }
        (!differs && self.kind != MergeKind::Concat).then(|| {
            format!(
                "bring `{b}` to {channels} channels, as in \
                 `shortcut: conv2d({channels}, 1x1{});`",
                site.from(at_b)
            )
        })
    }
}
