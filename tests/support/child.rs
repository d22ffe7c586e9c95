//! Tests that need a process of their own: they run themselves once more, as a child.
#![allow(dead_code, reason = "each test file uses its share")]

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::folder::Folder;

/// Names the folder in which a child works.
const FOLDER: &str = "CNN_TEST_CHILD_FOLDER";

/// The folder of this process if it is a child.
pub fn child_folder() -> Option<PathBuf> {
    env::var_os(FOLDER).map(PathBuf::from)
}

/// The command that runs `test` in a process of its own.
pub fn child(test: &str, folder: &Folder) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test]).env(FOLDER, &folder.0);
    command
}

/// Runs a child, whose test must pass, and shows what it printed if it does not.
#[track_caller]
pub fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    // A test whose name is wrong is not run, and does not fail.
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "{command:?}: {}\n{printed}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Whether permissions do not bind this process.
#[cfg(unix)]
pub fn superuser() -> bool {
    use std::os::unix::fs::MetadataExt;

    let folder = Folder::new("superuser");
    std::fs::metadata(&folder.0).unwrap().uid() == 0
}
