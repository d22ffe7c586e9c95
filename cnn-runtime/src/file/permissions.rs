//! Owner, group and permissions of a file that takes the place of another.

use std::fs::File;
use std::io;

/// Gives `new` the owner, the group and the permissions of `old`, as far as the system allows it.
///
/// `new` belongs to this process, and only to it. Where something cannot be kept, fewer users have
/// access than before, never others.
#[cfg(unix)]
pub(super) fn keep(old: &File, new: &File) -> io::Result<()> {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

    let (wanted, found) = (old.metadata()?, new.metadata()?);
    let group_kept = wanted.gid() == found.gid() || fchown(new, None, Some(wanted.gid())).is_ok();
    let owner_kept = wanted.uid() == found.uid() || fchown(new, Some(wanted.uid()), None).is_ok();
    let mode = mode(wanted.mode(), owner_kept, group_kept);
    // Last, because a change of the owner takes the bits of set-user-ID programs away. Some file
    // systems know no permissions; then the ones that they show stay.
    if mode != found.mode() & 0o7777 {
        let _ = new.set_permissions(Permissions::from_mode(mode));
    }
    Ok(())
}

/// Elsewhere a file takes its permissions from the folder, and a read-only one is not replaced.
#[cfg(not(unix))]
pub(super) fn keep(_old: &File, _new: &File) -> io::Result<()> {
    Ok(())
}

/// The permissions of a file that had `mode`.
///
/// Without the group, its members count as others, and others as members of the new group: both
/// get what both had.
#[cfg(unix)]
pub(super) fn mode(mode: u32, owner_kept: bool, group_kept: bool) -> u32 {
    match (owner_kept, group_kept) {
        (true, true) => mode & 0o7777,
        // A program must not run as another user than before.
        (false, true) => mode & 0o777,
        (_, false) => {
            let both = (mode >> 3) & mode & 0o7;
            mode & 0o700 | both << 3 | both
        }
    }
}
