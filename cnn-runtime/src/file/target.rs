//! The file that a path leads to, and whether it may be written.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// How many symbolic links may follow each other: as many as Linux follows.
const MAX_LINKS: usize = 40;

/// How often [`Target::find`] looks again because somebody replaced the file meanwhile.
const ATTEMPTS: usize = 1000;

/// A file that is to be written.
pub(super) struct Target {
    /// The file, after all symbolic links.
    pub(super) path: PathBuf,
    /// What is there now, opened for writing.
    pub(super) existing: Option<File>,
}

impl Target {
    /// Finds the file that `path` leads to; it need not exist.
    pub(super) fn find(path: &Path) -> Result<Self, Error> {
        let failed = |source| io_error(path, source);
        for _ in 0..ATTEMPTS {
            // The system follows the links first: it knows loops, and links that must not be
            // followed, such as those of other users in `/tmp`.
            let existing = open(path)?;
            let target = follow_links(path);
            let found = match fs::symlink_metadata(&target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => existing.is_none(),
                Err(error) => return Err(failed(error)),
                Ok(_) => existing
                    .as_ref()
                    .is_some_and(|file| names_file(&target, file)),
            };
            // Otherwise somebody has just created, replaced or removed it.
            if found {
                return if existing.is_some() || ends_in_name(&target) {
                    Ok(Self {
                        path: target,
                        existing,
                    })
                } else {
                    let message = "the path names no file";
                    Err(failed(io::Error::new(io::ErrorKind::InvalidInput, message)))
                };
            }
        }
        let message = "the path does not lead to the same file twice";
        Err(failed(io::Error::new(io::ErrorKind::ResourceBusy, message)))
    }
}

/// Opens the file at `path` for writing, without a change; `None` if there is none.
fn open(path: &Path) -> Result<Option<File>, Error> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(path, error)),
    };
    // Before it is opened, because opening a pipe waits, and opening a device may do something.
    is_regular(path, &metadata)?;
    let read_only = || Error::ReadOnly {
        path: path.to_path_buf(),
    };
    // The superuser may open such a file all the same.
    if metadata.permissions().readonly() {
        return Err(read_only());
    }
    match OpenOptions::new().write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Ok(None),
            io::ErrorKind::PermissionDenied => Err(read_only()),
            _ => Err(io_error(path, error)),
        },
    }
}

/// An error unless `metadata` are those of a regular file.
pub(super) fn is_regular(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    match metadata.is_file() {
        true => Ok(()),
        false => Err(Error::NotAFile {
            path: path.to_path_buf(),
            found: kind(metadata.file_type()),
        }),
    }
}

fn io_error(path: &Path, source: io::Error) -> Error {
    Error::Io {
        path: path.to_path_buf(),
        source,
    }
}

/// Where the symbolic links at the end of `path` lead.
fn follow_links(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        // An error says that there is no link, or no file.
        let Ok(target) = fs::read_link(&path) else {
            break;
        };
        path.pop();
        path.push(target);
    }
    path
}

/// Whether `path` itself names `file`, without following a link.
pub(super) fn names_file(path: &Path, file: &File) -> bool {
    let Ok(named) = fs::symlink_metadata(path) else {
        return false;
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        file.metadata()
            .is_ok_and(|open| (named.dev(), named.ino()) == (open.dev(), open.ino()))
    }
    // The standard library tells nothing that identifies a file elsewhere.
    #[cfg(not(unix))]
    {
        let _ = file;
        named.is_file()
    }
}

/// Whether `path` ends in the name of a file: `a/b` does; `a/b/`, `a/.` and `..` do not.
pub(super) fn ends_in_name(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    path.file_name()
        .is_some_and(|name| bytes.ends_with(name.as_encoded_bytes()))
}

/// What is no regular file, in words.
fn kind(file_type: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;

        if file_type.is_char_device() || file_type.is_block_device() {
            return "a device";
        }
        if file_type.is_fifo() {
            return "a pipe";
        }
        if file_type.is_socket() {
            return "a socket";
        }
    }
    if file_type.is_dir() {
        "a folder"
    } else {
        "something else"
    }
}
