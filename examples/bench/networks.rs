//! The networks that are timed; `tests/peers/networks.py` describes them again for the peers.
//!
//! Kernels are tuned with the first eight. The others are held out, so that they show what a network gains that nobody
//! has looked at: no kernel and no choice of one may be tuned for them.

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

cnn::network! {
    /// Filters that fill no vector: 3 → 24 → 37 → 51 channels, from images of 48x48.
    pub network OddWidths {
        input(48x48x3);
        conv2d(24, 3x3, padding = same, activation = relu);
        max_pool2d(2x2);
        conv2d(37, 3x3, activation = relu);
        max_pool2d(2x2);
        conv2d(51, 3x3, activation = relu);
        flatten;
        dense(75, activation = relu);
        dense(7, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = rmsprop(learning_rate = 1e-3);
            batch_size = 64;
        }
    }
}

cnn::network! {
    /// Large kernels with strides, tanh, and images that are no squares.
    pub network LargeKernels {
        input(20x37x5);
        conv2d(13, 7x7, strides = 3, padding = same, activation = tanh);
        conv2d(26, 5x5, strides = 2, activation = tanh);
        flatten;
        dense(50, activation = tanh);
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = rmsprop(learning_rate = 1e-3);
            batch_size = 64;
        }
    }
}

cnn::network! {
    /// A small classifier of images of 64x64.
    pub network LargeImages {
        input(64x64x3);
        conv2d(16, 3x3, padding = same, activation = relu);
        max_pool2d(2x2);
        conv2d(32, 3x3, padding = same, activation = relu);
        max_pool2d(2x2);
        conv2d(48, 3x3, padding = same, activation = relu);
        max_pool2d(2x2);
        conv2d(64, 3x3, padding = same, activation = relu);
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
    /// The auto-encoder of MLPerf Tiny, which finds machines that sound wrong.
    pub network AutoEncoder {
        block dense_bn(units) {
            dense(units);
            batch_normalization;
            relu;
        }

        input(640);
        dense_bn(128);
        dense_bn(128);
        dense_bn(128);
        dense_bn(128);
        dense_bn(8);
        dense_bn(128);
        dense_bn(128);
        dense_bn(128);
        dense_bn(128);
        dense(640);

        train {
            loss = mean_squared_error;
            optimizer = rmsprop(learning_rate = 1e-3);
            batch_size = 64;
        }
    }
}

/// What a network is trained towards.
#[derive(Clone, Copy, PartialEq)]
pub enum Targets {
    /// The class of each image.
    Labels,
    /// The image itself.
    Inputs,
}

/// A network that is timed.
#[derive(Clone, Copy)]
pub struct Entry {
    /// On the command line.
    pub name: &'static str,
    pub spec: fn() -> &'static Spec,
    pub plan: &'static str,
    pub targets: Targets,
}

/// All networks, in the order of the table. The last four are held out: no kernel may be tuned for them.
pub const NETWORKS: [Entry; 12] = [
    Entry {
        name: "tutorial",
        spec: Tutorial::spec,
        plan: Tutorial::PLAN,
        targets: Targets::Labels,
    },
    Entry {
        name: "lenet5",
        spec: LeNet5::spec,
        plan: LeNet5::PLAN,
        targets: Targets::Labels,
    },
    Entry {
        name: "vgg",
        spec: Vgg::spec,
        plan: Vgg::PLAN,
        targets: Targets::Labels,
    },
    Entry {
        name: "mlp",
        spec: Mlp::spec,
        plan: Mlp::PLAN,
        targets: Targets::Labels,
    },
    Entry {
        name: "pointwise",
        spec: Pointwise::spec,
        plan: Pointwise::PLAN,
        targets: Targets::Labels,
    },
    Entry {
        name: "resnet8",
        spec: ResNet8::spec,
        plan: ResNet8::PLAN,
        targets: Targets::Labels,
    },
    Entry {
        name: "ds_cnn",
        spec: DsCnn::spec,
        plan: DsCnn::PLAN,
        targets: Targets::Labels,
    },
    Entry {
        name: "mobilenet",
        spec: MobileNet::spec,
        plan: MobileNet::PLAN,
        targets: Targets::Labels,
    },
    Entry {
        name: "odd_widths",
        spec: OddWidths::spec,
        plan: OddWidths::PLAN,
        targets: Targets::Labels,
    },
    Entry {
        name: "large_kernels",
        spec: LargeKernels::spec,
        plan: LargeKernels::PLAN,
        targets: Targets::Labels,
    },
    Entry {
        name: "large_images",
        spec: LargeImages::spec,
        plan: LargeImages::PLAN,
        targets: Targets::Labels,
    },
    Entry {
        name: "autoencoder",
        spec: AutoEncoder::spec,
        plan: AutoEncoder::PLAN,
        targets: Targets::Inputs,
    },
];

/// The network called `name`.
pub fn find(name: &str) -> Result<Entry, String> {
    let found = NETWORKS.into_iter().find(|entry| entry.name == name);
    found.ok_or_else(|| {
        let names = NETWORKS.map(|entry| entry.name).join(", ");
        format!("no network `{name}`; there are {names}")
    })
}
