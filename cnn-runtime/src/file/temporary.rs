//! Temporary files beside a target.
//!
//! The names are derived from the target's, so the next call finds what a killed process left. A
//! file is locked as long as its process works on it:
//!
//! ```text
//! create a new file ──▶ lock it ──▶ does the name still lead to it? ──▶ write ──▶ rename, unlock
//! find a file ──▶ is it locked? ──no──▶ does the name still lead to it? ──▶ remove, unlock
//! ```
//!
//! A name is renamed or removed only by who has locked its file. Nothing is ever written to a file
//! that this call has not created itself: another user may have made it, and may read it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::target::names_file;

/// How many names for one target are tried: some are in use, some are other users' files.
pub(super) const NAMES: u32 = 1024;

/// Under how many of them abandoned files are looked for.
///
/// So many processes may save to one file at the same time, and be killed, without a trace.
pub(super) const SWEPT: u32 = 32;

/// A new file, which is removed unless it is renamed.
pub(super) struct Temporary {
    pub(super) path: PathBuf,
    /// Open for reading and writing.
    pub(super) file: File,
    renamed: bool,
}

impl Temporary {
    /// Creates a file in the folder of `target`, and on Unix removes abandoned ones.
    ///
    /// A `private` one can be read by its owner alone.
    pub(super) fn beside(target: &Path, private: bool) -> io::Result<Self> {
        // Elsewhere a name cannot be told to lead to the file that is locked.
        if cfg!(unix) {
            for number in 0..SWEPT {
                remove_abandoned(&name(target, number));
            }
        }
        for number in 0..NAMES {
            if let Some(temporary) = Self::claim(name(target, number), private)? {
                return Ok(temporary);
            }
        }
        let message = "all names of temporary files are taken";
        Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
    }

    /// Creates a file under the name `path` if it is free.
    fn claim(path: PathBuf, private: bool) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        // A new one: neither a link is followed, nor a file opened that somebody else made.
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        if private {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        #[cfg(not(unix))]
        let _ = private;
        let file = match options.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            Err(error) => return Err(error),
        };
        let claimed = match file.try_lock() {
            // Before it was locked, another call may have taken it for an abandoned one.
            Ok(()) => names_file(&path, &file),
            Err(TryLockError::WouldBlock) => false,
            // A file system without locks: abandoned files stay there.
            Err(TryLockError::Error(_)) => true,
        };
        // `then_some` would make one also if it is not claimed, and drop it, which removes the file.
        Ok(claimed.then(|| Self {
            path,
            file,
            renamed: false,
        }))
    }

    /// Gives the file the name `target`.
    pub(super) fn rename(&mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // The file is closed, and so unlocked, after this.
        if !self.renamed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The temporary name `number` of a target: short, whatever the length of the target's own.
pub(super) fn name(target: &Path, number: u32) -> PathBuf {
    let name = target.file_name().unwrap_or_default();
    let hash = fnv1a(name.as_encoded_bytes());
    target.with_file_name(format!(".cnn-{hash:016x}-{number}.tmp"))
}

/// FNV-1a with 64 bits, <http://www.isthe.com/chongo/tech/comp/fnv/>.
///
/// The hashes of the standard library may differ from one of its versions to the next.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Removes the file `path` if no process works on it.
fn remove_abandoned(path: &Path) {
    // Opening something else may wait, or change it.
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return;
    }
    // For writing, because some network file systems lock no others.
    if let Ok(file) = OpenOptions::new().read(true).write(true).open(path) {
        remove_unlocked(path, &file);
    }
}

/// Removes `file` if no process works on it, and if `path` still is its name.
///
/// Since it was opened, its process may have renamed it, and another may have taken the name.
pub(super) fn remove_unlocked(path: &Path, file: &File) {
    if file.try_lock().is_ok() && names_file(path, file) {
        // If it cannot be removed, the next name is taken.
        let _ = fs::remove_file(path);
    }
}
