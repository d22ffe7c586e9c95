//! Saving where not everything is allowed: permissions, other users' files, mounts, full disks.
#![cfg(unix)]

#[path = "support/child.rs"]
mod child;
#[path = "support/folder.rs"]
mod folder;
#[path = "support/wide.rs"]
mod wide;

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, io, thread};

use child::{child, child_folder, succeeds, superuser};
use cnn::runtime::Error;
use folder::Folder;
use wide::{seed_of, wide};

/// The number of the user and the group `nobody`, as whom the superuser tests.
const NOBODY: u32 = 65534;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Superuser,
    /// Nobody, or the user who runs the tests.
    User,
}
use Who::{Superuser, User};

impl Who {
    fn of(id: u32) -> Self {
        if id == 0 { Superuser } else { User }
    }

    fn id(self) -> u32 {
        if self == Superuser { 0 } else { NOBODY }
    }
}

/// The test `name`, run as a child without the superuser's rights.
fn child_of_user(name: &str, folder: &Folder) -> Command {
    if !superuser() {
        return child(name, folder);
    }
    set_access(&folder.0, Superuser, Superuser, 0o755);
    // This program may lie in a folder that others cannot enter.
    let program = folder.file("program");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    set_access(&program, Superuser, Superuser, 0o755);
    let template = child(name, folder);
    let mut command = Command::new(&program);
    command.args(template.get_args()).uid(NOBODY).gid(NOBODY);
    for (variable, value) in template.get_envs() {
        command.env(variable, value.unwrap());
    }
    command
}

fn set_access(path: &Path, owner: Who, group: Who, mode: u32) {
    if superuser() {
        chown(path, Some(owner.id()), Some(group.id())).unwrap();
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// Another file has the name now.
    Replaced,
    /// The same file has other contents.
    Overwritten,
    ReadOnly,
    Denied,
}
use Outcome::{Denied, Overwritten, ReadOnly, Replaced};

/// Owner, group and mode of a file.
type Access = (Who, Who, u32);

/// Who saves; owner and mode of the folder; the file before; what happens; the file after.
type Case = (Who, (Who, u32), Option<Access>, Outcome, Option<Access>);

const fn own(mode: u32) -> Option<Access> {
    Some((User, User, mode))
}

const fn superusers(mode: u32) -> Option<Access> {
    Some((Superuser, Superuser, mode))
}

#[rustfmt::skip]
const CASES: [Case; 31] = [
    // The user's own file in the user's own folder.
    (User, (User, 0o700), own(0o600), Replaced, own(0o600)),
    (User, (User, 0o700), own(0o640), Replaced, own(0o640)),
    (User, (User, 0o700), own(0o644), Replaced, own(0o644)),
    (User, (User, 0o700), own(0o666), Replaced, own(0o666)),
    (User, (User, 0o700), own(0o755), Replaced, own(0o755)),
    (User, (User, 0o700), own(0o200), Replaced, own(0o200)),
    (User, (User, 0o700), own(0o4755), Replaced, own(0o4755)),
    (User, (User, 0o700), own(0o444), ReadOnly, own(0o444)),
    (User, (User, 0o700), own(0o400), ReadOnly, own(0o400)),
    // Others may write to it, its owner may not.
    (User, (User, 0o700), own(0o466), ReadOnly, own(0o466)),
    // The folder cannot be opened, and so not be synced.
    (User, (User, 0o300), own(0o640), Replaced, own(0o640)),
    // The folder cannot be written to.
    (User, (User, 0o500), own(0o640), Overwritten, own(0o640)),
    (User, (User, 0o500), own(0o444), ReadOnly, own(0o444)),
    (User, (User, 0o500), None, Denied, None),
    (User, (Superuser, 0o755), own(0o600), Overwritten, own(0o600)),
    (User, (Superuser, 0o755), superusers(0o666), Overwritten, superusers(0o666)),
    (User, (Superuser, 0o755), None, Denied, None),
    // The superuser's file in the user's own folder.
    (User, (User, 0o700), superusers(0o644), ReadOnly, superusers(0o644)),
    (User, (User, 0o700), superusers(0o666), Replaced, own(0o666)),
    // Neither group nor others get more than they had.
    (User, (User, 0o700), superusers(0o646), Replaced, own(0o644)),
    (User, (User, 0o700), superusers(0o606), Replaced, own(0o600)),
    (User, (User, 0o700), superusers(0o676), Replaced, own(0o666)),
    // The group can be kept.
    (User, (User, 0o700), Some((Superuser, User, 0o660)), Replaced, own(0o660)),
    (User, (User, 0o700), Some((Superuser, User, 0o4775)), Replaced, own(0o775)),
    // Everybody may make files in the folder, but only remove their own, as in `/tmp`.
    (User, (Superuser, 0o1777), own(0o600), Replaced, own(0o600)),
    (User, (Superuser, 0o1777), superusers(0o666), Overwritten, superusers(0o666)),
    // The superuser keeps the owner, and does not write to what is read-only.
    (Superuser, (Superuser, 0o755), own(0o640), Replaced, own(0o640)),
    (Superuser, (Superuser, 0o755), own(0o4755), Replaced, own(0o4755)),
    (Superuser, (User, 0o500), Some((Superuser, User, 0o664)), Replaced, Some((Superuser, User, 0o664))),
    (Superuser, (Superuser, 0o755), superusers(0o444), ReadOnly, superusers(0o444)),
    (Superuser, (User, 0o700), own(0o400), ReadOnly, own(0o400)),
];

/// Whether the case can be set up: only the superuser makes files of others.
fn possible((saver, (owner, _), before, ..): &Case) -> bool {
    let whose = [
        Some(*saver),
        Some(*owner),
        before.map(|b| b.0),
        before.map(|b| b.1),
    ];
    superuser() || !whose.contains(&Some(Superuser))
}

/// The folder of a case.
fn folder_of(number: usize, folder: &Path) -> PathBuf {
    folder.join(format!("case-{number}"))
}

/// Saves to the file of each case of `saver` that is set up, and reports all wrong results.
fn save_as(saver: Who, folder: &Path) {
    let mut wrong = Vec::new();
    for (number, case) in CASES.iter().enumerate() {
        let folder = folder_of(number, folder);
        if case.0 != saver || !folder.exists() {
            continue;
        }
        let path = folder.join("file");
        let result = wide(2).save(&path);
        let right = match case.3 {
            Replaced | Overwritten => result.is_ok(),
            ReadOnly => matches!(&result, Err(Error::ReadOnly { path: named }) if *named == path),
            Denied => matches!(&result, Err(Error::Io { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied),
        };
        if !right {
            wrong.push((number, case, result));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Says what is not tested. Unlike `eprintln!`, it is also seen if the test passes.
fn skipped(what: &str) {
    let _ = writeln!(
        io::stderr(),
        "SKIPPED, because only the superuser can set it up: {what}"
    );
}

#[test]
fn permissions_are_obeyed_and_kept() {
    if let Some(folder) = child_folder() {
        return save_as(User, &folder);
    }
    let all = Folder::new("access");
    // Longer than the new contents, so that it must be cut.
    let old = vec![b'x'; 1 << 20];
    let mut inodes = Vec::new();
    for (number, case) in CASES.iter().enumerate() {
        if !possible(case) {
            skipped(&format!("{case:?}"));
            inodes.push(None);
            continue;
        }
        let (_, (owner, mode), before, ..) = *case;
        let folder = folder_of(number, &all.0);
        let file = folder.join("file");
        fs::create_dir(&folder).unwrap();
        inodes.push(before.map(|(owner, group, mode)| {
            fs::write(&file, &old).unwrap();
            set_access(&file, owner, group, mode);
            fs::metadata(&file).unwrap().ino()
        }));
        set_access(&folder, owner, owner, mode);
    }
    if superuser() {
        save_as(Superuser, &all.0);
    }
    succeeds(&mut child_of_user("permissions_are_obeyed_and_kept", &all));

    let mut wrong = Vec::new();
    for (number, case) in CASES.iter().enumerate().filter(|(_, case)| possible(case)) {
        let folder = folder_of(number, &all.0);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        let file = folder.join("file");
        let found = fs::metadata(&file).ok();
        let access = found.as_ref().map(|found| {
            let owner = (Who::of(found.uid()), Who::of(found.gid()));
            (owner.0, owner.1, found.mode() & 0o7777)
        });
        let same_file = found.map(|found| found.ino()) == inodes[number];
        let names = fs::read_dir(&folder).unwrap().count();
        let contents = access.is_none() || {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            match case.3 {
                Replaced | Overwritten => seed_of(&file, 3) == 2,
                ReadOnly | Denied => fs::read(&file).unwrap() == old,
            }
        };
        let right = access == case.4
            && same_file == (case.3 != Replaced)
            && contents
            && names == usize::from(access.is_some());
        if !right {
            wrong.push((number, case, access, same_file, contents, names));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn calls_that_overwrite_a_file_wait_for_each_other() {
    if let Some(folder) = child_folder() {
        let path = folder.join("file");
        for _ in 0..5 {
            thread::scope(|scope| {
                for seed in 0..8 {
                    let path = &path;
                    scope.spawn(move || wide(seed).save(path).unwrap());
                }
            });
            seed_of(&path, 8);
        }
        return;
    }
    let folder = Folder::new("overwrite");
    let path = folder.file("file");
    fs::write(&path, "old").unwrap();
    set_access(&path, User, User, 0o600);
    let mut command = child_of_user("calls_that_overwrite_a_file_wait_for_each_other", &folder);
    let inode = fs::metadata(&path).unwrap().ino();
    let writable = fs::metadata(&folder.0).unwrap().permissions();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o555)).unwrap();
    succeeds(&mut command);
    fs::set_permissions(&folder.0, writable).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
}

/// `script`, and then `command` in the same shell. The script finds the folder in `$FOLDER`.
fn after(script: &str, folder: &Folder, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("set -e; {script}; exec \"$0\" \"$@\"")])
        .arg(command.get_program())
        .args(command.get_args())
        .env("FOLDER", &folder.0);
    for (variable, value) in command.get_envs() {
        shell.env(variable, value.unwrap());
    }
    shell
}

/// A limit on the size of files fails in the middle, as a full disk does.
#[test]
fn a_file_that_cannot_be_written_whole_leaves_the_old_one() {
    if let Some(folder) = child_folder() {
        let error = wide(1).save(folder.join("file")).unwrap_err();
        let Error::Io { source, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(source.kind(), io::ErrorKind::FileTooLarge);
        return;
    }
    let folder = Folder::new("limit");
    let path = folder.file("file");
    let test = "a_file_that_cannot_be_written_whole_leaves_the_old_one";
    let child = child(test, &folder);
    for exists in [false, true] {
        let expected: &[&str] = if exists { &["file"] } else { &[] };
        if exists {
            wide(0).save(&path).unwrap();
        }
        // Told by an error.
        succeeds(&mut after("ulimit -f 200; trap '' XFSZ", &folder, &child));
        assert_eq!(folder.names(), expected);
        // Killed by a signal.
        let Output { status, .. } = after("ulimit -f 200; ulimit -c 0", &folder, &child)
            .output()
            .unwrap();
        assert_eq!(status.signal(), Some(25), "SIGXFSZ");
        assert_eq!(folder.names().len(), expected.len() + 1);
        if exists {
            assert_eq!(seed_of(&path, 1), 0);
        }
        wide(0).save(&path).unwrap();
        assert_eq!(folder.names(), ["file"]);
    }
}

#[test]
fn mounted_files_are_overwritten_and_full_disks_keep_the_old_file() {
    if let Some(folder) = child_folder() {
        let names = |name: &str| fs::read_dir(folder.join(name)).unwrap().count();
        // A mount point in a folder that can be written, and in one of a read-only file system.
        for (seed, path) in [(1, "open"), (2, "read-only")] {
            let inode = fs::metadata(folder.join("source")).unwrap().ino();
            wide(seed).save(folder.join(path).join("file")).unwrap();
            assert_eq!(seed_of(&folder.join("source"), 3), seed, "{path}");
            assert_eq!(fs::metadata(folder.join("source")).unwrap().ino(), inode);
            assert_eq!(names(path), 1, "{path}");
        }
        // There is room for one file, not for two.
        let path = folder.join("small/file");
        wide(0).save(&path).unwrap();
        let error = wide(1).save(&path).unwrap_err();
        assert!(
            matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull),
            "{error}"
        );
        assert_eq!(seed_of(&path, 2), 0);
        assert_eq!(names("small"), 1);
        return;
    }
    if !superuser()
        || !Command::new("unshare")
            .args(["--mount", "true"])
            .status()
            .is_ok_and(|s| s.success())
    {
        skipped("mounted files and full disks");
        return;
    }
    let folder = Folder::new("mounts");
    for name in ["open", "read-only", "small"] {
        fs::create_dir(folder.file(name)).unwrap();
    }
    // Longer than the new contents, so that it must be cut.
    fs::write(folder.file("source"), vec![b'x'; 1 << 20]).unwrap();
    fs::write(folder.file("open/file"), "").unwrap();
    let script = r#"cd "$FOLDER"
        mount --bind source open/file
        mount -t tmpfs none read-only
        touch read-only/file
        mount --bind source read-only/file
        mount -o remount,ro read-only
        mount -t tmpfs -o size=400k none small"#;
    let test = "mounted_files_are_overwritten_and_full_disks_keep_the_old_file";
    let shell = after(script, &folder, &child(test, &folder));
    let mut command = Command::new("unshare");
    command
        .arg("--mount")
        .arg(shell.get_program())
        .args(shell.get_args());
    for (variable, value) in shell.get_envs() {
        command.env(variable, value.unwrap());
    }
    succeeds(&mut command);
    assert_eq!(seed_of(&folder.file("source"), 3), 2);
    assert_eq!(fs::read(folder.file("open/file")).unwrap(), b"");
}
