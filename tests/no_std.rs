//! Inference without `std`: builds and runs the program in `no_std/`, and compares what it
//! computes with the same network under `std`. What compiles without `std` compiles with it.

#![cfg(unix)] // the program has the C library's `main` and `write`

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[path = "no_std/src/network.rs"]
mod network;

use network::{PARAMETERS, Tiny, image};

/// Where all of the programs are built.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_std")
}

/// Runs cargo in a folder.
fn cargo(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--quiet")
        .arg("--target-dir")
        .arg(target())
        .current_dir(folder)
        .output()
        .unwrap()
}

#[track_caller]
fn assert_built(output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// The folder of the program.
fn program() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/no_std"))
}

#[test]
fn a_program_without_std_and_allocator_computes_the_same() {
    assert_built(&cargo(
        program(),
        &["build", "--locked", "--package", "no-std"],
    ));

    let ran = Command::new(target().join("debug/no-std"))
        .output()
        .unwrap();
    assert!(ran.status.success());
    let found: Vec<f32> = ran
        .stdout
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();

    let mut workspace = [f32::NAN; Tiny::WORKSPACE];
    let expected = Tiny::infer(&PARAMETERS, &image(), &mut workspace);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-6,
            "found {found}, expected {expected}"
        );
    }
    assert!((expected.iter().sum::<f32>() - 1.0).abs() < 1e-6);
}

/// The library alone, and in one graph with a program that asks for `std`.
#[test]
fn what_compiles_without_std_compiles_with_it() {
    assert_built(&cargo(
        program(),
        &["check", "--locked", "--package", "no-std", "--lib"],
    ));
    assert_built(&cargo(
        program(),
        &["check", "--locked", "--package", "with-std"],
    ));
}

/// The example for a device, for this machine instead.
#[test]
fn the_example_for_a_device_compiles() {
    let device = program().join("../../examples/firmware/device");
    assert_built(&cargo(&device, &["check", "--locked"]));
}

/// What does not compile with `std` does not without it, and what needs it says so.
#[test]
fn what_needs_std_is_not_there_without() {
    let folder = target().join("mistakes");
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let facade = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = format!(
        "[package]\nname = \"mistakes\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\ncnn = {{ path = {facade:?}, default-features = false }}\n"
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    let cases = [
        ("fn f() -> Net { Net {} }", "missing field `model`"),
        (
            "fn f(net: &Net) -> Net { *net }",
            "cannot move out of `*net`",
        ),
        (
            "impl Copy for Net {}",
            "cannot be implemented for this type",
        ),
        (
            "impl Net { fn predict(&self) {} }",
            "duplicate definitions with name `predict`",
        ),
        (
            "impl Net { fn stem(&self) {} }",
            "duplicate definitions with name `stem`",
        ),
        (
            "fn f() { Net::new(1); }",
            "this method of `Net` needs the feature `std` of `cnn`",
        ),
        (
            "fn f() { Net::from_bytes(&[]); }",
            "this method of `Net` needs the feature `std` of `cnn`",
        ),
    ];
    let mut wrong = Vec::new();
    for (mistake, expected) in cases {
        let source = format!(
            "#![no_std]\ncnn::network! {{ pub network Net {{ input(3); stem: dense(2); }} }}\npub {mistake}\n"
        );
        let source = source.replace("pub impl", "impl");
        std::fs::write(folder.join("src/lib.rs"), source).unwrap();
        let checked = cargo(&folder, &["check", "--offline"]);
        let errors = String::from_utf8_lossy(&checked.stderr);
        if checked.status.success() || !errors.contains(expected) {
            wrong.push(format!("{mistake}: expected {expected}:\n{errors}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
