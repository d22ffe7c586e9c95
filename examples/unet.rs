//! A small U-Net: of each pixel of a noisy image, whether it belongs to a digit.
//!
//! ```text
//! cargo run --release --example unet
//! ```
//!
//! The images are MNIST's digits, darkened, over noise and strokes as bright as they are. Writes `unet.pgm`: ten test
//! images, below them the truth, and below that the prediction.

mod picture;
mod stop;

use clap::Parser;
use cnn::Examples;
use cnn::ndarray::{Array3, Array4, ArrayD, Axis, Zip, s};
use std::error::Error;
use std::path::PathBuf;

cnn::network! {
    /// A U-Net of two levels (Ronneberger et al. 2015) with batch normalization.
    pub network UNet {
        const WIDTH = 8;

        block conv_bn(filters) {
            conv2d(filters, 3x3, padding = same, use_bias = false, kernel_initializer = he_normal);
            batch_normalization(momentum = 0.9);
            relu;
        }
        block double_conv(filters) {
            conv_bn(filters);
            conv_bn(filters);
        }

        input(28x28x1);
        outer: double_conv(WIDTH);
        max_pool2d(2x2);
        inner: double_conv(WIDTH * 2);
        max_pool2d(2x2);
        double_conv(WIDTH * 4);         // 7x7
        conv2d_transpose(WIDTH * 2, 2x2, strides = 2, activation = relu);
        concat(inner);                  // the line above and `inner`
        double_conv(WIDTH * 2);
        conv2d_transpose(WIDTH, 2x2, strides = 2, activation = relu);
        concat(outer);
        double_conv(WIDTH);
        conv2d(1, 1x1, activation = sigmoid);

        train {
            loss = binary_crossentropy;
            optimizer = adam(learning_rate = 2e-3);
            metrics = [accuracy];
            epochs = 4;
            batch_size = 32;
        }
    }
}

/// Trains a U-Net to find digits before a noisy background.
#[derive(Parser)]
struct Options {
    /// Passes over the training images
    #[arg(long, default_value_t = 4)]
    epochs: usize,
    /// Training images, at most 60,000
    #[arg(long, default_value_t = 10_000)]
    images: usize,
    /// Of the first weights, of the order of the images and of the noise
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder of the four MNIST files
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/mnist"), hide_default_value = true)]
    data: PathBuf,
    /// Where the picture goes
    #[arg(long, default_value = "unet.pgm")]
    output: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    println!("{}", UNet::SUMMARY);
    let (train, test) = cnn::data::mnist(&options.data)?;
    let (images, masks) = scenes(&train.take(options.images), options.seed);
    let (test_images, test_masks) = scenes(&test.take(2_000), !options.seed);
    let train = Examples::with_label_maps(images, &masks)?;
    let test = Examples::with_label_maps(&test_images, &test_masks)?;

    let stop = stop::on_ctrl_c()?;
    let mut net = UNet::new(options.seed);
    net.trainer()
        .epochs(options.epochs)
        .seed(options.seed)
        .stop(&stop)
        .fit(&train)?;

    let predicted = net.predict_dataset(&test)?;
    println!("on {} test images: {}", test.len(), net.evaluate(&test)?);
    println!(
        "intersection over union of the digits: {:.4}; {:.4} by brightness alone",
        iou(&predicted, &test_masks, 0.5),
        (1..20)
            .map(|cut| iou(&test_images, &test_masks, cut as f32 / 20.0))
            .fold(0.0, f64::max)
    );

    let truth = test_masks.mapv(|digit| f32::from(u8::from(digit)));
    let rows = [test_images, truth.insert_axis(Axis(3)), predicted].map(Array4::into_dyn);
    picture::write(&options.output, &rows.each_ref().map(|row| row.view()))?;
    println!("image, truth, prediction: {}", options.output.display());
    Ok(())
}

/// Digits before a noisy background, `[N, 28, 28, 1]`, and which pixels belong to them, `[N, 28, 28]`.
fn scenes(digits: &Examples, seed: u64) -> (Array4<f32>, Array3<bool>) {
    let mut random = Random(seed);
    let digits: ArrayD<f32> = digits.inputs().into_owned();
    let mut images = digits.into_dimensionality().expect("images of one channel");
    let masks = images
        .slice(s![.., .., .., 0])
        .mapv(|value: f32| value > 0.5);
    for mut image in images.axis_iter_mut(Axis(0)) {
        image.mapv_inplace(|value| value * 0.6);
        // Strokes behind the digit.
        for _ in 0..6 {
            let long = 3 + random.below(6);
            let (height, width) = [(long, 2), (2, long)][random.below(2)];
            let (y, x) = (random.below(29 - height), random.below(29 - width));
            let mut stroke = image.slice_mut(s![y..y + height, x..x + width, 0]);
            stroke.mapv_inplace(|value| value.max(0.5));
        }
        // Noise over everything.
        image.mapv_inplace(|value| value + random.below(1000) as f32 * 0.0004);
    }
    (images, masks)
}

/// Splitmix64 (Steele et al. 2014).
struct Random(u64);

impl Random {
    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

/// Pixels that are above `cut` and belong to a digit, over those of which either is so.
fn iou(values: &Array4<f32>, masks: &Array3<bool>, cut: f32) -> f64 {
    let (mut both, mut either) = (0_u32, 0_u32);
    Zip::from(&values.index_axis(Axis(3), 0))
        .and(masks)
        .for_each(|value, mask| {
            both += u32::from(*value > cut && *mask);
            either += u32::from(*value > cut || *mask);
        });
    f64::from(both) / f64::from(either.max(1))
}
