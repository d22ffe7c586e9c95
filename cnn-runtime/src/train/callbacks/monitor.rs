//! Which score a callback follows, and when a value of it is better than another.

use super::{EndOfEpoch, VALIDATION};
use crate::error::Error;
use crate::model::Scores;
use crate::objective::custom::Custom;

/// Whether a score gets better by becoming less or greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// By its name: an accuracy gets better by becoming greater, a loss or an error by becoming less.
    #[default]
    Auto,
    /// Less is better.
    Min,
    /// Greater is better.
    Max,
}

/// A score that an epoch has.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::train) struct Score {
    /// `loss`, `accuracy`, `digit_loss`, and those of the validation with `val_` before them.
    pub(in crate::train) name: String,
    /// Not known of a metric of one's own that does not say it.
    larger_is_better: Option<bool>,
}

impl Score {
    /// The scores of an epoch, of which `scores` are an example, with these metrics of one's own, with or without a
    /// validation.
    pub(in crate::train) fn all(
        scores: &Scores,
        custom: &Custom<'_>,
        is_validated: bool,
    ) -> Vec<Self> {
        let names = scores.named().into_iter().map(|(name, _)| name);
        let mut all: Vec<_> = (names.zip(directions(scores, custom, 0)))
            .map(|(name, larger_is_better)| Self {
                name,
                larger_is_better,
            })
            .collect();
        if is_validated {
            let of_validation = |score: &Self| Self {
                name: format!("{VALIDATION}{}", score.name),
                ..*score
            };
            let validation: Vec<_> = all.iter().map(of_validation).collect();
            all.extend(validation);
        }
        all
    }
}

/// Whether larger is better, for each of [`Scores::named`] of output `place`, or of a network.
fn directions(scores: &Scores, custom: &Custom<'_>, place: usize) -> Vec<Option<bool>> {
    let mut all = vec![Some(false)];
    let metrics = scores.metrics.iter();
    all.extend(metrics.map(|(metric, _)| Some(metric.properties().larger_is_better)));
    // Of a network with several outputs, they are those of the outputs.
    if scores.outputs.is_empty() {
        all.extend(custom.directions(place));
    }
    let outputs = scores.outputs.iter().enumerate();
    all.extend(outputs.flat_map(|(place, (_, of_output))| directions(of_output, custom, place)));
    all
}

/// The methods that set the [`Monitor`] of a callback, in its `impl`.
macro_rules! monitored {
    ($min_delta:literal) => {
        /// The score to follow, by its name in [`Scores::named`](crate::Scores::named): `loss`, `accuracy`, or
        /// `digit_loss` of an output with this label; with `val_` before it, that of the validation. Without it, the
        /// loss of the validation if there is one, else that of the training.
        pub fn monitor(mut self, score: impl Into<String>) -> Self {
            self.monitor.name = Some(score.into());
            self
        }

        /// Whether less or greater is better; by the name of the score by default.
        pub const fn mode(mut self, mode: Mode) -> Self {
            self.monitor.mode = mode;
            self
        }

        #[doc = concat!(
            "A change of so much or less does not count as better; zero or more, ", $min_delta, " by default."
        )]
        pub const fn min_delta(mut self, min_delta: f64) -> Self {
            self.monitor.min_delta = min_delta;
            self
        }
    };
}
pub(super) use monitored;

/// The settings of a callback that follows a score.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Monitor {
    /// Without a name it is the loss of the validation if there is one, else that of the training.
    pub(super) name: Option<String>,
    pub(super) mode: Mode,
    pub(super) min_delta: f64,
}

impl Monitor {
    /// Follows the loss, where a change of `min_delta` or less is none.
    pub(super) const fn new(min_delta: f64) -> Self {
        Self {
            name: None,
            mode: Mode::Auto,
            min_delta,
        }
    }

    /// The place of the score among `scores`, and how to compare it.
    ///
    /// # Errors
    ///
    /// [`Error::Monitor`], and [`Error::Setting`] of `min_delta`.
    pub(super) fn find(&self, scores: &[Score]) -> Result<Monitored, Error> {
        let Self {
            name,
            mode,
            min_delta,
        } = self;
        if !(min_delta.is_finite() && *min_delta >= 0.0) {
            return Err(Error::Setting {
                name: "min_delta",
                value: format!("{min_delta:?}"),
                expected: "zero or more and finite",
            });
        }
        let place = |name: &str| scores.iter().position(|score| score.name == name);
        let found = match name {
            Some(name) => place(name),
            None => place("val_loss").or_else(|| place("loss")),
        };
        let Some(place) = found else {
            return Err(Error::Monitor {
                name: name.clone().unwrap_or_default(),
                scores: scores.iter().map(|score| score.name.clone()).collect(),
            });
        };
        Ok(Monitored {
            place,
            larger_is_better: match (mode, scores[place].larger_is_better) {
                (Mode::Auto, Some(larger_is_better)) => larger_is_better,
                (Mode::Auto, None) => {
                    return Err(Error::Setting {
                        name: "mode",
                        value: "`Auto`".to_owned(),
                        expected: "`Min` or `Max`, as nothing is known of a metric of one's own",
                    });
                }
                (Mode::Min, _) => false,
                (Mode::Max, _) => true,
            },
            min_delta: *min_delta,
        })
    }
}

/// A score that is followed.
#[derive(Clone, Debug)]
pub(super) struct Monitored {
    /// Its place among the scores of an epoch.
    place: usize,
    larger_is_better: bool,
    min_delta: f64,
}

impl Monitored {
    /// Its value in an epoch.
    pub(super) fn value(&self, end: &EndOfEpoch<'_>) -> f64 {
        end.scores()[self.place].1
    }

    /// Whether `value` is better than `reference` by more than `min_delta`. Any number is better than none, and a value
    /// that is not a number is never better.
    pub(super) fn is_better(&self, value: f64, reference: Option<f64>) -> bool {
        match reference {
            None => !value.is_nan(),
            Some(reference) if self.larger_is_better => value - self.min_delta > reference,
            Some(reference) => value + self.min_delta < reference,
        }
    }
}
