//! How convolutions are computed, by a cost rule.
//!
//! A 1x1 convolution of stride 1 without padding is a matrix product in all directions. Any other
//! one runs on register tiles, directly, unless Winograd's F(2x2, 3x3) (Lavin & Gray 2016) costs
//! less. It takes kernels of 3x3 with strides and dilation 1. With `C` input channels and `K`
//! filters, an image costs in multiply-adds
//!
//! ```text
//! direct      9 height width C K
//! winograd    tiles (16 C K + 200 (C + K)),   tiles = ceil(height / 2) ceil(width / 2)
//! ```
//!
//! Height and width are those that are computed, before a pool: without what nobody reads. The
//! second term is what the transforms take ([`TRANSFORM`]), which few channels do not bring back:
//! of two equal numbers, more than 20. Winograd reads a transformed kernel of `16 C K` floats for
//! each group of images, which [`ENOUGH_TILES`] hide; where an image has fewer, the front takes
//! several at a time.
//!
//! The gradient of the input is a convolution of the output's gradient with the kernel turned
//! round and channels and filters swapped, so the same rule holds, if the gradient is not sparse.
//! Its results are the channels, and fewer than [`FULL_TILE`] leave a register tile mostly idle:
//! then it is a product and `col2im`, as it always is with strides.
//!
//! The costs were measured on a machine with AVX-512 and AVX2, where one rule fits both. Direct
//! took so many times as long as Winograd:
//!
//! | channels → filters | cells | times |
//! |---|---|---|
//! | 128 → 128 | 8x8 | 1.4 to 1.7 |
//! | 64 → 64 | 16x16 | 1.5 to 1.9 |
//! | 32 → 32 | 32x32 | 1.6 |
//! | 24 → 24 | | 1.2 to 1.4 |
//! | 16 → 32 | | about 1 |
//! | 16 → 16 | | 0.8 to 0.98 |
//! | 8 → 32 | | 0.6 to 0.8 |

use super::{Conv2dAlgorithm, InputGradient, Kernel, KernelGradient, Plan, Step, Value};
use crate::graph::{Conv2d, Network, Op};

/// The multiply-adds of a tile for each pair of a channel and a filter: one for each cell of a
/// transformed tile.
const PRODUCTS: u128 = 16;

/// What the transforms of a tile take for each channel and each filter, in multiply-adds:
/// measured on a machine with AVX-512 and AVX2.
const TRANSFORM: u128 = 200;

/// The tiles of a group that hide the reading of the transformed kernel. Measured on a machine with
/// AVX-512 and AVX2, 128 → 128 channels on 8x8 cells, 16 tiles, are as fast with one image as with
/// four; so only the very last layers need company.
const ENOUGH_TILES: usize = 4;

/// The channels from which on register tiles beat a product and `col2im`: measured on a machine
/// with AVX-512 and AVX2.
const FULL_TILE: usize = 8;

/// Chooses for every convolution.
pub(super) fn choose(plan: &mut Plan, network: &Network) {
    for step in &mut plan.steps {
        let Some(case) = Case::of(step, &plan.values, network) else {
            continue;
        };
        step.kernel = Kernel::Conv2d(case.forward());
        if step.input_gradient == Some(InputGradient::Direct) {
            step.input_gradient = Some(case.input_gradient());
        }
        if step.kernel_gradient == Some(KernelGradient::Direct) && case.pointwise() {
            step.kernel_gradient = Some(KernelGradient::Pointwise);
        }
    }
}

/// How many images a step asks the front to take at a time.
pub(super) fn images(step: &Step, plan: &Plan, network: &Network) -> usize {
    let Some(case) = Case::of(step, &plan.values, network) else {
        return 1;
    };
    let forward = step.kernel == Kernel::Conv2d(Conv2dAlgorithm::Winograd);
    let backward = step.input_gradient == Some(InputGradient::Winograd);
    let runs = [
        case.winograd().filter(|_| forward),
        case.turned().filter(|_| backward),
    ];
    let images = runs.iter().flatten().map(Winograd::images);
    images.max().unwrap_or(1)
}

/// Why a convolution runs forward as it does, and why the gradient of its input, where that
/// has a reason of its own.
pub(super) fn why(step: &Step, plan: &Plan, network: &Network) -> Vec<String> {
    let Some(case) = Case::of(step, &plan.values, network) else {
        return Vec::new();
    };
    let mut reasons = vec![case.why_forward()];
    match step.input_gradient {
        Some(InputGradient::Winograd | InputGradient::Direct) => {
            reasons.extend(case.turned().map(|w| format!("back: {}", w.why())));
        }
        Some(InputGradient::Columns) if case.is_unstrided() => {
            let channels = case.input[2];
            reasons.push(format!(
                "back: {channels} channels, direct needs {FULL_TILE}"
            ));
        }
        _ => {}
    }
    reasons
}

/// A convolution and the images around it.
struct Case<'a> {
    conv: &'a Conv2d,
    /// Whether a pool is fused behind it.
    pooled: bool,
    input: [usize; 3],
    output: [usize; 3],
}

impl<'a> Case<'a> {
    fn of(step: &Step, values: &[Value], network: &'a Network) -> Option<Self> {
        let Op::Conv2d(conv) = &network.nodes[step.node].op else {
            return None;
        };
        Some(Self {
            conv,
            pooled: step.pool.is_some(),
            input: values[step.input].shape.image()?,
            output: step.conv_output?,
        })
    }

    fn forward(&self) -> Conv2dAlgorithm {
        if self.pointwise() {
            Conv2dAlgorithm::Pointwise
        } else if self.winograd().is_some_and(|winograd| winograd.wins()) {
            Conv2dAlgorithm::Winograd
        } else {
            Conv2dAlgorithm::Direct
        }
    }

    fn input_gradient(&self) -> InputGradient {
        if self.pointwise() {
            InputGradient::Pointwise
        } else if self.turned().is_some_and(|winograd| winograd.wins()) {
            InputGradient::Winograd
        } else if self.is_unstrided() && self.input[2] >= FULL_TILE {
            InputGradient::Direct
        } else {
            InputGradient::Columns
        }
    }

    fn pointwise(&self) -> bool {
        let Conv2d {
            kernel, padding, ..
        } = self.conv;
        *kernel == [1, 1] && self.is_unstrided() && *padding == [[0, 0]; 2] && !self.pooled
    }

    /// Whether the gradient of the input is a convolution with the kernel turned round.
    fn is_unstrided(&self) -> bool {
        self.conv.strides == [1, 1]
    }

    /// The forward convolution as Winograd would run it, if it can.
    fn winograd(&self) -> Option<Winograd> {
        self.fits_winograd()
            .then(|| Winograd::new(self.input[2], self.output))
    }

    /// The gradient of the input as Winograd would run it, if it can.
    fn turned(&self) -> Option<Winograd> {
        self.fits_winograd()
            .then(|| Winograd::new(self.output[2], self.input))
    }

    fn fits_winograd(&self) -> bool {
        let Conv2d {
            kernel, dilation, ..
        } = self.conv;
        *kernel == [3, 3] && self.is_unstrided() && *dilation == [1, 1]
    }

    fn why_forward(&self) -> String {
        let [rows, columns] = self.conv.kernel;
        match self.winograd() {
            Some(winograd) => winograd.why(),
            None if self.pointwise() => "1x1: the image is the matrix".to_owned(),
            None if !self.is_unstrided() => {
                let [down, right] = self.conv.strides;
                format!("{rows}x{columns} kernel, strides {down}x{right}")
            }
            None if self.conv.dilation != [1, 1] => {
                let [down, right] = self.conv.dilation;
                format!("{rows}x{columns} kernel, dilation {down}x{right}")
            }
            None => format!("{rows}x{columns} kernel"),
        }
    }
}

/// A 3x3 convolution of stride 1 in tiles of 2x2 outputs.
struct Winograd {
    channels: usize,
    /// Height, width and filters.
    output: [usize; 3],
    /// Of one image.
    tiles: usize,
}

impl Winograd {
    fn new(channels: usize, output: [usize; 3]) -> Self {
        let [height, width, _] = output;
        Self {
            channels,
            output,
            tiles: height.div_ceil(2) * width.div_ceil(2),
        }
    }

    fn wins(&self) -> bool {
        self.percent() < 100
    }

    /// What it costs of a direct convolution, rounded down, so that less than 100 is less.
    fn percent(&self) -> u128 {
        let [height, width, filters] = self.output.map(|size| size as u128);
        let [channels, tiles] = [self.channels, self.tiles].map(|count| count as u128);
        let pairs = channels * filters;
        let direct = 9 * height * width * pairs;
        let winograd = tiles * (PRODUCTS * pairs + TRANSFORM * (channels + filters));
        100 * winograd / direct
    }

    /// The fewest images that make enough tiles: 1, 2 or 4.
    fn images(&self) -> usize {
        ENOUGH_TILES.div_ceil(self.tiles).next_power_of_two()
    }

    /// `winograd 70 % of direct`, and how many tiles an image has where they are too few.
    fn why(&self) -> String {
        let percent = self.percent();
        let cost = format!("winograd {percent} % of direct");
        match self.images() {
            images if images > 1 && self.wins() => {
                format!(
                    "{cost}, {} of {ENOUGH_TILES} tiles: {images} images",
                    self.tiles
                )
            }
            _ => cost,
        }
    }
}
