//! How convolutions are computed, by a cost rule.
//!
//! A 1x1 convolution of stride 1 without padding is a matrix product in all directions. Any other
//! one runs on register tiles, directly, unless Winograd's F(2x2, 3x3), F(4x4, 3x3) or F(5x5, 3x3)
//! (Lavin & Gray 2016) costs less. They take kernels of 3x3 with strides and dilation 1. With `C` input
//! channels and `K` filters, an image costs in multiply-adds
//!
//! ```text
//! direct      9 height width C K
//! 2x2         16 tiles C K + 200 tiles (C + K),           tiles = ceil(height / 2) ceil(width / 2)
//! 4x4         36 max(tiles, 7) C K + 500 tiles (C + K),   tiles = ceil(height / 4) ceil(width / 4)
//! 5x5         49 max(tiles, 7) C K + 900 tiles (C + K),   tiles = ceil(height / 5) ceil(width / 5)
//! ```
//!
//! Height and width are those that are computed, before a pool: without what nobody reads. The
//! second term is what the transforms take ([`Tile::transform`]), which few channels do
//! not bring back. The transformed kernel has `16 C K` to `49 C K` floats, more than a core's caches
//! hold beside those of the other layers, so with few tiles it is the reading that takes time
//! ([`WAITING`]). Tiles of 2x2 are four times as many: [`ENOUGH_TILES`] hide it, and where an image
//! has fewer, the images stage takes several at a time.
//!
//! The gradient of the input is a convolution of the output's gradient with the kernel turned round and channels and
//! filters swapped, so the same rule holds. Where the gradient is sparse (see `sparsity`) the winners alone take a
//! third to three quarters of the time of a direct convolution, so tiles must cost less than half ([`SPARSE`]). Its
//! results are the channels, and fewer than [`FULL_TILE`] leave a register tile mostly idle: then it is a product and
//! `col2im`, as it always is with strides. Gradients have no tiles of 5x5, which round three times as much as those of
//! 4x4. (Both leave 1e-7 where products cancel out; forward, where a 0 decides whether a relu lives, the kernels see to
//! outputs that see zeros alone.)
//!
//! The costs were measured, one image at a time, with the kernel in cache and, behind the stroke, beyond the
//! second level, with AVX-512. Tiles took so much of the time of a direct convolution on a Zen 5 core (AVX2:
//! nearly the same; on an older Cascade Lake core 2x2 and 4x4 took up to a sixth more, and few tiles waited
//! twice as long):
//!
//! | channels → filters | cells | 2x2 | 4x4 | 5x5 |
//! |---|---|---|---|---|
//! | 128 → 128 | 8x8 | 54 / 52 % | 37 / 45 % | 54 / 60 % |
//! | 64 → 128 | 8x8 | 53 / 53 % | 41 / 43 % | 58 / 60 % |
//! | 64 → 64 | 10x10 | 54 / 53 % | 49 / 50 % | 38 / 40 % |
//! | 32 → 64 | 10x10 | 58 / 49 % | 49 / 43 % | 34 / 36 % |
//! | 16 → 32 | 10x10 | 66 / 58 % | 66 / 55 % | 55 / 49 % |
//! | 64 → 64 | 12x12 | 53 / 52 % | 35 / 35 % | 52 / 51 % |
//! | 64 → 64 | 15x15 | 59 / 59 % | 35 / 35 % | 34 / 35 % |
//! | 64 → 64 | 16x16 | 53 / 52 % | 32 / 31 % | 47 / 46 % |
//! | 32 → 64 | 16x16 | 55 / 60 % | 33 / 33 % | 51 / 48 % |
//! | 16 → 16 | 16x16 | 82 / 73 % | 54 / 49 % | 85 / 74 % |
//! | 8 → 8 | 16x16 | 117 / 100 % | 81 / 79 % | 113 / 140 % |
//! | 24 → 24 | 28x28 | 57 / 56 % | 36 / 36 % | 42 / 43 % |
//! | 32 → 32 | 32x32 | 59 / 58 % | 34 / 34 % | 43 / 45 % |
//! | 64 → 128 | 5x5 | 88 / 86 % | 109 / 104 % | 143 / 146 % |

use super::{Plan, Step};
use cnn_ir::Operation;
use cnn_ir::operation::{Conv2d, ConvAlgorithm, InputGradient, KernelGradient};

/// The multiply-adds that could be done while a value of a transformed kernel comes from beyond the
/// caches of a core: with fewer tiles than that, the products of an image wait. Measured with 1 and 4 tiles on a
/// Zen 5 core: 5 to 7.
const WAITING: u128 = 7;

/// The tiles of a group that hide the reading of the transformed kernel. Measured on a machine with
/// AVX-512 and AVX2, 128 → 128 channels on 8x8 cells, 16 tiles, are as fast with one image as with
/// four; so only the very last layers need company.
const ENOUGH_TILES: usize = 4;

/// The channels from which on register tiles beat a product and `col2im`: measured on a machine
/// with AVX-512 and AVX2.
const FULL_TILE: usize = 8;

/// What the input's gradient costs from the winners of a pool alone, of a direct forward pass, in per cent.
/// Measured against tiles behind gradients that were spread first, AVX-512 on a Zen 5 core: 32 → 32 channels on 32x32
/// cells 42, 64 → 64 on 16x16 36, 128 → 128 on 8x8 38, 64 → 32 from 10x10 to 12x12 39; tiles 37, 33, 39 and 56, and by
/// the rule above 46, 35, 49 and 59. (On a Cascade Lake core the first three were 76, 53 and 66, tiles 60, 44 and 65.)
const SPARSE: u128 = 48;

/// Chooses for every convolution.
pub(super) fn choose(plan: &mut Plan) {
    for step in &mut plan.steps {
        let Some((mut inner, runs)) = convolution(step) else {
            continue;
        };
        let conv = &mut inner;
        let case = Case(*conv);
        if runs.forward {
            conv.algorithm = case.forward();
        }
        if runs.input_gradient {
            let is_sparse = conv.input_gradient == InputGradient::PoolSparse;
            conv.input_gradient = if is_sparse {
                case.sparse_input_gradient()
            } else {
                case.input_gradient()
            };
        }
        let is_direct = conv.kernel_gradient == KernelGradient::Direct;
        if runs.kernel_gradient && is_direct && case.pointwise() {
            conv.kernel_gradient = KernelGradient::Pointwise;
        }
        if let Some(conv) = step.operation.facts_mut().convolution_mut() {
            *conv = inner;
        }
    }
}

/// Which passes of a convolution run.
struct Runs {
    forward: bool,
    kernel_gradient: bool,
    input_gradient: bool,
}

/// The convolution whose kernels compute a step, if there is one, and which of its passes run: those of a transposed
/// convolution run the other way round.
fn convolution(step: &Step) -> Option<(Conv2d, Runs)> {
    let wanted = step.wanted();
    let conv = *step.operation.facts().convolution()?;
    let is_transposed = matches!(step.operation, Operation::Conv2dTranspose(_));
    let (forward, input_gradient) = match is_transposed {
        true => (wanted.input, true),
        false => (true, wanted.input),
    };
    let runs = Runs {
        forward,
        kernel_gradient: wanted.tensors,
        input_gradient,
    };
    Some((conv, runs))
}

/// How many images a step asks its stage to take at a time.
pub(super) fn images(step: &Step) -> usize {
    let Some((conv, passes)) = convolution(step) else {
        return 1;
    };
    let case = Case(conv);
    let forward = passes.forward && conv.algorithm == ConvAlgorithm::Winograd;
    let backward = passes.input_gradient && conv.input_gradient == InputGradient::Winograd;
    let runs = [
        case.winograd(Tile::Two).filter(|_| forward),
        case.rotated(Tile::Two).filter(|_| backward),
    ];
    let tiles = runs.iter().flatten().map(Winograd::images);
    tiles.max().unwrap_or(1)
}

/// Why a convolution runs forward as it does, and why the gradient of its input, where that
/// has a reason of its own.
pub(super) fn why(step: &Step) -> Vec<String> {
    let Some((conv, runs)) = convolution(step) else {
        return Vec::new();
    };
    let case = Case(conv);
    let mut reasons = Vec::new();
    if let Operation::GroupedConv2d(grouped) = &step.operation {
        let [channels, filters] = [conv.input[2], conv.output[2]];
        reasons.push(format!("{} groups, {channels} → {filters}", grouped.groups));
    }
    let (forward, backward) = match &step.operation {
        Operation::Conv2dTranspose(_) => ("back: ", ""),
        _ => ("", "back: "),
    };
    if runs.forward {
        reasons.push(format!("{forward}{}", case.why_forward()));
    }
    if !runs.input_gradient {
        return reasons;
    }
    match conv.input_gradient {
        InputGradient::Winograd | InputGradient::Winograd4 | InputGradient::Direct => {
            let rotated = TILES.map(|tile| case.rotated(tile));
            reasons.extend(why_winograd(rotated).map(|why| format!("{backward}{why}")));
        }
        InputGradient::Columns if case.is_unstrided() => {
            let [_, _, channels] = conv.input;
            reasons.push(format!(
                "{backward}{channels} channels, direct needs {FULL_TILE}"
            ));
        }
        InputGradient::Columns | InputGradient::Pointwise | InputGradient::PoolSparse => {}
    }
    reasons
}

/// A convolution.
struct Case(Conv2d);

impl Case {
    fn forward(&self) -> ConvAlgorithm {
        if self.pointwise() {
            ConvAlgorithm::Pointwise
        } else {
            match best(TILES.map(|tile| self.winograd(tile))).map(|w| w.tile) {
                Some(Tile::Two) => ConvAlgorithm::Winograd,
                Some(Tile::Four) => ConvAlgorithm::Winograd4,
                Some(Tile::Five) => ConvAlgorithm::Winograd5,
                None => ConvAlgorithm::Direct,
            }
        }
    }

    fn input_gradient(&self) -> InputGradient {
        if self.pointwise() {
            InputGradient::Pointwise
        } else if let Some(winograd) = best(TILES.map(|tile| self.rotated(tile))) {
            winograd.input_gradient()
        } else if self.is_unstrided() && self.0.input[2] >= FULL_TILE {
            InputGradient::Direct
        } else {
            InputGradient::Columns
        }
    }

    /// The same behind a pool that leaves most gradients zero.
    fn sparse_input_gradient(&self) -> InputGradient {
        let [height, width, filters] = self.0.output;
        // The winners are cells of the output, however large the input is.
        let direct = direct([height, width, self.0.input[2]], filters);
        best(TILES.map(|tile| self.rotated(tile)))
            .filter(|winograd| 100 * winograd.cost() < SPARSE * direct)
            .map_or(InputGradient::PoolSparse, |winograd| {
                winograd.input_gradient()
            })
    }

    fn pointwise(&self) -> bool {
        let conv = &self.0;
        conv.kernel == [1, 1]
            && self.is_unstrided()
            && conv.padding == [0, 0]
            && conv.pool.is_none()
    }

    /// Whether the gradient of the input is a convolution with the kernel rotated.
    fn is_unstrided(&self) -> bool {
        self.0.strides == [1, 1]
    }

    /// The forward convolution as Winograd would run it, if it can.
    fn winograd(&self, tile: Tile) -> Option<Winograd> {
        self.fits_winograd()
            .then(|| Winograd::new(tile, self.0.input[2], self.0.output))
    }

    /// The gradient of the input as Winograd would run it, if it can.
    fn rotated(&self, tile: Tile) -> Option<Winograd> {
        (self.fits_winograd() && tile != Tile::Five)
            .then(|| Winograd::new(tile, self.0.output[2], self.0.input))
    }

    fn fits_winograd(&self) -> bool {
        self.0.kernel == [3, 3] && self.is_unstrided() && self.0.dilation == [1, 1]
    }

    fn why_forward(&self) -> String {
        let [rows, columns] = self.0.kernel;
        match why_winograd(TILES.map(|tile| self.winograd(tile))) {
            Some(why) => why,
            None if self.pointwise() => "1x1: the image is the matrix".to_owned(),
            None if !self.is_unstrided() => {
                let [down, right] = self.0.strides;
                format!("{rows}x{columns} kernel, strides {down}x{right}")
            }
            None if self.0.dilation != [1, 1] => {
                let [down, right] = self.0.dilation;
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
    /// 5x5.
    Five,
}

const TILES: [Tile; 3] = [Tile::Two, Tile::Four, Tile::Five];

impl Tile {
    /// Down and across.
    const fn outputs(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
            Self::Five => 5,
        }
    }

    /// Multiplications for a channel and a filter.
    const fn cells(self) -> u128 {
        let edge = self.outputs() as u128 + 2;
        edge * edge
    }

    /// What the transforms of a tile take for each channel and each filter, in multiply-adds. Those of 2x2 and 4x4 were
    /// measured on a Cascade Lake core; on a Zen 5 core all are half to two thirds of what stands here.
    const fn transform(self) -> u128 {
        match self {
            Self::Two => 200,
            Self::Four => 500,
            Self::Five => 900,
        }
    }
}

/// What a direct 3x3 convolution costs, in multiply-adds.
fn direct(output: [usize; 3], channels: usize) -> u128 {
    let [height, width, filters] = output.map(|size| size as u128);
    9 * height * width * filters * channels as u128
}

/// The tiles that cost least, if any cost less than a direct convolution.
fn best(tiles: [Option<Winograd>; 3]) -> Option<Winograd> {
    let winners = tiles.into_iter().flatten().filter(Winograd::wins);
    winners.min_by_key(Winograd::cost)
}

/// What tiles of 2x2 cost, and the best of the larger ones where they win.
fn why_winograd([two, four, five]: [Option<Winograd>; 3]) -> Option<String> {
    let two = two?;
    let larger = [four, five].into_iter().flatten().filter(Winograd::wins);
    let best = larger.min_by_key(Winograd::cost);
    Some(match best.filter(|best| best.cost() < two.cost()) {
        Some(best) => format!("{}, {}", two.why(), best.why()),
        None => two.why(),
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
        let outputs = tile.outputs();
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
        let waiting = match self.tile {
            Tile::Two => 0,
            Tile::Four | Tile::Five => WAITING,
        };
        tiles.max(waiting) * self.tile.cells() * channels * filters
            + tiles * self.tile.transform() * (channels + filters)
    }

    /// What it costs of a direct convolution, rounded down, so that less than 100 is less.
    fn percent(&self) -> u128 {
        100 * self.cost() / direct(self.output, self.channels)
    }

    /// Its name as the input's gradient.
    fn input_gradient(&self) -> InputGradient {
        match self.tile {
            Tile::Two => InputGradient::Winograd,
            Tile::Four => InputGradient::Winograd4,
            Tile::Five => unreachable!("`rotated` has none of 5x5"),
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
            Tile::Five => return format!("5x5 {percent} %"),
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
