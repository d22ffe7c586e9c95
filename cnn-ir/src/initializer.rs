//! The initializers: how a tensor starts.

use crate::vocabulary::{Field, Kind, Range, Setting, vocabulary};

/// What the compiler has to know of an initializer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// The axes that a tensor must have at least.
    pub least_axes: usize,
}

/// Of a tensor of any shape.
const ANY: Properties = Properties { least_axes: 1 };

/// What a variance is divided by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FanMode {
    /// How many values flow into one output.
    FanIn,
    /// How many values one input flows into.
    FanOut,
    /// The mean of both.
    FanAvg,
}

/// What values are drawn from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// A normal distribution within two standard deviations.
    TruncatedNormal,
    /// A normal distribution.
    UntruncatedNormal,
    /// A uniform distribution.
    Uniform,
}

impl Field for FanMode {
    fn from_setting(setting: Setting) -> Self {
        match setting {
            Setting::Word("fan_out") => Self::FanOut,
            Setting::Word("fan_avg") => Self::FanAvg,
            _ => Self::FanIn,
        }
    }

    fn to_setting(self) -> Setting {
        Setting::Word(match self {
            Self::FanIn => "fan_in",
            Self::FanOut => "fan_out",
            Self::FanAvg => "fan_avg",
        })
    }
}

impl Field for Distribution {
    fn from_setting(setting: Setting) -> Self {
        match setting {
            Setting::Word("untruncated_normal") => Self::UntruncatedNormal,
            Setting::Word("uniform") => Self::Uniform,
            _ => Self::TruncatedNormal,
        }
    }

    fn to_setting(self) -> Setting {
        Setting::Word(match self {
            Self::TruncatedNormal => "truncated_normal",
            Self::UntruncatedNormal => "untruncated_normal",
            Self::Uniform => "uniform",
        })
    }
}

/// The Rust expression that makes it.
impl core::fmt::Debug for FanMode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::FanIn => "FanMode::FanIn",
            Self::FanOut => "FanMode::FanOut",
            Self::FanAvg => "FanMode::FanAvg",
        })
    }
}

/// The Rust expression that makes it.
impl core::fmt::Debug for Distribution {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::TruncatedNormal => "Distribution::TruncatedNormal",
            Self::UntruncatedNormal => "Distribution::UntruncatedNormal",
            Self::Uniform => "Distribution::Uniform",
        })
    }
}

vocabulary! {
    /// How a tensor starts, with Keras' names and defaults. What `fan_in` and `fan_out` are says [`fans`].
    ///
    /// A truncated normal distribution is one whose values lie within two standard deviations: others are drawn again.
    /// Where the standard deviation follows from the fans, it is that of the values behind the truncation.
    pub enum Initializer with properties: Properties {
        /// All zero.
        zeros => Zeros with ANY;

        /// All one.
        ones => Ones with ANY;

        /// All the same.
        constant => Constant {
            /// What each value is.
            value: f64 = Kind::number(Range::Any, 0.0),
        } with ANY;

        /// A normal distribution.
        random_normal => RandomNormal {
            /// Its mean.
            mean: f64 = Kind::number(Range::Any, 0.0),
            /// Its standard deviation.
            stddev: f64 = Kind::number(Range::NonNegative, 0.05),
        } with ANY;

        /// A uniform distribution.
        random_uniform => RandomUniform {
            /// The smallest value.
            minval: f64 = Kind::number(Range::Any, -0.05),
            /// What all values lie below.
            maxval: f64 = Kind::number(Range::Any, 0.05),
        } with ANY;

        /// A normal distribution within two standard deviations of the mean.
        truncated_normal => TruncatedNormal {
            /// Its mean.
            mean: f64 = Kind::number(Range::Any, 0.0),
            /// The standard deviation before the truncation.
            stddev: f64 = Kind::number(Range::NonNegative, 0.05),
        } with ANY;

        /// Uniform within `±sqrt(6 / (fan_in + fan_out))` (Glorot & Bengio 2010).
        glorot_uniform => GlorotUniform with ANY;

        /// Truncated normal with the variance `2 / (fan_in + fan_out)` (Glorot & Bengio 2010).
        glorot_normal => GlorotNormal with ANY;

        /// Uniform within `±sqrt(6 / fan_in)` (He et al. 2015).
        he_uniform => HeUniform with ANY;

        /// Truncated normal with the variance `2 / fan_in` (He et al. 2015).
        he_normal => HeNormal with ANY;

        /// Uniform within `±sqrt(3 / fan_in)` (LeCun et al. 1998).
        lecun_uniform => LecunUniform with ANY;

        /// Truncated normal with the variance `1 / fan_in` (LeCun et al. 1998).
        lecun_normal => LecunNormal with ANY;

        /// The variance is `scale / n`, where `n` is the fan that `mode` names.
        variance_scaling => VarianceScaling {
            /// What the variance is multiplied by.
            scale: f64 = Kind::number(Range::Positive, 1.0),
            /// `fan_in`, `fan_out`, or `fan_avg` for the mean of both.
            mode: FanMode = Kind::OneOf { words: &["fan_in", "fan_out", "fan_avg"], default: "fan_in" },
            /// `truncated_normal`, `untruncated_normal` or `uniform`.
            distribution: Distribution = Kind::OneOf {
                words: &["truncated_normal", "untruncated_normal", "uniform"],
                default: "truncated_normal",
            },
        } with ANY;

        /// A random matrix of orthogonal rows or columns, whichever are fewer, of length `gain`: the last axis
        /// are its columns, all others its rows (Saxe et al. 2014).
        orthogonal => Orthogonal {
            /// What the matrix is multiplied by.
            gain: f64 = Kind::number(Range::Any, 1.0),
        } with Properties { least_axes: 2 };
    }
}

/// How many values flow into one output, and how many one input flows into, as Keras computes them from the shape of a
/// tensor: `[inputs, units]`, or `[height, width, channels, filters]`, of which both count the cells of the window. Of
/// a single axis both are its length.
pub fn fans(shape: &[usize]) -> [usize; 2] {
    match *shape {
        [] => [1, 1],
        [length] => [length, length],
        [ref window @ .., inputs, outputs] => {
            let cells: usize = window.iter().product();
            [inputs, outputs].map(|values| cells.saturating_mul(values))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a setting are those that make its values.
    #[test]
    fn words_make_values() {
        for parameter in Initializer::variance_scaling().word().parameters {
            let Kind::OneOf { words, default } = parameter.kind else {
                continue;
            };
            assert!(words.contains(&default));
            for word in words {
                let word = Setting::Word(word);
                let back = match parameter.name {
                    "mode" => FanMode::from_setting(word).to_setting(),
                    _ => Distribution::from_setting(word).to_setting(),
                };
                assert_eq!(back, word);
            }
        }
    }

    #[test]
    fn fans_are_those_of_keras() {
        let cases: [(&[usize], [usize; 2]); 6] = [
            (&[], [1, 1]),
            (&[7], [7, 7]),
            (&[30, 20], [30, 20]),
            (&[3, 5, 4, 8], [60, 120]),
            // A depthwise kernel: each of 6 channels has 2 filters.
            (&[3, 3, 6, 2], [54, 18]),
            (&[4, 4, 1], [16, 4]),
        ];
        for (shape, expected) in cases {
            assert_eq!(fans(shape), expected, "{shape:?}");
        }
    }
}
