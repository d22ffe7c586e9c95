//! What is wrong with a table.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use super::Column;

/// What is wrong with a CSV file. A line is that on which a row begins, counted from 1; a column is told by its name in the
/// header, or by its number, counted from 0, where there is no header.
#[derive(Debug)]
#[non_exhaustive]
pub enum CsvError {
    /// Reading failed.
    Io(io::Error),
    /// There is no row, or none but the header.
    NoRows,
    /// No column is left for the inputs, or none is given for the target.
    NoColumns,
    /// The table has no such column.
    Column {
        /// What was asked for.
        asked: Column,
        /// The columns that there are.
        columns: Vec<String>,
    },
    /// Several columns have the name that was asked for.
    Ambiguous {
        /// The name.
        name: String,
    },
    /// A row has more or fewer columns than the header, or than the first row.
    Length {
        /// The line.
        line: u64,
        /// The columns of the header, or of the first row.
        expected: usize,
        /// Those of this row.
        found: usize,
    },
    /// A field is no finite number.
    Number {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// What stands there, 40 characters at most.
        found: String,
        /// Whether it is a number: infinite, NaN, or too large for `f32`.
        is_number: bool,
    },
    /// A class is none of those that were given.
    Class {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// The name of the class.
        found: String,
    },
    /// A field is not UTF-8.
    NotUtf8 {
        /// The line.
        line: u64,
        /// The column.
        column: String,
    },
}

impl fmt::Display for CsvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CsvError::Io(source) => write!(f, "{source}"),
            CsvError::NoRows => f.write_str("the table has no rows"),
            CsvError::NoColumns => {
                f.write_str("the table has no column for the inputs or none for the target")
            }
            CsvError::Column { asked, columns } => {
                match asked {
                    Column::Name(name) => write!(f, "there is no column `{name}`")?,
                    Column::Number(number) => write!(f, "there is no column {number}")?,
                }
                write!(f, ", but there are `{}`", columns.join("`, `"))
            }
            CsvError::Ambiguous { name } => {
                write!(
                    f,
                    "several columns are called `{name}`; take the number, counted from 0"
                )
            }
            CsvError::Length {
                line,
                expected,
                found,
            } => write!(f, "line {line}: expected {expected} columns, found {found}"),
            CsvError::Number {
                line,
                column,
                found,
                is_number,
            } => {
                let expected = if *is_number { "finite" } else { "a number" };
                write!(
                    f,
                    "line {line}, column `{column}`: `{found}` is not {expected}"
                )
            }
            CsvError::Class {
                line,
                column,
                found,
            } => write!(
                f,
                "line {line}, column `{column}`: `{found}` is none of the classes"
            ),
            CsvError::NotUtf8 { line, column } => {
                write!(f, "line {line}, column `{column}`: not UTF-8")
            }
        }
    }
}

impl StdError for CsvError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            CsvError::Io(source) => Some(source),
            _ => None,
        }
    }
}
