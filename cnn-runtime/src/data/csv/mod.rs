//! Tables of text: a row for each example, columns that are inputs, values or classes.
//!
//! ```text
//! header ──▶ which column is what
//! rows ──▶ inputs [N, F] ──────────────────────╮
//!     ╰──▶ values [N, V], or names of classes ─┴─▶ Examples
//! ```

mod error;

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use csv::{ByteRecord, Reader, ReaderBuilder, Trim};
use ndarray::Array2;

use super::Examples;
use crate::error::Error;

pub use error::CsvError;

/// A column, by its name in the header or by its number, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// By name. Where there is no header, no column has one.
    Name(String),
    /// By number, counted from 0.
    Number(usize),
}

impl From<&str> for Column {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for Column {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<usize> for Column {
    fn from(number: usize) -> Self {
        Self::Number(number)
    }
}

/// How a table is read: which column is what.
///
/// ```
/// use cnn_runtime::data::csv::Csv;
///
/// let text = "length,width,kind\n5.1,3.5,setosa\n6.3,3.3,virginica\n4.9,3.0,setosa\n";
/// let irises = Csv::labelled("kind").from_bytes(text.as_bytes())?;
/// assert_eq!(irises.classes, ["setosa", "virginica"]);
/// assert_eq!(irises.examples.input_shape(), [2]); // length and width
/// assert_eq!(irises.examples.label(1), Some(1));
///
/// // The test data have the same numbers for the classes.
/// let test = "length,width,kind\n6.5,3.0,virginica\n";
/// let test = Csv::labelled("kind").classes(&irises.classes).from_bytes(test.as_bytes())?;
/// assert_eq!(test.examples.label(0), Some(1));
/// # Ok::<(), cnn_runtime::data::csv::CsvError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Csv {
    target: Target,
    inputs: Option<Vec<Column>>,
    classes: Option<Vec<String>>,
    has_header: bool,
    delimiter: u8,
}

#[derive(Clone, Debug)]
enum Target {
    Class(Column),
    Values(Vec<Column>),
}

/// A table that has been read.
#[derive(Clone, Debug)]
pub struct Table {
    /// Inputs `[N, F]`, and class labels or values `[N, V]`.
    pub examples: Examples<'static>,
    /// The names of the classes, where the target is one: label 0 is the first.
    pub classes: Vec<String>,
    /// The columns of the inputs, in their order: by name, or by number where there is no header.
    pub inputs: Vec<String>,
}

impl Csv {
    /// A table whose column `class` is the class, as any text: `setosa`, `3`. Classes are sorted, as numbers where all are
    /// integers, and [`Table::classes`] lists them.
    pub fn labelled(class: impl Into<Column>) -> Self {
        Self::new(Target::Class(class.into()))
    }

    /// A table whose columns `values` are the numbers to be found.
    pub fn with_values<C: Into<Column>>(values: impl IntoIterator<Item = C>) -> Self {
        Self::new(Target::Values(values.into_iter().map(C::into).collect()))
    }

    fn new(target: Target) -> Self {
        Self {
            target,
            inputs: None,
            classes: None,
            has_header: true,
            delimiter: b',',
        }
    }

    /// The columns of the inputs, in this order. Without it they are all columns but the target's.
    #[must_use]
    pub fn inputs<C: Into<Column>>(mut self, inputs: impl IntoIterator<Item = C>) -> Self {
        self.inputs = Some(inputs.into_iter().map(C::into).collect());
        self
    }

    /// The names of the classes, as another table has them; other names are [`CsvError::Class`].
    #[must_use]
    pub fn classes<N: AsRef<str>>(mut self, classes: impl IntoIterator<Item = N>) -> Self {
        let classes = classes.into_iter().map(|name| name.as_ref().to_owned());
        self.classes = Some(classes.collect());
        self
    }

    /// Whether the first row names the columns. By default it does.
    #[must_use]
    pub fn header(mut self, has_header: bool) -> Self {
        self.has_header = has_header;
        self
    }

    /// What stands between columns, by default a comma.
    #[must_use]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the file cannot be opened, else [`Error::Csv`]; both name the file.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Table, Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| Error::Io {
            path: path.to_path_buf(),
            source,
        })?;
        self.read_from(file).map_err(|source| Error::Csv {
            path: path.to_path_buf(),
            source,
        })
    }

    /// Reads a table from the bytes of a file.
    ///
    /// # Errors
    ///
    /// See [`CsvError`].
    pub fn from_bytes(&self, bytes: &[u8]) -> Result<Table, CsvError> {
        self.read_from(bytes)
    }

    fn read_from(&self, reader: impl Read) -> Result<Table, CsvError> {
        let mut rows = Rows::new(
            ReaderBuilder::new()
                .has_headers(false)
                .delimiter(self.delimiter)
                .flexible(true)
                .trim(Trim::All)
                .from_reader(reader),
        );
        if self.has_header && rows.next()? {
            rows.names = Some(rows.texts()?);
        }
        let mut is_there = rows.next()?;
        if !is_there {
            return Err(CsvError::NoRows);
        }
        rows.columns = match &rows.names {
            Some(names) => names.len(),
            None => rows.record.len(),
        };

        let of_target = match &self.target {
            Target::Class(column) => vec![rows.column(column)?],
            Target::Values(columns) => rows.columns(columns)?,
        };
        let of_inputs = match &self.inputs {
            Some(columns) => rows.columns(columns)?,
            None => (0..rows.columns)
                .filter(|column| !of_target.contains(column))
                .collect(),
        };
        if of_inputs.is_empty() || of_target.is_empty() {
            return Err(CsvError::NoColumns);
        }
        let (mut inputs, mut values, mut classes) = (Vec::new(), Vec::new(), Vec::new());
        let mut count = 0;
        while is_there {
            rows.check_length()?;
            for &column in &of_inputs {
                inputs.push(rows.number(column)?);
            }
            match &self.target {
                Target::Class(_) => classes.push((rows.text(of_target[0])?, rows.line())),
                Target::Values(_) => {
                    for &column in &of_target {
                        values.push(rows.number(column)?);
                    }
                }
            }
            count += 1;
            is_there = rows.next()?;
        }

        let table = |columns: &[usize], values| {
            let table = Array2::from_shape_vec((count, columns.len()), values);
            table.expect("a number for each column of each row")
        };
        let all_inputs = table(&of_inputs, inputs);
        let of_equal_length = "a target for each row";
        let (examples, classes) = match &self.target {
            Target::Values(_) => {
                let values = table(&of_target, values);
                let examples = Examples::with_values(all_inputs, values);
                (examples.expect(of_equal_length), Vec::new())
            }
            Target::Class(_) => {
                let names = match &self.classes {
                    Some(names) => names.clone(),
                    None => sorted(classes.iter().map(|(name, _)| name.clone())),
                };
                let names_and_labels = names.iter().zip(0_usize..);
                let labels: HashMap<&String, usize> = names_and_labels.collect();
                let labels = classes.into_iter().map(|(name, line)| {
                    let label = labels.get(&name).copied();
                    label.ok_or_else(|| CsvError::Class {
                        line,
                        column: rows.name(of_target[0]),
                        found: name,
                    })
                });
                let labels = labels.collect::<Result<Vec<usize>, _>>()?;
                let examples = Examples::labelled(all_inputs, labels);
                (examples.expect(of_equal_length), names)
            }
        };
        Ok(Table {
            examples,
            classes,
            inputs: of_inputs.iter().map(|&column| rows.name(column)).collect(),
        })
    }
}

/// Names of classes in order, each once: as numbers where all are integers.
fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let names: BTreeSet<String> = names.collect();
    let mut names: Vec<String> = names.into_iter().collect();
    let number = |name: &String| name.parse::<i64>();
    if names.iter().all(|name| number(name).is_ok()) {
        names.sort_by_key(|name| number(name).unwrap_or_default());
    }
    names
}

/// The rows of a table, one after the other.
struct Rows<R> {
    reader: Reader<R>,
    record: ByteRecord,
    names: Option<Vec<String>>,
    columns: usize,
}

impl<R: Read> Rows<R> {
    fn new(reader: Reader<R>) -> Self {
        Self {
            reader,
            record: ByteRecord::new(),
            names: None,
            columns: 0,
        }
    }

    /// Reads the next row, if there is one.
    fn next(&mut self) -> Result<bool, CsvError> {
        let read = self.reader.read_byte_record(&mut self.record);
        read.map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(source) => CsvError::Io(source),
            kind => CsvError::Io(std::io::Error::other(format!("{kind:?}"))),
        })
    }

    /// The line on which the row begins, from 1.
    fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    /// What errors call a column.
    fn name(&self, column: usize) -> String {
        let name = self.names.as_ref().and_then(|names| names.get(column));
        name.cloned().unwrap_or_else(|| column.to_string())
    }

    fn check_length(&self) -> Result<(), CsvError> {
        let (expected, found) = (self.columns, self.record.len());
        let line = self.line();
        match expected == found {
            true => Ok(()),
            false => Err(CsvError::Length {
                line,
                expected,
                found,
            }),
        }
    }

    fn text(&self, column: usize) -> Result<String, CsvError> {
        let bytes = self.record.get(column).unwrap_or_default();
        let text = std::str::from_utf8(bytes).map_err(|_| CsvError::NotUtf8 {
            line: self.line(),
            column: self.name(column),
        })?;
        Ok(text.to_owned())
    }

    fn texts(&self) -> Result<Vec<String>, CsvError> {
        (0..self.record.len())
            .map(|column| self.text(column))
            .collect()
    }

    fn number(&self, column: usize) -> Result<f32, CsvError> {
        let bytes = self.record.get(column).unwrap_or_default();
        let text = std::str::from_utf8(bytes);
        match text.ok().and_then(|text| text.parse().ok()) {
            Some(number) if f32::is_finite(number) => Ok(number),
            found => Err(CsvError::Number {
                line: self.line(),
                column: self.name(column),
                // Enough to find it by.
                found: self.text(column)?.chars().take(40).collect(),
                is_number: found.is_some(),
            }),
        }
    }

    fn column(&self, column: &Column) -> Result<usize, CsvError> {
        let found = match column {
            Column::Number(number) => Some(*number).filter(|number| *number < self.columns),
            Column::Name(name) => {
                let names = self.names.iter().flatten();
                let mut of_name = names.enumerate().filter(|(_, other)| *other == name);
                let first = of_name.next().map(|(column, _)| column);
                if of_name.next().is_some() {
                    return Err(CsvError::Ambiguous { name: name.clone() });
                }
                first
            }
        };
        found.ok_or_else(|| CsvError::Column {
            asked: column.clone(),
            columns: (0..self.columns).map(|column| self.name(column)).collect(),
        })
    }

    fn columns(&self, columns: &[Column]) -> Result<Vec<usize>, CsvError> {
        columns.iter().map(|column| self.column(column)).collect()
    }
}
