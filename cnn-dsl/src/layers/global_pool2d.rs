//! `global_max_pool2d` and `global_avg_pool2d`.

use super::{Layer, LayerKind, Op, Takes};
use crate::check::arguments::Reported;
use crate::check::shape::Site;
use crate::graph::Shape;
use cnn_ir::Operation;
use cnn_ir::operation::{Pool2d, PoolKind, image};

/// Pooling over a whole `[H, W, C]` image, to `[C]`.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalPool2d {
    /// Max or average.
    pub kind: PoolKind,
}

pub(super) const GLOBAL_MAX_POOL2D: LayerKind = LayerKind {
    name: "global_max_pool2d",
    other_names: &["globalmaxpooling2d", "globalmaxpool"],
    docs: "The largest value of each channel: of an `HxWxC` image, `C` values.",
    example: None,
    takes: Takes::Image,
    view: None,
    parameters: &[],
    read: |_| {
        Ok(Op::GlobalPool2d(GlobalPool2d {
            kind: PoolKind::Max,
        }))
    },
};

pub(super) const GLOBAL_AVG_POOL2D: LayerKind = LayerKind {
    name: "global_avg_pool2d",
    other_names: &[
        "globalaveragepooling2d",
        "globalaveragepool",
        "globalavgpool",
        "adaptiveavgpool2d",
    ],
    docs: "The mean of each channel: of an `HxWxC` image, `C` values.",
    read: |_| {
        Ok(Op::GlobalPool2d(GlobalPool2d {
            kind: PoolKind::Average,
        }))
    },
    ..GLOBAL_MAX_POOL2D
};

impl Layer for GlobalPool2d {
    fn shape(&self, input: &Shape, _site: &mut Site<'_, '_>) -> Result<Shape, Reported> {
        let [_, _, channels] = image(&input.0);
        Ok(Shape(vec![channels]))
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
