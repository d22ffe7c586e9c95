//! The parameters of one layer as typed views, for the generated accessors: `net.conv2d_1()`.

use crate::model::Model;
use ndarray::{ArrayView1, ArrayView2, ArrayView4};

/// The tensors of a layer, side by side in the network's specification.
#[derive(Clone, Copy, Debug)]
struct Tensors<'a> {
    model: &'a Model,
    first: usize,
    count: usize,
}

impl<'a> Tensors<'a> {
    /// The place of the tensor with this name, if the layer has it.
    fn find(self, name: &str) -> Option<usize> {
        let parameters = self.model.spec().parameters;
        let mut places = self.first..self.first + self.count;
        places.find(|&place| {
            let (_, last) = parameters[place].name.rsplit_once('.').unwrap_or_default();
            last == name
        })
    }

    fn vector(self, name: &str) -> Option<ArrayView1<'a, f32>> {
        self.find(name).map(|place| self.model.array1(place))
    }
}

/// Makes a view of the tensors of a layer.
macro_rules! view {
    ($(#[$docs:meta])* $View:ident) => {
        $(#[$docs])*
        #[derive(Clone, Copy, Debug)]
        pub struct $View<'a>(Tensors<'a>);

        impl<'a> $View<'a> {
            /// The layer whose tensors are these of the network's specification.
            #[doc(hidden)]
            pub fn new(model: &'a Model, first: usize, count: usize) -> Self {
                Self(Tensors { model, first, count })
            }
        }
    };
}

view! {
    /// The parameters of a convolution.
    Conv2dView
}

view! {
    /// The parameters of a depthwise convolution.
    DepthwiseConv2dView
}

view! {
    /// The parameters of a separable convolution.
    SeparableConv2dView
}

view! {
    /// The parameters of a transposed convolution.
    Conv2dTransposeView
}

view! {
    /// The parameters of a dense layer.
    DenseView
}

view! {
    /// The parameters of a batch normalization, each `[channels]`.
    BatchNormalizationView
}

impl<'a> Conv2dView<'a> {
    /// The kernel, `[height, width, input channels / groups, filters]`.
    pub fn kernel(self) -> ArrayView4<'a, f32> {
        self.0.model.array4(self.0.first)
    }

    /// The bias, `[filters]`; none with `use_bias = false`.
    pub fn bias(self) -> Option<ArrayView1<'a, f32>> {
        self.0.vector("bias")
    }
}

impl<'a> DepthwiseConv2dView<'a> {
    /// The kernel, `[height, width, channels, multiplier]`.
    pub fn kernel(self) -> ArrayView4<'a, f32> {
        self.0.model.array4(self.0.first)
    }

    /// The bias, `[channels * multiplier]`; none with `use_bias = false`.
    pub fn bias(self) -> Option<ArrayView1<'a, f32>> {
        self.0.vector("bias")
    }
}

impl<'a> SeparableConv2dView<'a> {
    /// The kernel of each channel, `[height, width, channels, multiplier]`.
    pub fn depthwise_kernel(self) -> ArrayView4<'a, f32> {
        self.0.model.array4(self.0.first)
    }

    /// The kernel across channels, `[1, 1, channels * multiplier, filters]`.
    pub fn pointwise_kernel(self) -> ArrayView4<'a, f32> {
        self.0.model.array4(self.0.first + 1)
    }

    /// The bias, `[filters]`; none with `use_bias = false`.
    pub fn bias(self) -> Option<ArrayView1<'a, f32>> {
        self.0.vector("bias")
    }
}

impl<'a> Conv2dTransposeView<'a> {
    /// The kernel, `[height, width, filters, input channels]`.
    pub fn kernel(self) -> ArrayView4<'a, f32> {
        self.0.model.array4(self.0.first)
    }

    /// The bias, `[filters]`; none with `use_bias = false`.
    pub fn bias(self) -> Option<ArrayView1<'a, f32>> {
        self.0.vector("bias")
    }
}

impl<'a> DenseView<'a> {
    /// The kernel, `[inputs, units]`.
    pub fn kernel(self) -> ArrayView2<'a, f32> {
        self.0.model.array2(self.0.first)
    }

    /// The bias, `[units]`; none with `use_bias = false`.
    pub fn bias(self) -> Option<ArrayView1<'a, f32>> {
        self.0.vector("bias")
    }
}

impl<'a> BatchNormalizationView<'a> {
    /// What normalized channels are multiplied by; none with `scale = false`.
    pub fn gamma(self) -> Option<ArrayView1<'a, f32>> {
        self.0.vector("gamma")
    }

    /// What is added then; none with `center = false`.
    pub fn beta(self) -> Option<ArrayView1<'a, f32>> {
        self.0.vector("beta")
    }

    /// The running mean of the channels.
    pub fn moving_mean(self) -> ArrayView1<'a, f32> {
        self.0.vector("moving_mean").expect("every one has it")
    }

    /// The running variance of the channels, the biased one.
    pub fn moving_variance(self) -> ArrayView1<'a, f32> {
        self.0.vector("moving_variance").expect("every one has it")
    }
}
