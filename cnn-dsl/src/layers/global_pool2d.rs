//! `global_max_pool2d` and `global_avg_pool2d`.

use super::{Layer, LayerKind, Op, Takes, argument};
use crate::check::arguments::{Reader, Reported};
use crate::check::shape::Site;
use crate::graph::Shape;
use cnn_ir::Operation;
use cnn_ir::operation::{Pool2d, PoolKind, image};

/// Pooling over a whole `[H, W, C]` image, to `[C]`.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalPool2d {
    /// Max or average.
    pub kind: PoolKind,
    /// Whether the result is an image, `[1, 1, C]`.
    pub keepdims: bool,
}

pub(super) const GLOBAL_MAX_POOL2D: LayerKind = LayerKind {
    name: "global_max_pool2d",
    other_names: &["globalmaxpooling2d", "globalmaxpool"],
    docs: "The largest value of each channel: of an `HxWxC` image, `C` values, or `1x1xC` with `keepdims`.",
    example: None,
    takes: Takes::Image,
    view: None,
    parameters: &[argument(
        "keepdims",
        Some("false"),
        &["Whether the result is an image, `1x1xC`."],
    )],
    read: |reader| read(reader, PoolKind::Max),
};

pub(super) const GLOBAL_AVG_POOL2D: LayerKind = LayerKind {
    name: "global_avg_pool2d",
    other_names: &[
        "globalaveragepooling2d",
        "globalaveragepool",
        "globalavgpool",
        "adaptiveavgpool2d",
    ],
    docs: "The mean of each channel: of an `HxWxC` image, `C` values, or `1x1xC` with `keepdims`.",
    read: |reader| read(reader, PoolKind::Average),
    ..GLOBAL_MAX_POOL2D
};

fn read(reader: &mut Reader<'_, '_>, kind: PoolKind) -> Result<Op, Reported> {
    let keepdims = reader.get("keepdims");
    let keepdims = reader.context.boolean("keepdims", keepdims)?;
    Ok(Op::GlobalPool2d(GlobalPool2d {
        kind,
        keepdims: keepdims.unwrap_or(false),
    }))
}

impl Layer for GlobalPool2d {
    fn shape(&self, input: &Shape, _site: &mut Site<'_, '_>) -> Result<Shape, Reported> {
        let [_, _, channels] = image(&input.0);
        Ok(Shape(match self.keepdims {
            true => vec![1, 1, channels],
            false => vec![channels],
        }))
    }

    /// One comparison or addition for each cell of the image.
    fn flops(&self, inputs: &[Shape]) -> u64 {
        let [height, width] = inputs.first().map_or([0; 2], |input| {
            let [height, width, _] = image(&input.0);
            [height as u64, width as u64]
        });
        height.saturating_mul(width)
    }

    fn operation(&self, inputs: &[Shape], _output: &Shape) -> Option<Operation> {
        let input = image(&inputs.first()?.0);
        let [height, width, channels] = input;
        let pool = Pool2d {
            kind: self.kind,
            input,
            output: [1, 1, channels],
            size: [height, width],
            strides: [height, width],
            padding: [0, 0],
        };
        Some(pool.into())
    }
}
