//! The numbers of a call of `fit`: where it stands, what it has done, and with which settings.

use serde::{Deserialize, Serialize};

use super::exact;
use crate::model::Scores;
use crate::model::checkpoint::CheckpointError;
use crate::optimizer;
use crate::spec::Spec;
use crate::train::callbacks::CallbackRecord;
use crate::train::frozen::Frozen;
use crate::train::history::Epoch;
use crate::train::state::TrainingState;
use cnn_ir::UpdateRule;

/// The version of the record. It changes when an older reader would take the state for another.
const VERSION: u32 = 1;

/// What a file says beside tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::train) struct Record {
    version: u32,
    /// The layers of the network, to find that it has changed.
    layers: Vec<LayerRecord>,
    /// [`TrainingState::epochs`].
    pub(super) epochs: u64,
    /// [`TrainingState::steps`].
    pub(super) steps: u64,
    /// [`TrainingState::optimizer`]; what it remembers of each parameter is in tensors.
    pub(super) optimizer: Option<OptimizerRecord>,
    /// Whether the parameters are a moving average of the weights.
    #[serde(default)]
    pub(super) has_average: bool,
    /// The names of the tensors that are frozen at run time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    frozen: Vec<String>,
    pub(in crate::train) progress: Progress,
    pub(in crate::train) callbacks: CallbackRecord,
    history: Vec<EpochRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LayerRecord {
    name: String,
    kind: String,
    output: Vec<usize>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OptimizerRecord {
    rule: String,
    pub(super) slots: Vec<String>,
    pub(super) iteration: u64,
}

/// Where a call of `fit` stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::train) struct Progress {
    /// The number of the epoch that runs or comes next, from 1.
    pub(in crate::train) epoch: usize,
    /// Its steps that are done.
    pub(in crate::train) steps: usize,
    /// The examples of these steps.
    pub(in crate::train) examples: usize,
    /// How long these steps took.
    #[serde(with = "exact")]
    pub(in crate::train) seconds: f64,
    /// The sums of the losses and metrics over these examples.
    #[serde(with = "exact::list")]
    pub(in crate::train) sums: Vec<f64>,
    /// The learning rate of the next step, where it is no schedule.
    #[serde(with = "exact")]
    pub(in crate::train) learning_rate: f64,
    /// The learning rate of the last step; 0 before the first one.
    #[serde(with = "exact")]
    pub(in crate::train) last_learning_rate: f64,
    pub(in crate::train) pass: Pass,
    /// Whether the call has ended before its last epoch.
    pub(in crate::train) stopped_early: bool,
    /// The learning rates of tensors, beside that of the step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::train) multipliers: Vec<Multiplier>,
    /// The tensors that are no matrices for the optimizer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::train) excluded: Vec<String>,
    /// The names of losses of one's own: what a function computes cannot be compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::train) losses: Vec<String>,
    /// The names of metrics of one's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::train) metrics: Vec<String>,
}

/// What the learning rate of a tensor is multiplied by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::train) struct Multiplier {
    pub(in crate::train) tensor: String,
    #[serde(with = "exact")]
    pub(in crate::train) multiplier: f64,
}

/// What decides which examples the steps of an epoch take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::train) struct Pass {
    pub(in crate::train) examples: usize,
    pub(in crate::train) batch_size: usize,
    pub(in crate::train) accumulate: usize,
    pub(in crate::train) shuffle: bool,
    pub(in crate::train) seed: u64,
    /// The augmentations, as text; empty in files of versions without them.
    #[serde(default)]
    pub(in crate::train) augment: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct EpochRecord {
    number: usize,
    #[serde(with = "exact::list")]
    scores: Vec<f64>,
    /// Empty without a validation.
    #[serde(with = "exact::list")]
    validation: Vec<f64>,
    #[serde(with = "exact")]
    learning_rate: f64,
    examples: usize,
    #[serde(with = "exact")]
    seconds: f64,
}

impl Record {
    /// The record of a network that has been trained so far.
    pub(super) fn new<'h>(
        spec: &Spec,
        state: &TrainingState,
        progress: &Progress,
        callbacks: CallbackRecord,
        history: impl Iterator<Item = &'h Epoch>,
    ) -> Self {
        let optimizer = state.optimizer.as_ref().map(|optimizer| OptimizerRecord {
            rule: optimizer.rule.name().to_owned(),
            slots: slots(&optimizer.rule),
            iteration: optimizer.iteration,
        });
        Self {
            version: VERSION,
            layers: layers(spec),
            epochs: state.epochs,
            steps: state.steps,
            optimizer,
            has_average: state.average.is_some(),
            frozen: state.frozen.names(spec),
            progress: progress.clone(),
            callbacks,
            history: history.map(EpochRecord::new).collect(),
        }
    }

    /// Reads a record, and compares it with the network.
    pub(super) fn read(spec: &Spec, text: &str) -> Result<Self, CheckpointError> {
        /// What every version has.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let damaged = |error: serde_json::Error| CheckpointError::Record {
            reason: error.to_string(),
        };
        let Versioned { version } = serde_json::from_str(text).map_err(damaged)?;
        if version != VERSION {
            return Err(CheckpointError::Version {
                expected: "1",
                found: version.to_string(),
            });
        }
        let record: Self = serde_json::from_str(text).map_err(damaged)?;
        let slots = record.optimizer.as_ref().map_or(0, |of| of.slots.len());
        if slots > optimizer::MAX_SLOTS {
            return Err(CheckpointError::Record {
                reason: format!("the optimizer remembers {slots} values of each parameter"),
            });
        }
        record.fits(spec)?;
        Ok(record)
    }

    /// The tensors that are frozen.
    pub(super) fn frozen(&self, spec: &Spec) -> Result<Frozen, CheckpointError> {
        Frozen::of_names(spec, &self.frozen).ok_or_else(|| CheckpointError::Record {
            reason: "a tensor is frozen that the network does not have".to_owned(),
        })
    }

    /// Whether the network is the one that was trained.
    fn fits(&self, spec: &Spec) -> Result<(), CheckpointError> {
        let describe = |layer: Option<&LayerRecord>| match layer {
            None => "missing".to_owned(),
            Some(LayerRecord { name, kind, output }) => {
                format!("`{name}`, a `{kind}` of {}", crate::error::Shape(output))
            }
        };
        let now = layers(spec);
        let places = 0..now.len().max(self.layers.len());
        let pairs = places.map(|place| (place, now.get(place), self.layers.get(place)));
        let mut different = pairs.filter(|(_, expected, found)| expected != found);
        match different.next() {
            None => Ok(()),
            Some((place, expected, found)) => Err(CheckpointError::Layer {
                place: place + 1,
                expected: describe(expected),
                found: describe(found),
            }),
        }
    }

    /// Whether `rule` is what the state of the optimizer is of.
    pub(super) fn fits_rule(&self, rule: &UpdateRule) -> Result<(), CheckpointError> {
        let Some(optimizer) = &self.optimizer else {
            return Ok(());
        };
        let expected = (optimizer.rule.as_str(), &optimizer.slots);
        let found = (rule.name(), &slots(rule));
        let describe = |(rule, slots): (&str, &Vec<String>)| match slots.as_slice() {
            [] => format!("`{rule}`, which remembers nothing"),
            _ => format!("`{rule}`, which remembers `{}`", slots.join("`, `")),
        };
        match expected == found {
            true => Ok(()),
            false => Err(CheckpointError::Setting {
                name: "optimizer",
                expected: describe(expected),
                found: describe(found),
            }),
        }
    }

    /// Whether the steps of an epoch that has begun go on as they would have.
    pub(super) fn fits_pass(&self, pass: &Pass) -> Result<(), CheckpointError> {
        let (before, now) = (&self.progress.pass, pass);
        if self.progress.steps == 0 || before == now {
            return Ok(());
        }
        let settings = [
            (
                "number of examples",
                before.examples.to_string(),
                now.examples.to_string(),
            ),
            (
                "`batch_size`",
                before.batch_size.to_string(),
                now.batch_size.to_string(),
            ),
            (
                "`accumulate`",
                before.accumulate.to_string(),
                now.accumulate.to_string(),
            ),
            (
                "`shuffle`",
                before.shuffle.to_string(),
                now.shuffle.to_string(),
            ),
            ("`seed`", before.seed.to_string(), now.seed.to_string()),
            (
                "`augment`",
                format!("[{}]", before.augment),
                format!("[{}]", now.augment),
            ),
        ];
        let different = settings
            .into_iter()
            .find(|(_, expected, found)| expected != found);
        let (name, expected, found) = different.unwrap_or_default();
        Err(CheckpointError::Setting {
            name,
            expected,
            found,
        })
    }

    /// Whether the tensors of an epoch that has begun are trained as fast as they would have been.
    pub(super) fn fits_multipliers(&self, now: &[Multiplier]) -> Result<(), CheckpointError> {
        let before = &self.progress.multipliers;
        if self.progress.steps == 0 || before == now {
            return Ok(());
        }
        let describe = |multipliers: &[Multiplier]| match multipliers {
            [] => "none".to_owned(),
            _ => {
                let of = |Multiplier { tensor, multiplier }: &Multiplier| {
                    format!("{multiplier:?} of `{tensor}`")
                };
                multipliers.iter().map(of).collect::<Vec<_>>().join(", ")
            }
        };
        Err(CheckpointError::Setting {
            name: "learning-rate multipliers",
            expected: describe(before),
            found: describe(now),
        })
    }

    /// Whether an epoch that has begun has the same losses of one's own, by their names, and the same `exclude_layers`.
    pub(super) fn fits_names(&self, now: &Progress) -> Result<(), CheckpointError> {
        let before = &self.progress;
        let all = [
            (
                "losses",
                &before.losses,
                &now.losses,
                "those of the description",
            ),
            ("`exclude_layers`", &before.excluded, &now.excluded, "none"),
        ];
        let different = all.into_iter().find(|(_, before, now, _)| before != now);
        match different {
            Some((name, expected, found, none)) if before.steps > 0 => {
                let describe = |names: &[String]| match names {
                    [] => none.to_owned(),
                    _ => format!("`{}`", names.join("`, `")),
                };
                Err(CheckpointError::Setting {
                    name,
                    expected: describe(expected),
                    found: describe(found),
                })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the epochs had the scores that they have now, which are computed from so many sums, with `metrics` of one's
    /// own.
    pub(super) fn fits_scores(
        &self,
        columns: usize,
        metrics: &[String],
    ) -> Result<(), CheckpointError> {
        if self.progress.metrics != metrics {
            let describe = |names: &[String]| match names {
                [] => "of the description".to_owned(),
                _ => format!("of the description and `{}`", names.join("`, `")),
            };
            return Err(CheckpointError::Setting {
                name: "metrics",
                expected: describe(&self.progress.metrics),
                found: format!("those {}", describe(metrics)),
            });
        }
        let found = self.progress.sums.len();
        match found == columns {
            true => Ok(()),
            false => Err(CheckpointError::Setting {
                name: "metrics",
                expected: format!("of {found} sums"),
                found: format!("those of {columns}"),
            }),
        }
    }

    /// Whether a training can have been there: counters that would overflow, or contradict each other, come from a
    /// damaged file.
    pub(super) fn is_possible(&self) -> Result<(), CheckpointError> {
        /// More than any training counts to.
        const MOST: u64 = 1 << 48;
        let progress = &self.progress;
        let optimizer = self.optimizer.as_ref();
        let iteration = optimizer.map_or(0, |optimizer| optimizer.iteration);
        let counters = [
            ("epochs", self.epochs),
            ("steps", self.steps),
            ("iteration", iteration),
            ("epoch", progress.epoch as u64),
        ];
        let damaged = |reason| Err(CheckpointError::Record { reason });
        if let Some((name, count)) = counters.iter().find(|(_, count)| *count > MOST) {
            return damaged(format!("`{name}` is {count}"));
        }
        if !(progress.learning_rate >= 0.0 && progress.learning_rate.is_finite()) {
            let found = progress.learning_rate;
            return damaged(format!("the learning rate is {found:?}"));
        }
        let has_begun = progress.steps > 0;
        if progress.epoch == 0
            || has_begun && (self.epochs == 0 || self.steps < progress.steps as u64)
            || has_begun != (progress.examples > 0)
            || progress.examples > progress.pass.examples
        {
            return damaged(format!(
                "step {} of epoch {}, with {} examples of {}, after {} steps in {} epochs",
                progress.steps,
                progress.epoch,
                progress.examples,
                progress.pass.examples,
                self.steps,
                self.epochs
            ));
        }
        Ok(())
    }

    /// The epochs that are done; `example` are scores of an epoch.
    pub(super) fn history(&self, example: &Scores) -> Result<Vec<Epoch>, CheckpointError> {
        let scores = |values: &[f64]| {
            let scores = example.with_values(values);
            scores.ok_or_else(|| CheckpointError::Record {
                reason: format!(
                    "an epoch has {} scores, but the network has {}",
                    values.len(),
                    example.named().len()
                ),
            })
        };
        let epochs = self.history.iter().map(|epoch| {
            Ok(Epoch {
                number: epoch.number,
                scores: scores(&epoch.scores)?,
                validation: match epoch.validation.as_slice() {
                    [] => None,
                    values => Some(scores(values)?),
                },
                learning_rate: epoch.learning_rate,
                examples: epoch.examples,
                seconds: epoch.seconds,
            })
        });
        epochs.collect()
    }
}

impl EpochRecord {
    fn new(epoch: &Epoch) -> Self {
        let values = |scores: &Scores| {
            let named = scores.named().into_iter();
            named.map(|(_, value)| value).collect()
        };
        Self {
            number: epoch.number,
            scores: values(&epoch.scores),
            validation: epoch.validation.as_ref().map_or_else(Vec::new, values),
            learning_rate: epoch.learning_rate,
            examples: epoch.examples,
            seconds: epoch.seconds,
        }
    }
}

fn layers(spec: &Spec) -> Vec<LayerRecord> {
    let layers = spec.layers.iter().map(|layer| LayerRecord {
        name: layer.name.to_owned(),
        kind: layer.kind.to_owned(),
        output: layer.output.to_vec(),
    });
    layers.collect()
}

fn slots(rule: &UpdateRule) -> Vec<String> {
    let slots = optimizer::slots(rule).iter();
    slots.map(|slot| (*slot).to_owned()).collect()
}
