//! Checkpoints: the state of training is written to a file from time to time.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::monitor::{Mode, Monitor, Monitored, monitored};
use super::{CallbackRecord, EndOfEpoch, Score};
use crate::clock::Stopwatch;
use crate::error::Error;
use crate::train::checkpoint::{Snapshot, Writer, exact};

/// Writes the state of training to a file, from which
/// [`Trainer::resume_from`](crate::Trainer::resume_from) goes on to the same bits; for
/// [`Trainer::checkpoint`](crate::Trainer::checkpoint), which takes a path as well.
///
/// The file is written after every epoch, unless another rhythm is set, and once more when training ends, also by the
/// [`stop`](crate::Trainer::stop) flag. A thread of its own writes it, while training goes on with a copy of the state
/// aside; where the disk is slower than the rhythm, states between are left out. The new file takes the place of the
/// old one once it is whole and on the disk, so there is one to load at any time.
///
/// It is a safetensors file, of which `load` takes the weights as of any other.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    path: PathBuf,
    every: Every,
    best_only: bool,
    monitor: Monitor,
    continue_on_error: bool,
}

/// How often a file is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Every {
    Epochs(usize),
    Steps(usize),
    Minutes(f64),
}

impl Checkpoint {
    /// A checkpoint in the file `path`, after every epoch.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            every: Every::Epochs(1),
            best_only: false,
            monitor: Monitor::new(0.0),
            continue_on_error: false,
        }
    }

    /// Writes after every so many epochs, 1 or more.
    pub const fn every_epochs(mut self, epochs: usize) -> Self {
        self.every = Every::Epochs(epochs);
        self
    }

    /// Writes after every so many steps of an epoch, 1 or more.
    pub const fn every_steps(mut self, steps: usize) -> Self {
        self.every = Every::Steps(steps);
        self
    }

    /// Writes after the first step when so many minutes have passed since the last time; above 0.
    pub const fn every_minutes(mut self, minutes: f64) -> Self {
        self.every = Every::Minutes(minutes);
        self
    }

    /// Writes only after an epoch whose [`monitor`](Self::monitor) is better than ever before.
    pub const fn best_only(mut self, best_only: bool) -> Self {
        self.best_only = best_only;
        self
    }

    monitored!("0");

    /// Whether training goes on where a file cannot be written; by default it ends with the error. The last such error
    /// is in [`History::checkpoint_error`](crate::History::checkpoint_error) then. A file that was there before is
    /// untouched in either case.
    pub const fn continue_on_error(mut self, continue_on_error: bool) -> Self {
        self.continue_on_error = continue_on_error;
        self
    }

    /// What takes part in a call of `fit` whose epochs have these scores.
    ///
    /// # Errors
    ///
    /// [`Error::Monitor`] and [`Error::Setting`].
    pub(in crate::train) fn begin(&self, scores: &[Score]) -> Result<Saving, Error> {
        let refused = |name, value: String, expected| {
            Err(Error::Setting {
                name,
                value,
                expected,
            })
        };
        match self.every {
            Every::Epochs(0) => return refused("every_epochs", "0".into(), "at least 1"),
            Every::Steps(0) => return refused("every_steps", "0".into(), "at least 1"),
            Every::Minutes(minutes) if !(minutes > 0.0 && minutes.is_finite()) => {
                return refused(
                    "every_minutes",
                    format!("{minutes:?}"),
                    "above 0 and finite",
                );
            }
            Every::Epochs(_) | Every::Steps(_) | Every::Minutes(_) => {}
        }
        let monitored = match self.best_only {
            true => Some(self.monitor.find(scores)?),
            false => None,
        };
        Ok(Saving {
            settings: self.clone(),
            monitored,
            best: None,
            since: Stopwatch::start(),
            writer: Writer::new(self.path.clone()),
        })
    }
}

impl<P: AsRef<Path>> From<P> for Checkpoint {
    fn from(path: P) -> Self {
        Self::new(path.as_ref())
    }
}

/// A checkpoint between two steps.
pub(in crate::train) struct Saving {
    settings: Checkpoint,
    /// The score that has to be better; none where that is not asked for.
    monitored: Option<Monitored>,
    best: Option<Best>,
    /// Since the file was written last.
    since: Stopwatch,
    writer: Writer,
}

/// The best score so far.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::train) struct Best(#[serde(with = "exact")] f64);

impl Saving {
    /// Whether the file shall be written after this step of an epoch, from 1.
    pub(in crate::train) fn is_due_after_step(&self, step: usize) -> bool {
        self.monitored.is_none()
            && match self.settings.every {
                Every::Epochs(_) => false,
                Every::Steps(steps) => step.is_multiple_of(steps),
                Every::Minutes(minutes) => self.since.seconds() >= 60.0 * minutes,
            }
    }

    /// Whether the file shall be written after this epoch.
    pub(in crate::train) fn is_due_after_epoch(&mut self, end: &EndOfEpoch<'_>) -> bool {
        if let Some(monitored) = &self.monitored {
            let value = monitored.value(end);
            let is_better = monitored.is_better(value, self.best.map(|Best(best)| best));
            if is_better {
                self.best = Some(Best(value));
            }
            return is_better;
        }
        match self.settings.every {
            Every::Epochs(epochs) => end.epoch.number.is_multiple_of(epochs),
            Every::Steps(_) | Every::Minutes(_) => false,
        }
    }

    /// Whether the file shall be written when training ends.
    pub(in crate::train) fn is_due_at_the_end(&self) -> bool {
        self.monitored.is_none()
    }

    /// Begins to write `snapshot`. An error is that of an earlier one.
    pub(in crate::train) fn save(
        &mut self,
        snapshot: Snapshot,
        failed: &mut Option<String>,
    ) -> Result<(), Error> {
        self.since = Stopwatch::start();
        let saved = self.writer.save(snapshot);
        self.judge(saved, failed)
    }

    /// Whether the file could be written. An error is that of an earlier one.
    pub(in crate::train) fn poll(&mut self, failed: &mut Option<String>) -> Result<(), Error> {
        let polled = self.writer.poll();
        self.judge(polled, failed)
    }

    /// Waits until the last file has been written.
    pub(in crate::train) fn finish(&mut self, failed: &mut Option<String>) -> Result<(), Error> {
        let finished = self.writer.finish();
        self.judge(finished, failed)
    }

    /// What becomes of an error: it is kept in `failed`, or ends the training.
    fn judge(&self, result: Result<(), Error>, failed: &mut Option<String>) -> Result<(), Error> {
        match result {
            Err(error) if self.settings.continue_on_error => {
                *failed = Some(error.to_string());
                Ok(())
            }
            result => result,
        }
    }

    pub(in crate::train) fn remember(&self, record: &mut CallbackRecord) {
        if let Some(best) = self.best {
            record.checkpoints.insert(self.key(), best);
        }
    }

    pub(in crate::train) fn recall(&mut self, record: &CallbackRecord) {
        self.best = record.checkpoints.get(&self.key()).copied();
    }

    fn key(&self) -> String {
        self.settings.path.display().to_string()
    }
}
