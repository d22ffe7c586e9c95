//! The parameters of one layer as typed views, for the generated accessors: `net.conv2d_1()`.

use crate::model::Model;
use ndarray::{ArrayView1, ArrayView2, ArrayView4};

/// The parameters of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dView<'a> {
    model: &'a Model,
    kernel: usize,
    bias: Option<usize>,
}

/// The parameters of a dense layer.
#[derive(Clone, Copy, Debug)]
pub struct DenseView<'a> {
    model: &'a Model,
    kernel: usize,
    bias: Option<usize>,
}

impl<'a> Conv2dView<'a> {
    /// The layer whose tensors have these indices in the network's specification.
    #[doc(hidden)]
    pub fn new(model: &'a Model, kernel: usize, bias: Option<usize>) -> Self {
        Self {
            model,
            kernel,
            bias,
        }
    }

    /// The kernel, `[height, width, input channels, filters]`.
    pub fn kernel(self) -> ArrayView4<'a, f32> {
        self.model.array4(self.kernel)
    }

    /// The bias, `[filters]`; none with `use_bias = false`.
    pub fn bias(self) -> Option<ArrayView1<'a, f32>> {
        self.bias.map(|index| self.model.array1(index))
    }
}

impl<'a> DenseView<'a> {
    /// The layer whose tensors have these indices in the network's specification.
    #[doc(hidden)]
    pub fn new(model: &'a Model, kernel: usize, bias: Option<usize>) -> Self {
        Self {
            model,
            kernel,
            bias,
        }
    }

    /// The kernel, `[inputs, units]`.
    pub fn kernel(self) -> ArrayView2<'a, f32> {
        self.model.array2(self.kernel)
    }

    /// The bias, `[units]`; none with `use_bias = false`.
    pub fn bias(self) -> Option<ArrayView1<'a, f32>> {
        self.bias.map(|index| self.model.array1(index))
    }
}
