//! The augmentations: random changes of training examples.
//!
//! Each is a word with its settings. What it must fit is said here, for the compiler and for the runtime: the shape of
//! the input ([`Augment::misfit_of_input`]), and the shape and the loss of an output
//! ([`Augment::misfit_of_output`]).

use crate::loss::{Loss, Targets};
use crate::vocabulary::{Field, Kind, Range, Setting, vocabulary};

/// What the compiler has to know of an augmentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Whether it is one of images, `HxWxC`.
    pub is_of_images: bool,
    /// Whether it moves pixels to other places.
    pub moves_pixels: bool,
    /// Whether it mixes targets.
    pub mixes_targets: bool,
}

/// Of an input of any shape.
const ANY: Properties = Properties {
    is_of_images: false,
    moves_pixels: false,
    mixes_targets: false,
};

/// Of images, whose pixels stay where they are.
const IMAGE: Properties = Properties {
    is_of_images: true,
    ..ANY
};

/// Of images, whose pixels move.
const GEOMETRIC: Properties = Properties {
    moves_pixels: true,
    ..IMAGE
};

/// Which way an image is mirrored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flip {
    /// Left and right change places, in half of the examples.
    Horizontal,
    /// Top and bottom change places, in half of the examples.
    Vertical,
    /// Each of the two, independently of the other.
    Both,
}

impl Flip {
    /// As descriptions write them.
    pub const WORDS: &'static [&'static str] = &["horizontal", "vertical", "both"];
}

impl Field for Flip {
    fn from_setting(setting: Setting) -> Self {
        match setting {
            Setting::Word("horizontal") => Self::Horizontal,
            Setting::Word("vertical") => Self::Vertical,
            _ => Self::Both,
        }
    }

    fn to_setting(self) -> Setting {
        Setting::Word(match self {
            Self::Horizontal => "horizontal",
            Self::Vertical => "vertical",
            Self::Both => "both",
        })
    }
}

/// The Rust expression that makes it.
impl core::fmt::Debug for Flip {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Horizontal => "Flip::Horizontal",
            Self::Vertical => "Flip::Vertical",
            Self::Both => "Flip::Both",
        })
    }
}

vocabulary! {
    /// A random change of training examples. Each example draws its own, anew in every epoch.
    pub enum Augment with properties: Properties {
        /// Moves the image by whole pixels, uniformly from `-pixels` to `pixels` in each direction. What comes in from
        /// outside is 0.
        shift => Shift {
            needs {
                /// The most pixels, fewer than the image has rows and columns.
                pixels: u64 = Kind::Count { least: 0, default: None },
            }
        } with GEOMETRIC;

        /// Turns the image about its centre, uniformly from `-degrees` to `degrees`. Bilinear; what comes in from outside
        /// is 0.
        rotate => Rotate {
            needs {
                /// The largest angle, up to 180 degrees.
                degrees: f32 = Kind::needed(Range::NonNegative),
            }
        } with GEOMETRIC;

        /// Scales the image about its centre: distances in the image are those in the result times `z`, uniform from
        /// `1 - factor` to `1 + factor`. Bilinear; what comes in from outside is 0.
        zoom => Zoom {
            needs {
                /// How far `z` is from 1.
                factor: f32 = Kind::needed(Range::Fraction),
            }
        } with GEOMETRIC;

        /// Mirrors the image, in half of the examples.
        flip => Flip {
            needs {
                /// `horizontal` exchanges left and right, `vertical` top and bottom; `both` does each with a probability
                /// of one half.
                direction: Flip = Kind::OneOf { words: Flip::WORDS, default: "both" },
            }
        } with GEOMETRIC;

        /// Reads each pixel a little beside its place: the displacements are random numbers from -1 to 1, smoothed by a
        /// Gaussian, times `alpha` (Simard et al. 2003). Bilinear; what comes in from outside is 0.
        elastic => Elastic {
            needs {
                /// How much the displacements are enlarged: 34 in the paper, for 29x29 pixels.
                alpha: f32 = Kind::needed(Range::NonNegative),
                /// The standard deviation of the Gaussian in pixels, less than the image has rows and columns: 4 in the
                /// paper. The displacements are about `0.16 * alpha / sigma` pixels then.
                sigma: f32 = Kind::needed(Range::Positive),
            }
        } with GEOMETRIC;

        /// Adds one number to all values of the image, uniform from `-factor` to `factor`.
        brightness => Brightness {
            needs {
                /// The largest change, in units of the input: 0.2 is a fifth of the range of an image from 0 to 1.
                factor: f32 = Kind::needed(Range::NonNegative),
            }
            /// Whether the results are cut off at 0 and 1, as Keras does with `value_range = (0, 1)`.
            clip: bool = Kind::switch(true),
        } with IMAGE;

        /// `(x - mean) * c + mean` in each channel of the image, with its mean over the pixels, and `c` uniform from
        /// `1 - factor` to `1 + factor`.
        contrast => Contrast {
            needs {
                /// How far `c` is from 1.
                factor: f32 = Kind::needed(Range::Fraction),
            }
            /// As in `brightness`.
            clip: bool = Kind::switch(true),
        } with IMAGE;

        /// Adds to each value a number of its own, from a normal distribution with the mean 0.
        noise => Noise {
            needs {
                /// The standard deviation, in units of the input.
                stddev: f32 = Kind::needed(Range::NonNegative),
            }
        } with ANY;

        /// Sets a square of the image to 0, in all channels (DeVries & Taylor 2017). Its middle is any pixel; what lies
        /// outside of the image is left out.
        cutout => Cutout {
            needs {
                /// The side of the square in pixels, less than the image has rows and columns.
                size: u64 = Kind::Count { least: 0, default: None },
            }
        } with IMAGE;

        /// `l * x + (1 - l) * x'` with another example `x'` of the batch, and the same of their targets and weights
        /// (Zhang et al. 2018). `l` is drawn from the beta distribution with both parameters `alpha`.
        mixup => Mixup {
            needs {
                /// Near 0, `l` is nearly always close to 0 or 1; with 1 it is uniform.
                alpha: f32 = Kind::needed(Range::Positive),
            }
        } with Properties {
            mixes_targets: true,
            ..ANY
        };
    }
}

/// Why an augmentation cannot be used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Misfit {
    /// The input is no image.
    NotAnImage,
    /// An angle that is larger than this one.
    Angle(f32),
    /// As many pixels as the image has rows or columns, or more; this is the most that is taken.
    Pixels(u64),
    /// The output is an image as well, whose target would not move with the input.
    Position,
    /// The loss takes no mixed targets.
    HardTargets(Loss),
}

impl Augment {
    /// The largest angle of `rotate`, in degrees.
    pub const MOST_DEGREES: f32 = 180.0;

    /// Why it does not fit an input of this shape.
    pub fn misfit_of_input(&self, input: &[usize]) -> Option<Misfit> {
        let least_side = match *input {
            [height, width, _] => height.min(width) as u64,
            _ if self.properties().is_of_images => return Some(Misfit::NotAnImage),
            _ => return None,
        };
        let most = least_side.saturating_sub(1);
        match *self {
            Self::Shift { pixels } if pixels > most => Some(Misfit::Pixels(most)),
            Self::Cutout { size } if size > most => Some(Misfit::Pixels(most)),
            Self::Elastic { sigma, .. } if f64::from(sigma) > most as f64 => {
                Some(Misfit::Pixels(most))
            }
            Self::Rotate { degrees } if degrees > Self::MOST_DEGREES => {
                Some(Misfit::Angle(Self::MOST_DEGREES))
            }
            Self::Shift { .. }
            | Self::Cutout { .. }
            | Self::Rotate { .. }
            | Self::Zoom { .. }
            | Self::Flip { .. }
            | Self::Elastic { .. }
            | Self::Brightness { .. }
            | Self::Contrast { .. }
            | Self::Noise { .. }
            | Self::Mixup { .. } => None,
        }
    }

    /// Why it does not fit an output of this shape with this loss.
    pub fn misfit_of_output(&self, output: &[usize], loss: Loss) -> Option<Misfit> {
        let properties = self.properties();
        match *output {
            [height, width, _] if properties.moves_pixels && height * width > 1 => {
                Some(Misfit::Position)
            }
            _ if properties.mixes_targets && !takes_mixed(loss) => Some(Misfit::HardTargets(loss)),
            _ => None,
        }
    }

    /// Whether it leaves every example as it is.
    pub fn is_identity(&self) -> bool {
        match *self {
            Self::Shift { pixels } => pixels == 0,
            Self::Cutout { size } => size == 0,
            Self::Rotate { degrees } => degrees == 0.0,
            Self::Zoom { factor } => factor == 0.0,
            Self::Noise { stddev } => stddev == 0.0,
            Self::Elastic { alpha, .. } => alpha == 0.0,
            // Those that clip may still change something.
            Self::Brightness { factor, clip } | Self::Contrast { factor, clip } => {
                factor == 0.0 && !clip
            }
            Self::Flip { .. } | Self::Mixup { .. } => false,
        }
    }
}

/// Whether the targets of a loss may lie between those of two examples.
fn takes_mixed(loss: Loss) -> bool {
    match loss.properties().targets {
        // Its margin is that of one class.
        Targets::Distribution => loss != Loss::CategoricalHinge,
        Targets::Sign => false,
        Targets::Probability | Targets::NonNegative | Targets::Finite => true,
    }
}

/// As a description writes it: `rotate(10.0)`.
impl core::fmt::Display for Augment {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())?;
        let settings = self.settings();
        for (place, setting) in settings
            .iter()
            .take(self.word().parameters.len())
            .enumerate()
        {
            f.write_str(if place == 0 { "(" } else { ", " })?;
            match setting {
                // In as few digits as the number of the setting has.
                Setting::Number(number) => write!(f, "{:?}", *number as f32)?,
                setting => write!(f, "{setting}")?,
            }
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn what_does_not_fit_is_found() {
        let image = [28, 20, 1];
        let fits = |augment: Augment| augment.misfit_of_input(&image);
        assert_eq!(fits(Augment::shift(19)), None);
        assert_eq!(fits(Augment::shift(20)), Some(Misfit::Pixels(19)));
        assert_eq!(fits(Augment::cutout(20)), Some(Misfit::Pixels(19)));
        assert_eq!(fits(Augment::elastic(34.0, 4.0)), None);
        assert_eq!(fits(Augment::elastic(34.0, 19.5)), Some(Misfit::Pixels(19)));
        assert_eq!(fits(Augment::rotate(180.0)), None);
        assert_eq!(fits(Augment::rotate(180.5)), Some(Misfit::Angle(180.0)));
        for (augment, misfit) in [
            (Augment::flip(Flip::Both), Some(Misfit::NotAnImage)),
            (Augment::contrast(0.1), Some(Misfit::NotAnImage)),
            (Augment::noise(0.1), None),
            (Augment::mixup(0.2), None),
        ] {
            assert_eq!(augment.misfit_of_input(&[12]), misfit, "{augment}");
        }
        let of = |augment: Augment, output: &[usize], loss| augment.misfit_of_output(output, loss);
        let cross_entropy = Loss::categorical_crossentropy();
        assert_eq!(
            of(Augment::zoom(0.1), &[28, 20, 3], cross_entropy),
            Some(Misfit::Position)
        );
        assert_eq!(of(Augment::zoom(0.1), &[1, 1, 3], cross_entropy), None);
        assert_eq!(of(Augment::noise(0.1), &[28, 20, 3], cross_entropy), None);
        assert_eq!(of(Augment::mixup(0.2), &[10], cross_entropy), None);
        assert_eq!(of(Augment::mixup(0.2), &[10], Loss::mse()), None);
        for loss in [
            Loss::hinge(),
            Loss::squared_hinge(),
            Loss::categorical_hinge(),
        ] {
            assert_eq!(
                of(Augment::mixup(0.2), &[10], loss),
                Some(Misfit::HardTargets(loss))
            );
        }
    }

    #[test]
    fn they_are_shown_as_they_are_written() {
        let shown = [
            (Augment::shift(2), "shift(2)"),
            (Augment::zoom(0.1), "zoom(0.1)"),
            (Augment::elastic(34.0, 4.0), "elastic(34.0, 4.0)"),
            (Augment::flip(Flip::Horizontal), "flip(horizontal)"),
            (Augment::brightness(0.2), "brightness(0.2, true)"),
        ];
        for (augment, text) in shown {
            assert_eq!(augment.to_string(), text);
        }
    }
}
