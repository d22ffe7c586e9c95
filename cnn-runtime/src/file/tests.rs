//! What the tests of the whole system cannot reach: the middle of a call, and temporary names.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, panic, process, thread};

use super::*;

/// A folder of its own for each test, that vanishes with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("cnn-file-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn replace_with(path: &Path, contents: &str) -> Result<(), Error> {
    replace(path, |writer| writer.write_all(contents.as_bytes()))
}

#[test]
fn calls_for_one_file_do_not_disturb_each_other() {
    fn nested(folder: &Folder, path: &Path, depth: usize) {
        replace(path, |writer| {
            writer.write_all(b"depth ")?;
            writer.flush()?;
            if depth < 5 {
                nested(folder, path, depth + 1);
                // The inner call is done; of this one nothing is to be seen yet.
                assert_eq!(fs::read_to_string(path)?, format!("depth {}", depth + 1));
                assert_eq!(folder.names().len(), 1 + depth);
            }
            write!(writer, "{depth}")
        })
        .unwrap();
    }
    let folder = Folder::new();
    let path = folder.0.join("file");
    nested(&folder, &path, 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), "depth 1");
    assert_eq!(folder.names(), ["file"]);
}

#[test]
fn a_temporary_name_has_one_owner_at_a_time() {
    let folder = Folder::new();
    let target = folder.0.join("file");
    thread::scope(|scope| {
        for number in 0..8_u32 {
            let target = &target;
            scope.spawn(move || {
                for round in 0..500_u32 {
                    let contents = [number, round].map(u32::to_le_bytes).concat();
                    let mut temporary = Temporary::beside(target, false).unwrap();
                    temporary.file.write_all(&contents).unwrap();
                    let found = fs::read(&temporary.path).unwrap();
                    assert_eq!(found, contents, "thread {number}, round {round}");
                    // Every other one is renamed, the others are removed.
                    if round % 2 == 0 {
                        temporary.rename(target).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(folder.names(), ["file"]);
}

#[test]
fn errors_and_panics_leave_the_old_file_alone() {
    let folder = Folder::new();
    let (old, new) = (folder.0.join("old"), folder.0.join("new"));
    fs::write(&old, "old").unwrap();
    let much = vec![1; 3 * BUFFER + 1];
    for path in [&old, &new] {
        for bytes in [0, 1, much.len()] {
            let error = replace(path, |writer| {
                writer.write_all(&much[..bytes])?;
                Err(io::ErrorKind::StorageFull.into())
            })
            .unwrap_err();
            assert!(
                matches!(&error, Error::Io { path: named, source }
                    if named == path && source.kind() == io::ErrorKind::StorageFull),
                "{error}"
            );
            let panicked = panic::catch_unwind(|| {
                replace(path, |writer| {
                    writer.write_all(&much[..bytes])?;
                    panic!("expected by this test")
                })
            });
            assert!(panicked.is_err());
            assert_eq!(folder.names(), ["old"], "{path:?} after {bytes} bytes");
            assert_eq!(fs::read(&old).unwrap(), b"old");
        }
    }
}

#[test]
fn temporary_names_are_short_and_differ() {
    let long = "w".repeat(255);
    let names = [&long[..], &long[1..], "w", "W", "ww", "größe"]
        .map(|target| temporary::name(Path::new(target), 1023));
    for (index, name) in names.iter().enumerate() {
        assert!(name.as_os_str().len() <= 32, "{name:?}");
        assert!(!names[..index].contains(name), "{name:?}");
    }
    let beside = temporary::name(Path::new("/a/b"), 0);
    assert_eq!(beside.parent(), Some(Path::new("/a")));
    // From the page of its authors.
    for (text, hash) in [
        ("", 0xcbf2_9ce4_8422_2325),
        ("a", 0xaf63_dc4c_8601_ec8c),
        ("foobar", 0x8594_4171_f739_67e8),
    ] {
        assert_eq!(temporary::fnv1a(text.as_bytes()), hash, "{text}");
    }
}

#[test]
fn paths_that_name_no_file() {
    let cases = [
        ("a", true),
        ("a/b", true),
        ("a/..b", true),
        ("/a", true),
        ("./a", true),
        ("a//b", true),
        ("", false),
        ("/", false),
        (".", false),
        ("..", false),
        ("a/", false),
        ("a//", false),
        ("a/.", false),
        ("a/./", false),
        ("a/..", false),
    ];
    for (path, expected) in cases {
        assert_eq!(target::ends_in_name(Path::new(path)), expected, "{path}");
    }
}

#[cfg(unix)]
mod unix {
    use std::io::{BufRead, BufReader, Read};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::{Child, Command, Stdio};

    use super::*;

    #[test]
    fn a_name_that_another_process_has_taken_meanwhile_is_not_removed() {
        let folder = Folder::new();
        let (path, away) = (folder.0.join("name"), folder.0.join("renamed"));
        let file = fs::File::create_new(&path).unwrap();
        fs::rename(&path, &away).unwrap();
        temporary::remove_unlocked(&path, &file);
        assert_eq!(folder.names(), ["renamed"]);
        fs::write(&path, "another").unwrap();
        temporary::remove_unlocked(&path, &file);
        assert_eq!(folder.names(), ["name", "renamed"]);
        temporary::remove_unlocked(&away, &file);
        assert_eq!(folder.names(), ["name"]);
    }

    /// The folder in which a child process of these tests works.
    const CHILD: &str = "CNN_TEST_FILE_FOLDER";

    /// A process that stops in the middle of a call, and goes on when its input ends.
    struct Halted(Child);

    impl Halted {
        fn new(folder: &Folder) -> Self {
            let mut child = Command::new(env::current_exe().unwrap())
                .args(["--exact", "file::tests::unix::halted_child", "--nocapture"])
                .env(CHILD, &folder.0)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let output = BufReader::new(child.stdout.as_mut().unwrap());
            assert!(
                output.lines().any(|line| line.unwrap().contains("halted")),
                "the child did not begin"
            );
            Self(child)
        }

        fn kill(mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }

        fn go_on(mut self) {
            drop(self.0.stdin.take());
            // What its harness still prints has a reader until it ends.
            assert!(self.0.wait().unwrap().success());
        }
    }

    #[test]
    fn halted_child() {
        let Some(folder) = env::var_os(CHILD) else {
            return;
        };
        replace(&Path::new(&folder).join("file"), |writer| {
            writer.write_all(&[b'c'; BUFFER])?;
            writer.write_all(b"hild")?;
            println!("halted");
            io::stdin().read_to_end(&mut Vec::new()).map(drop)
        })
        .unwrap();
    }

    #[test]
    fn what_killed_processes_leave_is_removed() {
        let folder = Folder::new();
        let path = folder.0.join("file");
        replace_with(&path, "old").unwrap();
        // One after the other, as a job that is started again and again.
        for _ in 0..3 {
            Halted::new(&folder).kill();
            assert_eq!(folder.names().len(), 2, "{:?}", folder.names());
            assert_eq!(fs::read(&path).unwrap(), b"old");
        }
        // Many at once, the last of which lives on.
        let mut children: Vec<Halted> = (0..temporary::SWEPT)
            .map(|_| Halted::new(&folder))
            .collect();
        let survivor = children.pop().unwrap();
        assert_eq!(folder.names().len(), 1 + temporary::SWEPT as usize);
        children.into_iter().for_each(Halted::kill);
        replace_with(&path, "new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(folder.names().len(), 2, "{:?}", folder.names());
        survivor.go_on();
        assert!(fs::read(&path).unwrap().ends_with(b"child"));
        assert_eq!(folder.names(), ["file"]);
    }

    #[test]
    fn names_that_others_have_taken_are_passed_over() {
        let folder = Folder::new();
        let path = folder.0.join("file");
        let name = |number| temporary::name(&path, number);
        fs::create_dir(name(0)).unwrap();
        fs::write(folder.0.join("other"), "other").unwrap();
        let held = fs::File::create_new(name(1)).unwrap();
        held.lock().unwrap();
        fs::write(name(2), "abandoned").unwrap();
        symlink("other", name(3)).unwrap();
        symlink("missing", name(4)).unwrap();
        let made = Command::new("mkfifo").arg(name(5)).status().unwrap();
        assert!(made.success());
        let mut expected = folder.names();
        let abandoned = name(2).file_name().unwrap().to_str().unwrap().to_owned();
        expected.retain(|name| *name != abandoned);
        expected.push("file".into());
        expected.sort();

        replace_with(&path, "new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read(folder.0.join("other")).unwrap(), b"other");
        assert_eq!(held.metadata().unwrap().len(), 0);
        assert_eq!(folder.names(), expected);

        // If there are too many, that is an error, not a wait.
        for number in 0..temporary::NAMES {
            let _ = fs::create_dir(name(number));
        }
        fs::remove_file(name(1)).unwrap();
        fs::create_dir(name(1)).unwrap();
        let error = replace_with(&path, "newer").unwrap_err().to_string();
        assert!(
            error.ends_with("file`: all names of temporary files are taken"),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_private_file_is_private_while_it_is_written() {
        let folder = Folder::new();
        let path = folder.0.join("file");
        fs::write(&path, "old").unwrap();
        for mode in [0o600, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            replace(&path, |writer| {
                let temporary = fs::metadata(temporary::name(&path, 0))?;
                assert_eq!(temporary.permissions().mode() & 0o7777, 0o600, "{mode:o}");
                writer.write_all(b"new")
            })
            .unwrap();
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
                mode
            );
        }
    }

    #[test]
    fn permissions_never_become_wider() {
        // The mode of before; then with owner and group, without the owner, without the group.
        let cases = [
            (0o100_644, 0o644, 0o644, 0o644),
            (0o100_600, 0o600, 0o600, 0o600),
            (0o100_640, 0o640, 0o640, 0o600),
            (0o100_664, 0o664, 0o664, 0o644),
            (0o100_606, 0o606, 0o606, 0o600),
            (0o100_646, 0o646, 0o646, 0o644),
            (0o100_666, 0o666, 0o666, 0o666),
            (0o106_775, 0o6775, 0o775, 0o755),
            (0o101_777, 0o1777, 0o777, 0o777),
        ];
        for (mode, both, group, neither) in cases {
            let found = [(true, true), (false, true), (true, false), (false, false)]
                .map(|(owner, group)| permissions::mode(mode, owner, group));
            assert_eq!(found, [both, group, neither, neither], "{mode:o}");
        }
    }
}
