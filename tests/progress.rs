//! What `fit` writes where nobody watches: a line for each epoch on the standard error stream.

#[path = "support/child.rs"]
mod child;
#[path = "support/folder.rs"]
mod folder;
#[path = "support/small.rs"]
mod small;

use child::{child, child_folder};
use cnn::Model;
use folder::Folder;
use small::{STRIPES, stripes};

/// Trains; the child of the tests below.
#[test]
fn training() {
    let Some(folder) = child_folder() else { return };
    let quiet = folder.to_string_lossy().contains("quiet");
    let mut net = Model::new(&STRIPES, 1);
    let validation = stripes(9);
    let trainer = net.trainer().epochs(2).progress(!quiet);
    trainer.validation(&validation).fit(&stripes(40)).unwrap();
}

/// What the child writes to its standard error stream.
fn written(folder: &str) -> String {
    let folder = Folder::new(folder);
    let output = child("training", &folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A line without what differs from run to run.
fn without_numbers(line: &str) -> String {
    let mut text = String::new();
    for c in line.chars() {
        match (c.is_ascii_digit(), text.ends_with('#')) {
            (true, true) => {}
            (true, false) => text.push('#'),
            (false, _) => text.push(c),
        }
    }
    text
}

#[test]
fn a_file_gets_a_line_for_each_epoch() {
    let text = written("lines");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, number) in lines.iter().zip(1..) {
        let beginning = format!("Epoch {number}/2 - 3/3 ");
        assert!(line.starts_with(&beginning), "{line}");
        let line = without_numbers(line);
        let line = line.replace("#us/step", "#ms/step");
        let expected = "Epoch #/# - #/# #s #ms/step - accuracy: #.# - loss: #.# - mae: #.# - val_accuracy: #.# \
                        - val_loss: #.# - val_mae: #.#";
        assert_eq!(line, expected);
    }
}

#[test]
fn nothing_is_written_where_nothing_is_wanted() {
    assert_eq!(written("quiet"), "");
}

/// Training goes on where the stream takes nothing.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_ends_no_training() {
    let folder = Folder::new("full");
    let full = std::fs::File::create("/dev/full").unwrap();
    let status = child("training", &folder).stderr(full).status().unwrap();
    assert!(status.success());
}
