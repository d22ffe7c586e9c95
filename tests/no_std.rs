//! Inference without `std`: builds and runs the program in `no_std/`, and compares what it
//! computes with the same network under `std`.

#![cfg(unix)] // the program has the C library's `main` and `write`

use std::path::Path;
use std::process::Command;

#[path = "no_std/src/network.rs"]
mod network;

use network::{PARAMETERS, Tiny, image};

#[test]
fn a_program_without_std_and_allocator_computes_the_same() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_std");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/no_std/Cargo.toml");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--locked",
            "--manifest-path",
            manifest,
            "--target-dir",
        ])
        .arg(&target)
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );

    let ran = Command::new(target.join("debug/no-std")).output().unwrap();
    assert!(ran.status.success());
    let found: Vec<f32> = ran
        .stdout
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();

    let mut workspace = [f32::NAN; Tiny::WORKSPACE_BYTES / 4];
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
