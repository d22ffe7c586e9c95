//! Saving: names, links, what is no file; several processes at once, and killed ones.

#[path = "support/child.rs"]
mod child;
#[path = "support/folder.rs"]
mod folder;
#[path = "support/wide.rs"]
mod wide;

use std::process::{Child, Stdio};
use std::{env, fs, thread};

use child::{child, child_folder, succeeds};
use cnn::runtime::{Error, Model};
use folder::Folder;
use wide::{WIDE, seed_of, wide};

#[test]
fn a_failed_save_leaves_everything_as_it_was() {
    let folder = Folder::new("failed");
    let nowhere = folder.file("missing").join("model.safetensors");
    let error = wide(1).save(&nowhere).unwrap_err();
    assert!(
        matches!(&error, Error::Io { path, .. } if *path == nowhere),
        "{error}"
    );
    assert!(folder.names().is_empty());

    let occupied = folder.file("occupied");
    fs::create_dir(&occupied).unwrap();
    fs::write(occupied.join("content"), "kept").unwrap();
    assert!(wide(1).save(&occupied).is_err());
    assert_eq!(folder.names(), ["occupied"]);
    assert_eq!(fs::read(occupied.join("content")).unwrap(), b"kept");
}

#[test]
fn paths_that_name_no_file_are_refused() {
    let folder = Folder::new("no-file");
    for (path, expected) in [
        ("", "the path names no file"),
        ("/", "is a folder, but must be a regular file"),
        ("..", "is a folder, but must be a regular file"),
    ] {
        let error = wide(1).save(path).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    }
    for name in ["new/", "new/.", "new/.."] {
        let error = wide(1).save(folder.file(name)).unwrap_err().to_string();
        assert!(error.ends_with("the path names no file"), "{error}");
    }
    fs::write(folder.file("file"), "kept").unwrap();
    for name in ["file/", "file/.", "file/new"] {
        let result = wide(1).save(folder.file(name));
        assert!(matches!(result, Err(Error::Io { .. })), "{result:?}");
    }
    assert_eq!(folder.names(), ["file"]);
    assert_eq!(fs::read(folder.file("file")).unwrap(), b"kept");
}

#[test]
fn names_may_be_as_long_as_the_file_system_allows() {
    let folder = Folder::new("long");
    for length in [1, 200, 244, 245, 250, 255] {
        let path = folder.file(&"w".repeat(length));
        for seed in 0..2 {
            wide(seed).save(&path).unwrap();
            assert_eq!(seed_of(&path, 2), seed, "{length}");
        }
    }
    assert_eq!(folder.names().len(), 6);
    let result = wide(1).save(folder.file(&"w".repeat(256)));
    assert!(matches!(result, Err(Error::Io { .. })), "{result:?}");
    assert_eq!(folder.names().len(), 6);
}

#[test]
fn names_of_one_file_in_the_current_folder_need_no_folder() {
    // The current folder is that of the whole process, so a process of its own stands in another.
    if child_folder().is_some() {
        wide(1).save("model.safetensors").unwrap();
        Model::load(&WIDE, "model.safetensors").unwrap();
        return;
    }
    let folder = Folder::new("current");
    let test = "names_of_one_file_in_the_current_folder_need_no_folder";
    succeeds(child(test, &folder).current_dir(&folder.0));
    assert_eq!(folder.names(), ["model.safetensors"]);
}

#[test]
fn threads_may_save_to_the_same_file_at_once() {
    let folder = Folder::new("threads");
    let path = folder.file("model.safetensors");
    thread::scope(|scope| {
        for seed in 0..20 {
            let path = &path;
            scope.spawn(move || (0..5).for_each(|_| wide(seed).save(path).unwrap()));
        }
    });
    seed_of(&path, 20);
    assert_eq!(folder.names(), ["model.safetensors"]);
}

#[test]
fn processes_may_save_to_the_same_file_at_once() {
    if let Some(folder) = child_folder() {
        let seed = env::var("SEED").unwrap().parse().unwrap();
        let path = folder.join("model.safetensors");
        (0..5).for_each(|_| wide(seed).save(&path).unwrap());
        return;
    }
    let folder = Folder::new("processes");
    let path = folder.file("model.safetensors");
    wide(0).save(&path).unwrap();
    let test = "processes_may_save_to_the_same_file_at_once";
    let mut children: Vec<_> = (0..20)
        .map(|seed| {
            let mut command = child(test, &folder);
            command.env("SEED", seed.to_string()).stdout(Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    // A reader sees a whole file at any time.
    let running = |child: &mut Child| child.try_wait().unwrap().is_none();
    while children.iter_mut().any(running) {
        seed_of(&path, 20);
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    seed_of(&path, 20);
    assert_eq!(folder.names(), ["model.safetensors"]);
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::process::Command;
    use std::time::Duration;

    use super::child::superuser;
    use super::*;

    #[test]
    fn killed_processes_leave_nothing_for_long() {
        if let Some(folder) = child_folder() {
            let model = wide(1);
            loop {
                model.save(folder.join("model.safetensors")).unwrap();
            }
        }
        let folder = Folder::new("killed");
        let path = folder.file("model.safetensors");
        wide(0).save(&path).unwrap();
        let test = "unix::killed_processes_leave_nothing_for_long";
        let mut left = 0;
        for round in 0..10 {
            let mut children: Vec<_> = (0..20 - round)
                .map(|_| child(test, &folder).stdout(Stdio::null()).spawn().unwrap())
                .collect();
            thread::sleep(Duration::from_millis(150 + 7 * round));
            for child in &mut children {
                child.kill().unwrap();
                child.wait().unwrap();
            }
            seed_of(&path, 2);
            left += folder.names().len() - 1;
            wide(0).save(&path).unwrap();
            assert_eq!(seed_of(&path, 1), 0);
            assert_eq!(folder.names(), ["model.safetensors"]);
        }
        assert!(left > 0, "no process was killed while it saved");
    }

    #[test]
    fn the_file_that_links_lead_to_is_replaced() {
        // Links and where they lead; the path that is saved to; the file that shall be written.
        type Case = (
            &'static str,
            &'static [(&'static str, &'static str)],
            &'static str,
        );
        let cases: [Case; 9] = [
            ("relative", &[("link", "real/file")], "real/file"),
            ("absolute", &[("link", "{}/real/file")], "real/file"),
            ("upwards", &[("link", "real/../real/file")], "real/file"),
            (
                "chain",
                &[("link", "real/a"), ("real/a", "../b"), ("b", "real/file")],
                "real/file",
            ),
            (
                "through a folder",
                &[("link", "folder/file"), ("folder", "real")],
                "real/file",
            ),
            // A relative link counts from the folder where it really lies.
            (
                "out of a folder",
                &[
                    ("link", "folder/a"),
                    ("folder", "real/deep"),
                    ("real/deep/a", "../file"),
                ],
                "real/file",
            ),
            ("dangling", &[("link", "real/new")], "real/new"),
            (
                "dangling chain",
                &[("link", "real/a"), ("real/a", "new")],
                "real/new",
            ),
            ("no link", &[], "link"),
        ];
        for (name, links, expected) in cases {
            let folder = Folder::new("links");
            fs::create_dir_all(folder.file("real/deep")).unwrap();
            wide(0).save(folder.file("real/file")).unwrap();
            for (link, target) in links {
                let target = target.replace("{}", folder.0.to_str().unwrap());
                symlink(target, folder.file(link)).unwrap();
            }
            for seed in 1..3 {
                let saved = wide(seed).save(folder.file("link"));
                assert!(saved.is_ok(), "{name}: {saved:?}");
                assert_eq!(seed_of(&folder.file(expected), 3), seed, "{name}");
            }
            for (link, _) in links {
                let kept = fs::symlink_metadata(folder.file(link)).unwrap();
                assert!(kept.is_symlink(), "{name}: {link}");
            }
            let files = |path: &str| {
                let entries = fs::read_dir(folder.file(path)).unwrap();
                entries
                    .filter(|entry| entry.as_ref().unwrap().metadata().unwrap().is_file())
                    .count()
            };
            let new = usize::from(!matches!(expected, "real/file"));
            assert_eq!(files("") + files("real"), 1 + new, "{name}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_errors() {
        let folder = Folder::new("loops");
        for (link, target, expected) in [
            ("itself", "itself", "symbolic links"),
            ("there", "back", "symbolic links"),
            ("back", "there", "symbolic links"),
            ("missing", "none/file", "No such file"),
            ("slash", "none/", "names no file"),
        ] {
            symlink(target, folder.file(link)).unwrap();
            if link == "there" {
                continue;
            }
            let error = wide(1).save(folder.file(link)).unwrap_err();
            assert!(matches!(error, Error::Io { .. }), "{link}: {error:?}");
            assert!(error.to_string().contains(expected), "{link}: {error}");
        }
        assert_eq!(folder.names().len(), 5);
        for name in folder.names() {
            assert!(folder.file(&name).is_symlink(), "{name}");
        }
    }

    /// The links of `/proc` name a file of before once it is removed.
    #[cfg(target_os = "linux")]
    #[test]
    fn another_file_of_the_name_that_a_link_shows_is_not_replaced() {
        use std::os::fd::AsRawFd;

        let folder = Folder::new("removed");
        let path = folder.file("file");
        let file = fs::File::create_new(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        let shown = fs::read_link(&link).unwrap();
        fs::write(&shown, "another").unwrap();
        let error = wide(1).save(link).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
        assert_eq!(fs::read(&shown).unwrap(), b"another");
        assert_eq!(folder.names().len(), 1);
    }

    #[test]
    fn a_hard_link_is_parted_from_the_others() {
        let folder = Folder::new("hard-links");
        let (path, other) = (folder.file("file"), folder.file("other"));
        wide(0).save(&path).unwrap();
        fs::hard_link(&path, &other).unwrap();
        wide(1).save(&path).unwrap();
        assert_eq!((seed_of(&path, 2), seed_of(&other, 2)), (1, 0));
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_kept() {
        let folder = Folder::new("kinds");
        let run = |program: &str, arguments: &[&str]| {
            let status = Command::new(program)
                .args(arguments)
                .current_dir(&folder.0)
                .status();
            status.unwrap().success()
        };
        fs::create_dir(folder.file("folder")).unwrap();
        assert!(run("mkfifo", &["pipe"]));
        let _socket = UnixListener::bind(folder.file("socket")).unwrap();
        // `/dev/full` itself must not be at stake where the superuser runs a test that fails.
        if !run("mknod", &["device", "c", "1", "7"]) {
            assert!(!superuser(), "the superuser can make a device");
            symlink("/dev/full", folder.file("device")).unwrap();
        }
        for (name, expected) in [
            ("folder", "a folder"),
            ("pipe", "a pipe"),
            ("socket", "a socket"),
            ("device", "a device"),
        ] {
            let link = folder.file(&format!("link to {name}"));
            symlink(name, &link).unwrap();
            for path in [folder.file(name), link] {
                let before = fs::symlink_metadata(&path).unwrap();
                let error = wide(1).save(&path).unwrap_err();
                assert!(
                    matches!(&error, Error::NotAFile { path: named, found }
                        if *named == path && *found == expected),
                    "{name}: {error:?}"
                );
                let after = fs::symlink_metadata(&path).unwrap();
                assert_eq!(before.ino(), after.ino(), "{name}");
                assert_eq!(before.file_type(), after.file_type(), "{name}");
            }
        }
        assert!(
            fs::metadata(folder.file("device"))
                .unwrap()
                .file_type()
                .is_char_device()
        );
        assert_eq!(folder.names().len(), 8);
    }

    #[test]
    fn a_new_file_is_like_other_new_files() {
        let folder = Folder::new("new");
        fs::write(folder.file("other"), "").unwrap();
        wide(1).save(folder.file("file")).unwrap();
        let mode = |name| fs::metadata(folder.file(name)).unwrap().mode();
        assert_eq!(mode("file"), mode("other"));
    }
}
