//! The networks of `fixtures/`, compiled, each with its fixture.

use cnn::runtime::spec::Spec;
use cnn::{Examples, Model, Network as _};
use ndarray::ArrayViewD;

use crate::support::fixture::Fixture;

cnn::network! {
    network Convnet {
        input(12x12x2);
        conv2d(5, 3x3, activation = relu);
        max_pool2d(2x2);
        conv2d(7, 3x3, padding = same, activation = tanh);
        avg_pool2d(2x2);
        flatten;
        dense(11, activation = leaky_relu(0.3));
        dense(4, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = sgd(learning_rate = 0.05);
            batch_size = 6;
        }
    }
}

cnn::network! {
    network Strided {
        input(13x11x3);
        conv2d(6, 5x3, strides = 2x1, padding = 1, activation = sigmoid);
        conv2d(4, 3x3, dilation = 2x2, use_bias = false, activation = relu);
        max_pool2d(3x3, strides = 2x2, padding = same);
        flatten;
        dense(3, activation = sigmoid);

        train {
            loss = binary_crossentropy;
            optimizer = sgd(learning_rate = 0.05);
            batch_size = 7;
        }
    }
}

cnn::network! {
    network Mlp {
        input(9);
        dense(16, activation = relu);
        dense(2);

        train {
            loss = mse;
            optimizer = sgd(learning_rate = 0.05);
            batch_size = 6;
        }
    }
}

cnn::network! {
    network Padded {
        input(10x14x3);
        conv2d(6, 3x4, strides = 2x3, padding = same, activation = tanh);
        avg_pool2d(3x2, strides = 2x2, padding = same);
        flatten;
        dense(3);

        train {
            loss = mse;
            optimizer = sgd(learning_rate = 0.05);
            batch_size = 6;
        }
    }
}

cnn::network! {
    network Residual {
        input(9x8x2);
        conv2d(4, 3x3, padding = same, use_bias = false);
        batch_normalization(momentum = 0.9);
        stem: relu;
        conv2d(4, 3x3, padding = same, use_bias = false);
        batch_normalization(momentum = 0.9);
        add(stem);
        relu;
        depthwise_conv2d(3x3, strides = 2, padding = same, depth_multiplier = 2);
        a: tanh;
        b: conv2d(3, 1x1, strides = 2, padding = same, from = stem);
        concat(a, b);
        global_avg_pool2d;
        dense(3);

        train {
            loss = mse;
            optimizer = sgd(learning_rate = 0.05);
            batch_size = 7;
        }
    }
}

cnn::network! {
    network Gated {
        input(6x5x2);
        image: conv2d(4, 3x3, padding = same, activation = tanh);
        global_avg_pool2d;
        dense(2, activation = relu);
        dense(4, activation = sigmoid);
        channels: multiply(image);
        conv2d(1, 2x2, padding = same, activation = sigmoid);
        cells: multiply(channels);
        global_max_pool2d(keepdims = true);
        subtract(cells);
        flatten;
        dense(3);

        train {
            loss = mse;
            optimizer = sgd(learning_rate = 0.05);
            batch_size = 5;
        }
    }
}

cnn::network! {
    network Decoder {
        input(6x5x2);
        conv2d(6, 3x3, padding = same, groups = 2, activation = tanh);
        conv2d(6, 3x3, strides = 2, padding = same, groups = 3, activation = tanh);
        conv2d_transpose(4, 3x3, strides = 2, padding = same, activation = tanh);
        separable_conv2d(5, 3x3, depth_multiplier = 2, activation = sigmoid);
        conv2d_transpose(3, 2x2, strides = 2, use_bias = false, activation = tanh);
        conv2d_transpose(2, 3x4, strides = 2, padding = same, output_padding = 0x1, activation = tanh);
        avg_pool2d(3x3);
        flatten;
        dense(3);

        train {
            loss = mse;
            optimizer = sgd(learning_rate = 0.05);
            batch_size = 6;
        }
    }
}

cnn::network! {
    network Segmentation {
        input(9x8x2);
        conv2d(5, 3x3, padding = same, activation = relu);
        max_pool2d(2x2);
        conv2d(4, 2x2, padding = same, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = sgd(learning_rate = 0.05);
            batch_size = 5;
        }
    }
}

cnn::network! {
    network Mask {
        input(7x6x3);
        conv2d(4, 3x3, padding = same, activation = tanh);
        conv2d(1, 3x3, activation = sigmoid);

        train {
            loss = binary_crossentropy;
            optimizer = sgd(learning_rate = 0.05);
            batch_size = 5;
        }
    }
}

cnn::network! {
    network Picture {
        input(8x9x2);
        conv2d(4, 3x3, strides = 2x2, activation = log_softmax);
        conv2d(3, 2x2, padding = same);

        train {
            loss = mse;
            optimizer = sgd(learning_rate = 0.05);
            batch_size = 5;
        }
    }
}
/// A network compiled above and its fixture.
pub(crate) struct Case {
    pub(crate) fixture: Fixture,
    pub(crate) spec: &'static Spec,
    pub(crate) summary: &'static str,
}

pub(crate) fn cases() -> [Case; 10] {
    let case = |name, spec, summary| Case {
        fixture: Fixture::read(name),
        spec,
        summary,
    };
    [
        case("convnet.safetensors", Convnet::spec(), Convnet::SUMMARY),
        case("strided.safetensors", Strided::spec(), Strided::SUMMARY),
        case("mlp.safetensors", Mlp::spec(), Mlp::SUMMARY),
        case("padded.safetensors", Padded::spec(), Padded::SUMMARY),
        case("residual.safetensors", Residual::spec(), Residual::SUMMARY),
        case("gated.safetensors", Gated::spec(), Gated::SUMMARY),
        case("decoder.safetensors", Decoder::spec(), Decoder::SUMMARY),
        case(
            "segmentation.safetensors",
            Segmentation::spec(),
            Segmentation::SUMMARY,
        ),
        case("mask.safetensors", Mask::spec(), Mask::SUMMARY),
        case("picture.safetensors", Picture::spec(), Picture::SUMMARY),
    ]
}

impl Case {
    /// The network with the fixture's weights.
    pub(crate) fn model(&self) -> Model {
        let mut model = Model::new(self.spec, 0);
        for (name, mut tensor) in model.tensors_mut() {
            let values = self.fixture.tensor(name);
            tensor.as_slice_mut().unwrap().copy_from_slice(values);
        }
        model
    }

    pub(crate) fn examples(&self) -> Examples<'_> {
        let array = |name, shape: &[usize]| {
            let shape = [&[self.fixture.batch], shape].concat();
            ArrayViewD::from_shape(shape, self.fixture.tensor(name)).unwrap()
        };
        let inputs = array("input", self.spec.input);
        Examples::with_values(inputs, array("target", self.spec.output)).unwrap()
    }
}
