//! The four files of MNIST.

use std::path::{Path, PathBuf};

use ndarray::{Axis, Ix1, Ix3};

use super::{Examples, idx};
use crate::error::{Error, IdxError};

/// Reads MNIST from the folder `folder`: the 60,000 training and the 10,000 test examples.
///
/// Inputs are `[28, 28, 1]`, from 0 to 1, labels 0 to 9. The files are the original ones
/// (`train-images-idx3-ubyte`, …), or those of another data set in the same form, with or without
/// `.gz` (which needs the feature `gzip`); `train-images.idx3-ubyte` is found too.
///
/// # Errors
///
/// [`Error::MissingFile`], [`Error::Io`] and [`Error::Idx`], all of which name the file.
pub fn mnist(folder: impl AsRef<Path>) -> Result<(Examples<'static>, Examples<'static>), Error> {
    let folder = folder.as_ref();
    Ok((part(folder, "train")?, part(folder, "t10k")?))
}

/// Reads the images and labels whose names begin with `prefix`.
fn part(folder: &Path, prefix: &str) -> Result<Examples<'static>, Error> {
    let images = find(folder, &format!("{prefix}-images"), "idx3-ubyte")?;
    let labels = find(folder, &format!("{prefix}-labels"), "idx1-ubyte")?;
    let images = idx::read::<Ix3>(images)?;
    let path = labels;
    let labels = idx::read::<Ix1>(&path)?;
    if images.len_of(Axis(0)) != labels.len() {
        return Err(Error::Idx {
            path,
            source: IdxError::Count {
                expected: images.len_of(Axis(0)),
                found: labels.len(),
            },
        });
    }
    let examples = Examples::labelled(images.insert_axis(Axis(3)), labels)?;
    Ok(examples.scaled(1.0 / 255.0))
}

/// The first of the names that a file goes by.
fn find(folder: &Path, stem: &str, suffix: &str) -> Result<PathBuf, Error> {
    let names = [
        format!("{stem}-{suffix}"),
        format!("{stem}-{suffix}.gz"),
        format!("{stem}.{suffix}"),
        format!("{stem}.{suffix}.gz"),
    ];
    match names
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.exists())
    {
        Some(path) => Ok(path),
        None => Err(Error::MissingFile {
            folder: folder.to_path_buf(),
            names: names.into(),
        }),
    }
}
