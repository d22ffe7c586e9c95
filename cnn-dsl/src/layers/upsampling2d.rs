//! `upsampling2d`: an image whose rows and columns become so many times as many.

use super::{Layer, LayerKind, Op, Takes, argument};
use crate::check::arguments::{Given, Reader, Reported};
use crate::check::shape::Site;
use crate::diagnostic::suggest::Vocabulary;
use crate::graph::{Node, Shape};
use crate::syntax::ValueKind;
use cnn_ir::Operation;
use cnn_ir::operation::{self, Interpolation, image};

/// Rows and columns that become so many times as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpSampling2d {
    /// The factors down and across.
    pub size: [usize; 2],
    /// Where the values between those of the input come from.
    pub interpolation: Interpolation,
}

pub(super) const UPSAMPLING2D: LayerKind = LayerKind {
    name: "upsampling2d",
    other_names: &[
        "upsample",
        "upsample2d",
        "upsamplingnearest2d",
        "interpolate",
        "resize",
        "resizing",
        "unpool",
        "unpooling2d",
    ],
    docs: "An image with so many times as many rows and columns.",
    example: None,
    takes: Takes::Image,
    view: None,
    parameters: &[
        argument(
            "size",
            Some("2x2"),
            &["The factors down and across, or one number for both."],
        ),
        argument(
            "interpolation",
            Some("nearest"),
            &[
                "`nearest`: every cell is repeated. `bilinear`: weighted means of the four nearest cells, with half-pixel \
                 centers (PyTorch's `align_corners=False`).",
            ],
        ),
    ],
    read,
};

pub(crate) const INTERPOLATIONS: &[&str] = &["nearest", "bilinear"];

fn read(reader: &mut Reader<'_, '_>) -> Result<Op, Reported> {
    let size = size(reader);
    let interpolation = interpolation(reader);
    Ok(Op::UpSampling2d(UpSampling2d {
        size: size?.unwrap_or([2, 2]),
        // Either leaves every shape as it is.
        interpolation: reader.or_incomplete(interpolation, Interpolation::Nearest),
    }))
}

fn size(reader: &mut Reader<'_, '_>) -> Given<[usize; 2]> {
    if let Ok(Some(value)) = reader.get("size")
        && let ValueKind::Name(word) = &value.kind
        && INTERPOLATIONS.contains(&word.as_str())
    {
        let help = Some(format!("write `interpolation = {word}`"));
        let expected = "one size or two, as in `2x3`";
        return Err(reader.context.not_a_literal("size", expected, value, help));
    }
    reader.pair("size")
}

fn interpolation(reader: &mut Reader<'_, '_>) -> Result<Interpolation, Reported> {
    let Some(value) = reader.get("interpolation")? else {
        return Ok(Interpolation::Nearest);
    };
    let word = reader.context.word(
        (Vocabulary::Interpolation, INTERPOLATIONS),
        ("interpolation", "an interpolation"),
        value,
    )?;
    reader.context.no_arguments(&word)?;
    Ok(match word.name {
        "bilinear" => Interpolation::Bilinear,
        _ => Interpolation::Nearest,
    })
}

impl Layer for UpSampling2d {
    fn shape(&self, input: &Shape, _site: &mut Site<'_, '_>) -> Result<Shape, Reported> {
        let [height, width, channels] = image(&input.0);
        let [rows, columns] = self.size;
        Ok(Shape(vec![
            height.saturating_mul(rows),
            width.saturating_mul(columns),
            channels,
        ]))
    }

    /// A multiplication and an addition for each of four cells.
    fn flops(&self, _inputs: &[Shape]) -> u64 {
        match self.interpolation {
            Interpolation::Nearest => 0,
            Interpolation::Bilinear => 8,
        }
    }

    fn no_effect(&self, _previous: &Node) -> Option<String> {
        (self.size == [1, 1]).then(|| "its size is 1".to_owned())
    }

    fn operation(&self, inputs: &[Shape], output: &Shape) -> Option<Operation> {
        let layer = operation::UpSampling2d {
            interpolation: self.interpolation,
            input: image(&inputs.first()?.0),
            output: image(&output.0),
            size: self.size,
        };
        Some(layer.into())
    }
}
