//! Writing files: the new contents appear as a whole, or the old ones stay.
//!
//! ```text
//! path ── follow links ──▶ target ── claim a name beside it ──▶ temporary file
//!                            ▲                                   │ write, keep permissions, sync
//!                            └───────────── rename ──────────────┘
//! ```
//!
//! Every file that the crate writes as a whole goes through [`replace`]; weights and checkpoints are read from what [`open`] opens. Where the folder takes no temporary
//! file, or the target cannot be renamed over, the target is overwritten, which is not atomic.

mod permissions;
mod target;
mod temporary;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use crate::error::Error;
use target::{Target, is_regular};
use temporary::Temporary;

/// Bytes that are gathered before the system is called.
const BUFFER: usize = 1 << 16;

/// Writes to the file `path` what `write` writes, as a whole or not at all.
///
/// - **Links**: the file that a symbolic link leads to is replaced; the link stays. A link that
///   leads to no file yet creates it. Of several hard links, the one that `path` names gets the new
///   contents; the others keep the old ones.
/// - **Permissions** are kept, and so are owner and group where the system allows it. If the group
///   cannot be kept, group and others get what both of them had; so nobody gets access who had none.
///   Extended attributes are not kept, and of an access control list only its mask, which the
///   system shows as the permissions of the group. A new file gets what the process gives to all
///   its files.
/// - **At once**: several threads and processes may write the same file. None waits for another;
///   the last one to finish wins.
/// - **Killed**: the temporary file that a killed process leaves is removed by the next call for
///   the same file; on Unix only.
/// - **Full disks**: the old file stays, and the temporary file is removed.
///
/// The file is overwritten where it is, after waiting for other calls that do the same, if no file
/// can be made beside it (the folder is read-only) or none can be renamed over it (it is a mount
/// point, or belongs to somebody else in a folder like `/tmp`). This is not atomic: whoever reads
/// meanwhile sees a mixture of old and new, and an error leaves it.
///
/// # Errors
///
/// [`Error::NotAFile`], [`Error::ReadOnly`], [`Error::Io`]. The last one names the file that the
/// links of `path` lead to.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    let target = Target::find(path)?;
    write_target(&target, write).map_err(|source| Error::Io {
        path: target.path,
        source,
    })
}

/// Opens the regular file `path` for reading, and tells its length in bytes.
///
/// # Errors
///
/// [`Error::NotAFile`], [`Error::Io`].
pub(crate) fn open(path: &Path) -> Result<(File, u64), Error> {
    let io_error = |source| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    // Before it is opened, because opening a pipe waits for somebody who writes to it.
    is_regular(path, &fs::metadata(path).map_err(io_error)?)?;
    let file = File::open(path).map_err(io_error)?;
    // Somebody may have put something else in its place meanwhile.
    let metadata = file.metadata().map_err(io_error)?;
    is_regular(path, &metadata)?;
    Ok((file, metadata.len()))
}

fn write_target(
    target: &Target,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let existing = target.existing.as_ref();
    // Until it has the permissions of the old file, nobody else may read the new one.
    let mut temporary = match (
        Temporary::beside(&target.path, existing.is_some()),
        existing,
    ) {
        (Ok(temporary), _) => temporary,
        (Err(error), Some(file)) if replacing_is_denied(&error) => return overwrite(file, write),
        (Err(error), _) => return Err(error),
    };
    write_buffered(&temporary.file, write)?;
    if let Some(old) = existing {
        permissions::keep(old, &temporary.file)?;
    }
    temporary.file.sync_all()?;
    match (temporary.rename(&target.path), existing) {
        (Ok(()), _) => {
            sync_folder(&target.path);
            Ok(())
        }
        (Err(error), Some(file)) if replacing_is_denied(&error) => {
            let mut source = &temporary.file;
            source.rewind()?;
            overwrite(file, |writer| io::copy(&mut source, writer).map(drop))
        }
        (Err(error), _) => Err(error),
    }
}

/// Whether the folder does not take a new file, or does not give up the old one.
fn replacing_is_denied(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::ResourceBusy
    )
}

/// Writes over the contents of `file`, which is at its beginning.
///
/// It is cut to its new length at the end: a full disk has room for the bytes that are there.
fn overwrite(
    mut file: &File,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    // Some file systems have no locks. Closing the file unlocks it.
    while let Err(error) = file.lock() {
        if error.kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
    write_buffered(file, write)?;
    let length = file.stream_position()?;
    file.set_len(length)?;
    file.sync_all()
}

fn write_buffered(
    file: &File,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut writer = BufWriter::with_capacity(BUFFER, file);
    write(&mut writer)?;
    writer.flush()
}

/// Makes the new name last: on Unix a folder is a file that can be synced.
///
/// The file is in place already, and some folders may be written to but not opened, and some file
/// systems do not sync folders; so a failure is none of [`replace`].
fn sync_folder(path: &Path) {
    if cfg!(unix) {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}
