//! `max_pool2d` and `avg_pool2d`.

use super::{Layer, LayerKind, Op, Padding, Takes, Window, argument, window};
use crate::check::arguments::{Reader, Reported};
use crate::check::shape::Site;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Node, Shape};
use cnn_ir::Operation;
use cnn_ir::operation::{self, PoolKind, image};

/// Pooling over an `[H, W, C]` image.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool2d {
    /// Max or average.
    pub kind: PoolKind,
    /// What moves over the image; padded cells are those that no window counts.
    pub window: Window,
}

pub(super) const MAX_POOL2D: LayerKind = LayerKind {
    name: "max_pool2d",
    other_names: &["maxpooling2d", "maxpooling", "maxpool", "pool", "pool2d"],
    docs: "The largest value of each window, channel by channel.",
    example: None,
    takes: Takes::Image,
    view: None,
    parameters: PARAMETERS,
    read: |reader| read(reader, PoolKind::Max),
};

pub(super) const AVG_POOL2D: LayerKind = LayerKind {
    name: "avg_pool2d",
    other_names: &[
        "averagepooling2d",
        "averagepooling",
        "averagepool2d",
        "avgpooling2d",
        "avgpool",
        "meanpool2d",
    ],
    docs: "The mean of each window's cells inside the image, channel by channel.",
    parameters: PARAMETERS,
    read: |reader| read(reader, PoolKind::Average),
    ..MAX_POOL2D
};

const PARAMETERS: &[super::Parameter] = &[
    argument(
        "size",
        Some("2x2"),
        &["Height and width of the window, or one number for both."],
    ),
    argument("strides", Some("size"), &["The step down and across."]),
    window::PADDING,
];

fn read(reader: &mut Reader<'_, '_>, kind: PoolKind) -> Result<Op, Reported> {
    let size = reader.pair("size");
    let strides = reader.pair("strides");
    let padding = window::padding(reader);
    let size = size?.unwrap_or([2, 2]);
    Ok(Op::Pool2d(Pool2d {
        kind,
        window: Window {
            size,
            strides: strides?.unwrap_or(size),
            padding: padding?,
            dilation: [1, 1],
        },
    }))
}

impl Layer for Pool2d {
    fn shape(&self, input: &Shape, site: &mut Site<'_, '_>) -> Result<Shape, Reported> {
        let [height, width, channels] = image(&input.0);
        let window = &self.window;
        if let Padding::Number(padding) = window.padding
            && (padding[0] >= window.size[0] || padding[1] >= window.size[1])
        {
            let message = format!(
                "the padding of `{}` must be smaller than its {}x{} window",
                site.name(),
                window.size[0],
                window.size[1]
            );
            let diagnostic =
                Diagnostic::new(Code::PaddingTooLarge, site.argument("padding"), message)
                    .note("a window that lies in the padding alone has no value");
            return Err(site.report(diagnostic));
        }
        let placed = window::place(window, "window", "size", [height, width], site)?;
        window::unread_input(window, [height, width], placed.output, site);
        let [height, width] = placed.output;
        Ok(Shape(vec![height, width, channels]))
    }

    fn window(&self) -> Option<&Window> {
        Some(&self.window)
    }

    /// One comparison or addition for each cell of a window.
    fn flops(&self, _inputs: &[Shape]) -> u64 {
        let [height, width] = self.window.size.map(|size| size as u64);
        height.saturating_mul(width)
    }

    fn no_effect(&self, _previous: &Node) -> Option<String> {
        let is_cell = self.window.size == [1, 1] && self.window.strides == [1, 1];
        is_cell.then(|| "its window is a single cell".to_owned())
    }

    fn operation(&self, inputs: &[Shape], output: &Shape) -> Option<Operation> {
        let input = image(&inputs.first()?.0);
        let pool = operation::Pool2d {
            kind: self.kind,
            input,
            output: image(&output.0),
            size: self.window.size,
            strides: self.window.strides,
            padding: self.window.place([input[0], input[1]])?.before(),
        };
        Some(pool.into())
    }
}
