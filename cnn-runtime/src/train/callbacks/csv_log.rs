//! A log of the epochs: a line of comma-separated values for each.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{Callback, EndOfEpoch, Score};
use crate::error::Error;

/// Writes a line for each epoch into a file, as `CSVLogger` of Keras does; for
/// [`Trainer::csv_log`](crate::Trainer::csv_log), which takes a path as well.
///
/// The columns are `epoch`, the number within this call of `fit`, from 1; all scores by their names in
/// [`Scores::named`](crate::Scores::named), those of the validation with `val_` before them; `learning_rate`, that of
/// the epoch's last step; `seconds`, how long the training took. Numbers are written such that they are read back as
/// the same `f64`.
///
/// A training that is [resumed](crate::Trainer::resume_from) goes on with the lines of its file, without those of epochs
/// that are trained once more.
///
/// A line goes to the system in one piece once its epoch has been validated, so a process that is killed leaves whole
/// lines. It is not synced: a machine that stops may lose the last ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvLog {
    path: PathBuf,
    append: bool,
}

impl CsvLog {
    /// A log in the file `path`. What is in there is removed when the first epoch begins.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            append: false,
        }
    }

    /// Whether the lines come after those that are in the file; they do not by default. Its first line must then name
    /// the same columns.
    pub const fn append(mut self, append: bool) -> Self {
        self.append = append;
        self
    }

    /// What takes part in a call of `fit` whose epochs have these scores. If it is resumed after so many epochs, lines of
    /// later ones are removed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Setting`] if the file has other columns.
    pub(in crate::train) fn begin(
        &self,
        scores: &[Score],
        resumed: Option<usize>,
    ) -> Result<Box<dyn Callback>, Error> {
        let header = header(scores);
        let opened = self.open(&header, resumed);
        let (file, pending) = opened.map_err(|source| self.error(source))?;
        if let Some(found) = pending.other_columns {
            return Err(Error::Setting {
                name: "csv_log",
                value: format!("the columns `{found}` of the file"),
                expected: "the names of the scores, to append to them",
            });
        }
        Ok(Box::new(Open {
            log: self.clone(),
            file,
            pending: pending.text,
        }))
    }

    /// The file, and what has to be written before the next line.
    fn open(&self, header: &str, resumed: Option<usize>) -> io::Result<(File, Pending)> {
        let mut pending = Pending {
            text: format!("{header}\n"),
            other_columns: None,
        };
        if !self.append && resumed.is_none() {
            return Ok((File::create(&self.path)?, pending));
        }
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .append(true)
            .create(true)
            .open(&self.path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        if !text.is_empty() {
            let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let first = String::from_utf8_lossy(first);
            let first = first.trim_end_matches('\r');
            pending.other_columns = (first != header).then(|| first.to_owned());
            if let (Some(epochs), None) = (resumed, &pending.other_columns) {
                text.truncate(until_epoch(&text, epochs));
                file.set_len(text.len() as u64)?;
            }
            // A line that was cut off stays, and ours begins after it.
            let is_whole = text.ends_with(b"\n");
            pending.text = if is_whole { "" } else { "\n" }.to_owned();
        }
        Ok((file, pending))
    }

    fn error(&self, source: io::Error) -> Error {
        Error::Io {
            path: self.path.clone(),
            source,
        }
    }
}

impl From<PathBuf> for CsvLog {
    fn from(path: PathBuf) -> Self {
        Self::new(path)
    }
}

impl From<&Path> for CsvLog {
    fn from(path: &Path) -> Self {
        Self::new(path)
    }
}

impl From<&PathBuf> for CsvLog {
    fn from(path: &PathBuf) -> Self {
        Self::new(path)
    }
}

impl From<&str> for CsvLog {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

impl From<String> for CsvLog {
    fn from(path: String) -> Self {
        Self::new(path)
    }
}

/// What is found in a file at first.
struct Pending {
    text: String,
    other_columns: Option<String>,
}

/// The names of the columns.
fn header(scores: &[Score]) -> String {
    let mut header = "epoch,".to_owned();
    for score in scores {
        header.push_str(&score.name);
        header.push(',');
    }
    header + "learning_rate,seconds"
}

/// How much of a log is left without the lines at its end that are cut off or of epochs after `epochs`.
fn until_epoch(text: &[u8], epochs: usize) -> usize {
    let mut end = 0;
    let mut kept = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        let number = line.split(|byte| *byte == b',').next().unwrap_or_default();
        let number = str::from_utf8(number)
            .ok()
            .and_then(|text| text.parse().ok());
        let is_later = number.is_some_and(|number: usize| number > epochs);
        if line.ends_with(b"\n") && !is_later {
            kept = end;
        }
    }
    kept
}

/// The values of an epoch.
fn line(end: &EndOfEpoch<'_>) -> String {
    let epoch = end.epoch;
    let mut line = epoch.number.to_string();
    let of_scores = end.scores().into_iter().map(|(_, value)| value);
    for value in of_scores.chain([epoch.learning_rate, epoch.seconds]) {
        write!(line, ",{value}").expect("writing to a string does not fail");
    }
    line + "\n"
}

/// A log between two epochs.
struct Open {
    log: CsvLog,
    file: File,
    /// What comes before the next line: the header at first.
    pending: String,
}

impl Open {
    /// Writes a text as a whole; what a full disk has taken of it is removed.
    fn write(&mut self, text: &str) -> io::Result<()> {
        let length = self.file.seek(SeekFrom::End(0));
        let written = self.file.write_all(text.as_bytes());
        if let (Err(_), Ok(length)) = (&written, length) {
            // The error of the writing says more than one of this.
            let _ = self.file.set_len(length);
        }
        written
    }
}

impl Callback for Open {
    fn end_of_epoch(&mut self, end: &mut EndOfEpoch<'_>) -> Result<(), Error> {
        let text = std::mem::take(&mut self.pending) + &line(end);
        self.write(&text).map_err(|source| self.log.error(source))
    }
}
