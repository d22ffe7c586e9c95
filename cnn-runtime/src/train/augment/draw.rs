//! What is drawn for one example: an angle, an offset, a partner.
//!
//! A [`Recipe`] is the list of augmentations by what they do, in the order in which they are done. [`Recipe::draw`]
//! makes the numbers of an example of them. Each augmentation reads the words of its own purpose, so that its numbers do
//! not depend on the others in the list.

use super::philox::{Purpose, Stream, below, symmetric, unit};
use crate::kernels::math;
use cnn_ir::{Augment, Flip};

/// A list of augmentations, each at most once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Recipe {
    /// The most pixels.
    pub(super) shift: Option<u64>,
    /// The largest angle, in degrees.
    pub(super) rotate: Option<f32>,
    pub(super) zoom: Option<f32>,
    pub(super) flip: Option<Flip>,
    /// `alpha` and `sigma`.
    pub(super) elastic: Option<(f32, f32)>,
    /// How much, and whether results are clipped.
    pub(super) contrast: Option<(f32, bool)>,
    pub(super) brightness: Option<(f32, bool)>,
    /// The standard deviation.
    pub(super) noise: Option<f32>,
    /// The side of the square.
    pub(super) cutout: Option<u64>,
    /// Of the beta distribution.
    pub(super) mixup: Option<f32>,
}

/// The numbers of one example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Drawn {
    /// Whether rows and columns are mirrored.
    pub(super) flip: [bool; 2],
    /// Rows down and columns to the right.
    pub(super) shift: [i64; 2],
    /// The angle in degrees.
    pub(super) angle: f32,
    /// Distances in the image are those in the result times this.
    pub(super) zoom: f32,
    pub(super) contrast: f32,
    pub(super) brightness: f32,
    /// The row and the column in the middle of the square.
    pub(super) cutout: [usize; 2],
}

impl Recipe {
    /// The recipe of a list.
    pub(super) fn new(list: &[Augment]) -> Self {
        let mut recipe = Self::default();
        for augment in list {
            match *augment {
                Augment::Shift { pixels } => recipe.shift = Some(pixels),
                Augment::Rotate { degrees } => recipe.rotate = Some(degrees),
                Augment::Zoom { factor } => recipe.zoom = Some(factor),
                Augment::Flip { direction } => recipe.flip = Some(direction),
                Augment::Elastic { alpha, sigma } => recipe.elastic = Some((alpha, sigma)),
                Augment::Brightness { factor, clip } => recipe.brightness = Some((factor, clip)),
                Augment::Contrast { factor, clip } => recipe.contrast = Some((factor, clip)),
                Augment::Noise { stddev } => recipe.noise = Some(stddev),
                Augment::Cutout { size } => recipe.cutout = Some(size),
                Augment::Mixup { alpha } => recipe.mixup = Some(alpha),
            }
        }
        recipe
    }

    /// The numbers of an image of so many rows and columns.
    pub(super) fn draw(&self, stream: Stream, [rows, columns]: [usize; 2]) -> Drawn {
        let words = |purpose| stream.block(purpose, 0);
        let number = |purpose, most: Option<f32>| {
            most.map_or(0.0, |most| symmetric(words(purpose)[0], most))
        };
        let shift = self.shift.map_or([0; 2], |pixels| {
            let [down, right, ..] = words(Purpose::Shift);
            // Less than a side of the image.
            let pixels = pixels as usize;
            [down, right].map(|word| below(word, 2 * pixels + 1) as i64 - pixels as i64)
        });
        let flip = self.flip.map_or([false; 2], |direction| {
            let [horizontal, vertical, ..] = words(Purpose::Flip);
            [
                direction != Flip::Horizontal && vertical >> 31 == 1,
                direction != Flip::Vertical && horizontal >> 31 == 1,
            ]
        });
        let cutout = self.cutout.map_or([0; 2], |_| {
            let [row, column, ..] = words(Purpose::Cutout);
            [below(row, rows), below(column, columns)]
        });
        let factor = |of: Option<(f32, bool)>| of.map(|(factor, _)| factor);
        Drawn {
            flip,
            shift,
            angle: number(Purpose::Rotate, self.rotate),
            zoom: 1.0 + number(Purpose::Zoom, self.zoom),
            contrast: 1.0 + number(Purpose::Contrast, factor(self.contrast)),
            brightness: number(Purpose::Brightness, factor(self.brightness)),
            cutout,
        }
    }
}

/// With which example of its batch an example is mixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mix {
    /// The place of the other example in the batch.
    pub(super) partner: usize,
    /// The share of the example itself.
    pub(super) share: f32,
}

impl Mix {
    /// The partner, of so many examples, and a share from the beta distribution with both parameters `alpha`.
    pub(super) fn draw(stream: Stream, examples: usize, alpha: f32) -> Self {
        let [word, ..] = stream.block(Purpose::Mixup, 0);
        let mut block = 0;
        let [one, other] = [(); 2].map(|()| ln_gamma(stream, &mut block, alpha));
        Self {
            partner: below(word, examples),
            share: math::sigmoid(one - other),
        }
    }
}

/// The logarithm of a number from the gamma distribution of shape `alpha` (Marsaglia & Tsang 2000), from as many blocks
/// behind `block` as it takes. The logarithm, as the numbers themselves underflow for small `alpha`.
fn ln_gamma(stream: Stream, block: &mut u32, alpha: f32) -> f32 {
    /// One attempt of a hundred is refused at most, so nobody sees the last of these.
    const ATTEMPTS: usize = 64;
    // A number of shape `alpha` is one of `alpha + 1` times a uniform one to the power of `1 / alpha`.
    let is_small = alpha < 1.0;
    let d = if is_small { alpha + 1.0 } else { alpha } - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    for _ in 0..ATTEMPTS {
        *block += 1;
        let [radius, angle, accept, boost] = stream.block(Purpose::Mixup, *block);
        let [x, _] = normals(radius, angle);
        let root = 1.0 + c * x;
        let v = root * root * root;
        let bound = 0.5 * x * x + d - d * v + d * math::ln(v);
        if root > 0.0 && math::ln(positive_unit(accept)) < bound {
            let boost = match is_small {
                true => (math::ln(positive_unit(boost)) / alpha).max(-1e30),
                false => 0.0,
            };
            return math::ln(d * v) + boost;
        }
    }
    math::ln(d)
}

/// A number above 0 and up to 1.
#[inline(always)]
pub(super) fn positive_unit(word: u32) -> f32 {
    unit(word) + 1.0 / 16_777_216.0
}

/// Two independent numbers from the standard normal distribution (Box & Muller 1958).
#[inline(always)]
pub(super) fn normals(radius: u32, angle: u32) -> [f32; 2] {
    let radius = (-2.0 * math::ln(positive_unit(radius))).sqrt();
    let (sin, cos) = math::sin_cos_of_turns(unit(angle));
    [radius * cos, radius * sin]
}
