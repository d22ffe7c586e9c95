//! The networks that are timed; `tests/peers/networks.py` describes them again for the peers.

use cnn::Network;
use cnn::runtime::spec::Spec;

cnn::network! {
    /// The convnet of the Keras MNIST tutorial.
    pub network Tutorial {
        input(28x28x1);
        conv2d(32, 3x3, activation = relu);
        max_pool2d(2x2);
        conv2d(64, 3x3, activation = relu);
        max_pool2d(2x2);
        flatten;
        dense(64, activation = relu);
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = rmsprop(learning_rate = 1e-3);
            batch_size = 64;
        }
    }
}

cnn::network! {
    /// LeCun et al. 1998 in today's form: kernels of 5x5, relu, max pooling.
    pub network LeNet5 {
        input(28x28x1);
        conv2d(6, 5x5, padding = same, activation = relu);
        max_pool2d(2x2);
        conv2d(16, 5x5, activation = relu);
        max_pool2d(2x2);
        flatten;
        dense(120, activation = relu);
        dense(84, activation = relu);
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = rmsprop(learning_rate = 1e-3);
            batch_size = 64;
        }
    }
}

cnn::network! {
    /// Pairs of 3x3 convolutions between pools, after Simonyan & Zisserman 2015.
    pub network Vgg {
        input(32x32x3);
        conv2d(32, 3x3, padding = same, activation = relu);
        conv2d(32, 3x3, padding = same, activation = relu);
        max_pool2d(2x2);
        conv2d(64, 3x3, padding = same, activation = relu);
        conv2d(64, 3x3, padding = same, activation = relu);
        max_pool2d(2x2);
        conv2d(128, 3x3, padding = same, activation = relu);
        conv2d(128, 3x3, padding = same, activation = relu);
        max_pool2d(2x2);
        flatten;
        dense(128, activation = relu);
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = rmsprop(learning_rate = 1e-3);
            batch_size = 64;
        }
    }
}

cnn::network! {
    /// Matrix products alone.
    pub network Mlp {
        input(784);
        dense(512, activation = relu);
        dense(512, activation = relu);
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = rmsprop(learning_rate = 1e-3);
            batch_size = 64;
        }
    }
}

cnn::network! {
    /// A strided stem, then 1x1 convolutions and a global mean.
    pub network Pointwise {
        input(32x32x3);
        conv2d(32, 3x3, strides = 2, padding = same, activation = relu);
        conv2d(64, 1x1, activation = relu);
        conv2d(64, 1x1, activation = relu);
        max_pool2d(2x2);
        conv2d(128, 1x1, activation = relu);
        conv2d(128, 1x1, activation = relu);
        avg_pool2d(8x8);
        flatten;
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = rmsprop(learning_rate = 1e-3);
            batch_size = 64;
        }
    }
}

cnn::network! {
    /// ResNet-8 of MLPerf Tiny.
    pub network ResNet8 {
        block conv_bn(filters, strides = 1) {
            conv2d(filters, 3x3, strides = strides, padding = same);
            batch_normalization;
        }
        block residual(filters) {
            conv_bn(filters);
            relu;
            conv_bn(filters);
            add(input);
            relu;
        }
        block downsample(filters) {
            conv_bn(filters, strides = 2);
            relu;
            main: conv_bn(filters);
            shortcut: conv2d(filters, 1x1, strides = 2, padding = same, from = input);
            add(main, shortcut);
            relu;
        }

        input(32x32x3);
        conv_bn(16);
        relu;
        residual(16);
        downsample(32);
        downsample(64);
        global_avg_pool2d;
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = rmsprop(learning_rate = 1e-3);
            batch_size = 64;
        }
    }
}

cnn::network! {
    /// The keyword spotter of MLPerf Tiny (DS-CNN), without its dropout.
    pub network DsCnn {
        block separable(filters) {
            depthwise_conv2d(3x3, padding = same);
            batch_normalization;
            relu;
            conv2d(filters, 1x1);
            batch_normalization;
            relu;
        }

        input(49x10x1);
        conv2d(64, 10x4, strides = 2, padding = same);
        batch_normalization;
        relu;
        separable(64);
        separable(64);
        separable(64);
        separable(64);
        global_avg_pool2d;
        dense(12, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = rmsprop(learning_rate = 1e-3);
            batch_size = 64;
        }
    }
}

cnn::network! {
    /// MobileNetV1 0.25 of MLPerf Tiny.
    pub network MobileNet {
        block separable(filters, strides = 1) {
            depthwise_conv2d(3x3, strides = strides, padding = same);
            batch_normalization;
            relu;
            conv2d(filters, 1x1);
            batch_normalization;
            relu;
        }

        input(96x96x3);
        conv2d(8, 3x3, strides = 2, padding = same);
        batch_normalization;
        relu;
        separable(16);
        separable(32, strides = 2);
        separable(32);
        separable(64, strides = 2);
        separable(64);
        separable(128, strides = 2);
        separable(128);
        separable(128);
        separable(128);
        separable(128);
        separable(128);
        separable(256, strides = 2);
        separable(256);
        global_avg_pool2d;
        dense(2, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = rmsprop(learning_rate = 1e-3);
            batch_size = 64;
        }
    }
}

/// A network's name on the command line, what returns its description, and its plan.
pub type Entry = (&'static str, fn() -> &'static Spec, &'static str);

/// All networks, in the order of the table.
pub const NETWORKS: [Entry; 8] = [
    ("tutorial", Tutorial::spec, Tutorial::PLAN),
    ("lenet5", LeNet5::spec, LeNet5::PLAN),
    ("vgg", Vgg::spec, Vgg::PLAN),
    ("mlp", Mlp::spec, Mlp::PLAN),
    ("pointwise", Pointwise::spec, Pointwise::PLAN),
    ("resnet8", ResNet8::spec, ResNet8::PLAN),
    ("ds_cnn", DsCnn::spec, DsCnn::PLAN),
    ("mobilenet", MobileNet::spec, MobileNet::PLAN),
];

/// The description of the network called `name`.
pub fn find(name: &str) -> Result<&'static Spec, String> {
    match NETWORKS.iter().find(|(other, ..)| *other == name) {
        Some((_, spec, _)) => Ok(spec()),
        None => Err(format!(
            "no network `{name}`; there are {}",
            NETWORKS.map(|(name, ..)| name).join(", ")
        )),
    }
}
