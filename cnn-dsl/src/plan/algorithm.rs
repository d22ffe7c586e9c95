//! How convolutions are computed, by a cost rule.
//!
//! A 1x1 convolution of stride 1 without padding is a matrix product in all directions. Any other
//! one runs on register tiles, directly, unless Winograd's F(2x2, 3x3) or F(4x4, 3x3) (Lavin & Gray
//! 2016) costs less. They take kernels of 3x3 with strides and dilation 1. With `C` input channels
//! and `K` filters, an image costs in multiply-adds
//!
//! ```text
//! direct      9 height width C K
//! 2x2         16 tiles C K + 200 tiles (C + K),            tiles = ceil(height / 2) ceil(width / 2)
//! 4x4         36 max(tiles, 14) C K + 500 tiles (C + K),   tiles = ceil(height / 4) ceil(width / 4)
//! ```
//!
//! Height and width are those that are computed, before a pool: without what nobody reads. The
//! second term is what the transforms take ([`TRANSFORM`], [`TRANSFORM_4`]), which few channels do
//! not bring back. The transformed kernel has `16 C K` or `36 C K` floats, more than a core's caches
//! hold beside those of the other layers, so with few tiles it is the reading that takes time
//! ([`WAITING`]). Tiles of 2x2 are four times as many: [`ENOUGH_TILES`] hide it, and where an image
//! has fewer, the front takes several at a time.
//!
//! The gradient of the input is a convolution of the output's gradient with the kernel turned
//! round and channels and filters swapped, so the same rule holds. Where the gradient is sparse (see
//! `sparsity`) the winners alone take half to three quarters of the time of a direct convolution, so tiles
//! must cost less than half ([`SPARSE`]). Its results are the channels, and fewer than [`FULL_TILE`] leave a register tile mostly idle:
//! then it is a product and `col2im`, as it always is with strides. The forward pass of training has
//! no tiles of 4x4: they round, and an exact zero before a relu that becomes 1e-7 wakes a dead unit.
//!
//! The costs were measured on a machine with AVX-512 and AVX2, where one rule fits both: one image,
//! the kernel in cache and, behind the stroke, beyond the second level. Tiles took so much of the
//! time of a direct convolution:
//!
//! | channels → filters | cells | 2x2 | 4x4 |
//! |---|---|---|---|
//! | 128 → 128 | 8x8 | 59 / 53 % | 84 / 86 % |
//! | 64 → 128 | 8x8 | 59 / 59 % | 74 / 84 % |
//! | 64 → 64 | 12x12 | 62 / 70 % | 44 / 57 % |
//! | 64 → 64 | 16x16 | 59 / 64 % | 36 / 39 % |
//! | 32 → 64 | 16x16 | 64 / 72 % | 39 / 51 % |
//! | 32 → 32 | 32x32 | 67 / 68 % | 39 / 41 % |
//! | 24 → 24 | 28x28 | 61 / 67 % | 38 / 47 % |
//! | 16 → 32 | | 87 / 93 % | 55 / 65 % |
//! | 16 → 16 | | 94 / 113 % | 55 / 67 % |
//! | 8 → 32 | | 126 / 147 % | 83 / 111 % |
//! | 8 → 8 | | 134 / 171 % | 80 / 108 % |

use super::{Conv2dAlgorithm, InputGradient, Kernel, KernelGradient, Plan, Step, Value};
use crate::graph::{Conv2d, Network, Op};

/// What the transforms of a tile take for each channel and each filter, in multiply-adds:
/// measured on a machine with AVX-512 and AVX2.
const TRANSFORM: u128 = 200;

/// The same for tiles of 4x4 outputs.
const TRANSFORM_4: u128 = 500;

/// The multiply-adds that could be done while a value of a transformed kernel comes from beyond the
/// caches of a core: with fewer tiles than that, the products of an image wait. From 128 → 128
/// channels on 8x8 cells, 4 tiles, which take as long as 14.
const WAITING: u128 = 14;

/// The tiles of a group that hide the reading of the transformed kernel. Measured on a machine with
/// AVX-512 and AVX2, 128 → 128 channels on 8x8 cells, 16 tiles, are as fast with one image as with
/// four; so only the very last layers need company.
const ENOUGH_TILES: usize = 4;

/// The channels from which on register tiles beat a product and `col2im`: measured on a machine
/// with AVX-512 and AVX2.
const FULL_TILE: usize = 8;

/// What the input's gradient costs from the winners of a pool alone, of a direct convolution, in per cent.
/// Measured on a machine with AVX-512, against tiles behind gradients that were spread first:
/// 32 → 32 channels on 32x32 cells 76, 64 → 64 on 16x16 53, 128 → 128 on 8x8 66, 64 → 32 on 12x12 51;
/// tiles 60, 44, 65 and 78.
const SPARSE: u128 = 50;

/// Chooses for every convolution.
pub(super) fn choose(plan: &mut Plan, network: &Network) {
    for step in &mut plan.steps {
        let Some(case) = Case::of(step, &plan.values, network) else {
            continue;
        };
        step.kernel = Kernel::Conv2d(case.forward());
        step.inference = Kernel::Conv2d(case.inference());
        step.input_gradient = match step.input_gradient {
            Some(InputGradient::Direct) => Some(case.input_gradient()),
            Some(InputGradient::PoolSparse) => Some(case.sparse_input_gradient()),
            other => other,
        };
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
    let winograd = Kernel::Conv2d(Conv2dAlgorithm::Winograd);
    let forward = [step.kernel, step.inference].contains(&winograd);
    let backward = step.input_gradient == Some(InputGradient::Winograd);
    let runs = [
        case.winograd(Tile::Two).filter(|_| forward),
        case.turned(Tile::Two).filter(|_| backward),
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
        Some(InputGradient::Winograd | InputGradient::Winograd4 | InputGradient::Direct) => {
            let turned = TILES.map(|tile| case.turned(tile));
            reasons.extend(why_winograd(turned).map(|why| format!("back: {why}")));
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
        } else if self.winograd(Tile::Two).is_some_and(|w| w.wins()) {
            Conv2dAlgorithm::Winograd
        } else {
            Conv2dAlgorithm::Direct
        }
    }

    /// Inference keeps nothing for a backward pass, so its algorithm need not be that of training.
    fn inference(&self) -> Conv2dAlgorithm {
        match best(TILES.map(|tile| self.winograd(tile))).map(|w| w.tile) {
            Some(Tile::Four) => Conv2dAlgorithm::Winograd4,
            _ => self.forward(),
        }
    }

    fn input_gradient(&self) -> InputGradient {
        if self.pointwise() {
            InputGradient::Pointwise
        } else if let Some(winograd) = best(TILES.map(|tile| self.turned(tile))) {
            winograd.input_gradient()
        } else if self.is_unstrided() && self.input[2] >= FULL_TILE {
            InputGradient::Direct
        } else {
            InputGradient::Columns
        }
    }

    /// The same behind a pool that leaves most gradients zero.
    fn sparse_input_gradient(&self) -> InputGradient {
        best(TILES.map(|tile| self.turned(tile)))
            .filter(|winograd| winograd.percent() < SPARSE)
            .map_or(InputGradient::PoolSparse, |winograd| {
                winograd.input_gradient()
            })
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
    fn winograd(&self, tile: Tile) -> Option<Winograd> {
        self.fits_winograd()
            .then(|| Winograd::new(tile, self.input[2], self.output))
    }

    /// The gradient of the input as Winograd would run it, if it can.
    fn turned(&self, tile: Tile) -> Option<Winograd> {
        self.fits_winograd()
            .then(|| Winograd::new(tile, self.output[2], self.input))
    }

    fn fits_winograd(&self) -> bool {
        let Conv2d {
            kernel, dilation, ..
        } = self.conv;
        *kernel == [3, 3] && self.is_unstrided() && *dilation == [1, 1]
    }

    fn why_forward(&self) -> String {
        let [rows, columns] = self.conv.kernel;
        match why_winograd(TILES.map(|tile| self.winograd(tile))) {
            Some(why) => why,
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

/// The outputs of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tile {
    /// 2x2.
    Two,
    /// 4x4.
    Four,
}

const TILES: [Tile; 2] = [Tile::Two, Tile::Four];

/// The tiles that cost least, if any cost less than a direct convolution.
fn best(tiles: [Option<Winograd>; 2]) -> Option<Winograd> {
    let winners = tiles.into_iter().flatten().filter(Winograd::wins);
    winners.min_by_key(Winograd::cost)
}

/// What tiles of 2x2 cost, and those of 4x4 where they win.
fn why_winograd([two, four]: [Option<Winograd>; 2]) -> Option<String> {
    let (two, four) = (two?, four?);
    Some(match four.wins() && four.cost() < two.cost() {
        true => format!("{}, {}", two.why(), four.why()),
        false => two.why(),
    })
}

/// A 3x3 convolution of stride 1 in tiles.
struct Winograd {
    tile: Tile,
    channels: usize,
    /// Height, width and filters.
    output: [usize; 3],
    /// Of one image.
    tiles: usize,
}

impl Winograd {
    fn new(tile: Tile, channels: usize, output: [usize; 3]) -> Self {
        let [height, width, _] = output;
        let outputs = match tile {
            Tile::Two => 2,
            Tile::Four => 4,
        };
        Self {
            tile,
            channels,
            output,
            tiles: height.div_ceil(outputs) * width.div_ceil(outputs),
        }
    }

    fn wins(&self) -> bool {
        self.percent() < 100
    }

    /// In multiply-adds.
    fn cost(&self) -> u128 {
        let [channels, filters] = [self.channels, self.output[2]].map(|count| count as u128);
        let tiles = self.tiles as u128;
        let [cells, transform, waiting] = match self.tile {
            Tile::Two => [16, TRANSFORM, 0],
            Tile::Four => [36, TRANSFORM_4, WAITING],
        };
        tiles.max(waiting) * cells * channels * filters + tiles * transform * (channels + filters)
    }

    /// What it costs of a direct convolution, rounded down, so that less than 100 is less.
    fn percent(&self) -> u128 {
        let [height, width, filters] = self.output.map(|size| size as u128);
        let direct = 9 * height * width * self.channels as u128 * filters;
        100 * self.cost() / direct
    }

    /// Its name as the input's gradient.
    fn input_gradient(&self) -> InputGradient {
        match self.tile {
            Tile::Two => InputGradient::Winograd,
            Tile::Four => InputGradient::Winograd4,
        }
    }

    /// The fewest images that make enough tiles: 1, 2 or 4.
    fn images(&self) -> usize {
        ENOUGH_TILES.div_ceil(self.tiles).next_power_of_two()
    }

    /// `winograd 70 % of direct`, and how many tiles an image has where they are too few.
    fn why(&self) -> String {
        let percent = self.percent();
        let cost = match self.tile {
            Tile::Two => format!("winograd {percent} % of direct"),
            Tile::Four => return format!("4x4 {percent} %"),
        };
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
