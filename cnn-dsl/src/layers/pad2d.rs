//! `zero_padding2d` and `cropping2d`: zeros around an image, and an image without its edges.

use super::{Layer, LayerKind, Op, Takes, argument};
use crate::check::arguments::{Reader, Reported};
use crate::check::shape::Site;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Node, Shape};
use crate::syntax::{Argument, Value, ValueKind};
use cnn_ir::Operation;
use cnn_ir::operation::{self, image};

/// Zeros around an image, or an image without its edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pad2d {
    /// Whether rows and columns are added or taken away.
    pub kind: PadKind,
    /// How many of them: `[[top, bottom], [left, right]]`.
    pub sides: [[usize; 2]; 2],
}

/// What becomes of the edges of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PadKind {
    /// Rows and columns of zeros are added.
    Zeros,
    /// Rows and columns are taken away.
    Crop,
}

pub(super) const ZERO_PADDING2D: LayerKind = LayerKind {
    name: "zero_padding2d",
    other_names: &[
        "zeropad",
        "zeropad2d",
        "zeropadding",
        "constantpad2d",
        "constantpadding2d",
        "pad",
        "pad2d",
        "padding",
        "padding2d",
    ],
    docs: "An image with rows and columns of zeros around it. For one side alone, write that side: \
           `zero_padding2d(bottom = 1, right = 1)`.",
    example: None,
    takes: Takes::Image,
    view: None,
    parameters: &[
        argument(
            "padding",
            Some("1"),
            &[
                "Rows above and below x columns left and right, or one number for both. 0 where sides are written alone.",
            ],
        ),
        argument("top", Some("padding"), &["Rows above."]),
        argument("bottom", Some("padding"), &["Rows below."]),
        argument("left", Some("padding"), &["Columns at the left."]),
        argument("right", Some("padding"), &["Columns at the right."]),
    ],
    read: |reader| read(reader, PadKind::Zeros, "padding", 1),
};

pub(super) const CROPPING2D: LayerKind = LayerKind {
    name: "cropping2d",
    other_names: &["crop", "crop2d", "cropping", "centercrop"],
    docs: "An image without rows and columns at its edges. For one side alone, write that side: \
           `cropping2d(bottom = 1, right = 1)`.",
    parameters: &[
        argument(
            "cropping",
            Some("0"),
            &["Rows above and below x columns left and right, or one number for both."],
        ),
        argument("top", Some("cropping"), &["Rows above."]),
        argument("bottom", Some("cropping"), &["Rows below."]),
        argument("left", Some("cropping"), &["Columns at the left."]),
        argument("right", Some("cropping"), &["Columns at the right."]),
    ],
    read: |reader| read(reader, PadKind::Crop, "cropping", 0),
    ..ZERO_PADDING2D
};

const SIDES: [[&str; 2]; 2] = [["top", "bottom"], ["left", "right"]];

fn read(
    reader: &mut Reader<'_, '_>,
    kind: PadKind,
    parameter: &str,
    default: usize,
) -> Result<Op, Reported> {
    let value = reader.get(parameter);
    let all = match value {
        Ok(Some(value)) => all_sides(reader, parameter, value).map(Some),
        Ok(None) => Ok(None),
        Err(Reported) => Err(Reported),
    };
    let sides = SIDES.map(|axis| {
        axis.map(|side| {
            let value = reader.get(side);
            reader.context.count_or_zero(side, value)
        })
    });
    let is_alone = sides.iter().flatten().any(|side| *side != Ok(None));
    let all = all?.unwrap_or([if is_alone { 0 } else { default }; 2]);
    let mut read = all.map(|count| [count, count]);
    for (count, side) in read.iter_mut().flatten().zip(sides.into_iter().flatten()) {
        *count = side?.unwrap_or(*count);
    }
    Ok(Op::Pad2d(Pad2d { kind, sides: read }))
}

/// One number or two, or what to write for those of other libraries.
fn all_sides(
    reader: &mut Reader<'_, '_>,
    parameter: &str,
    value: &Value,
) -> Result<[usize; 2], Reported> {
    let help = match &value.kind {
        ValueKind::List(values) => sides_of(values).map(|sides| format!("write `{sides}`")),
        ValueKind::Name(word) if word == "same" || word == "valid" => {
            Some(format!("write `padding = {word}` in the layer behind it"))
        }
        ValueKind::Integer(_)
        | ValueKind::Dims(_)
        | ValueKind::Float(_)
        | ValueKind::Name(_)
        | ValueKind::Call(_)
        | ValueKind::Expression(_)
        | ValueKind::Invalid => None,
    };
    if help.is_some() {
        let expected = "one number or two, as in `1x2`";
        return Err(reader
            .context
            .not_a_literal(parameter, expected, value, help));
    }
    let pair = reader.context.pair_or_zero(parameter, Ok(Some(value)))?;
    pair.ok_or(Reported)
}

/// `top = 0, bottom = 1, …` of Keras' `[[0, 1], [0, 1]]`, and `left = 0, right = 1, …` of PyTorch's `[0, 1, 0, 1]`.
fn sides_of(values: &[Argument]) -> Option<String> {
    let number = |argument: &Argument| match argument.value.kind {
        ValueKind::Integer(number) if number >= 0 => Some(number),
        _ => None,
    };
    let pair = |argument: &Argument| match &argument.value.kind {
        ValueKind::List(values) => match &values[..] {
            [a, b] => Some([number(a)?, number(b)?]),
            _ => None,
        },
        _ => None,
    };
    let [vertical, horizontal] = SIDES;
    let written: Vec<(&str, i128)> = match values {
        [rows, columns] => {
            let counts = [pair(rows)?, pair(columns)?].into_iter().flatten();
            vertical.into_iter().chain(horizontal).zip(counts).collect()
        }
        [_, _, _, _] => {
            let counts: Option<Vec<_>> = values.iter().map(number).collect();
            horizontal
                .into_iter()
                .chain(vertical)
                .zip(counts?)
                .collect()
        }
        _ => return None,
    };
    let written = written
        .iter()
        .map(|(side, count)| format!("{side} = {count}"));
    Some(written.collect::<Vec<_>>().join(", "))
}

impl Layer for Pad2d {
    fn shape(&self, input: &Shape, site: &mut Site<'_, '_>) -> Result<Shape, Reported> {
        let [height, width, channels] = image(&input.0);
        let sums = self.sides.map(|[a, b]| a.saturating_add(b));
        let size = |size: usize, sum: usize| match self.kind {
            PadKind::Zeros => size.saturating_add(sum),
            PadKind::Crop => size.saturating_sub(sum),
        };
        let shape = Shape(vec![size(height, sums[0]), size(width, sums[1]), channels]);
        if shape.is_empty() {
            return Err(self.nothing_left(input, &shape, site));
        }
        Ok(shape)
    }

    fn no_effect(&self, _previous: &Node) -> Option<String> {
        (self.sides == [[0, 0]; 2]).then(|| {
            match self.kind {
                PadKind::Zeros => "it pads no side",
                PadKind::Crop => "it crops no side",
            }
            .to_owned()
        })
    }

    fn operation(&self, inputs: &[Shape], output: &Shape) -> Option<Operation> {
        let before = self.sides.map(|[before, _]| before.cast_signed());
        let pad = operation::Pad2d {
            input: image(&inputs.first()?.0),
            output: image(&output.0),
            before: match self.kind {
                PadKind::Zeros => before,
                PadKind::Crop => before.map(|before| -before),
            },
        };
        Some(pad.into())
    }
}

impl Pad2d {
    /// Reports a cropping of all rows or columns, at the argument that says so.
    fn nothing_left(&self, input: &Shape, output: &Shape, site: &mut Site<'_, '_>) -> Reported {
        let axis = usize::from(output.0[0] > 0);
        let ([before, behind], size) = (self.sides[axis], input.0[axis]);
        let lines = ["rows", "columns"][axis];
        let message = format!(
            "`{}` leaves nothing of the {input} image from `{}`: it crops {before} + {behind} of {size} {lines}, to {output}",
            site.name(),
            site.previous(),
        );
        let written = SIDES[axis].into_iter().chain(["cropping"]);
        let at = written.map(|argument| site.argument(argument));
        let keyword = site.argument("");
        let at = at.into_iter().find(|at| *at != keyword).unwrap_or(keyword);
        let diagnostic = Diagnostic::new(Code::CroppingTooLarge, at, message);
        let help = format!("crop at most {} {lines} in all", size - 1);
        let diagnostic = site.explain(diagnostic).help(help);
        site.report(diagnostic)
    }
}
