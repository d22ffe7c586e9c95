//! `network_file!`: the network of a file, and the rebuild when the file changes.

use std::path::Path;
use std::process::Command;

#[macro_use]
#[path = "network_file/macros.rs"]
mod macros;

cnn::network_file!("network_file/digits.cnn");

/// A path is relative to the file in which it is written: that of the macro, or this one.
mod by_macros {
    beside_the_macro!();
    pub(crate) const BESIDE: [usize; 1] = Beside::OUTPUT;
    in_the_folder!("named");
    pub(crate) mod handed_on {
        handed_on!("network_file/digits.cnn");
        pub(crate) const PARAMETERS: usize = Digits::PARAMETERS;
    }
    pub(crate) mod from_the_package {
        cnn::network_file!(::core::concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/network_file/",
            "digits.cnn",
        ));
        pub(crate) const PARAMETERS: usize = Digits::PARAMETERS;
    }
}

#[test]
fn a_file_becomes_a_struct() {
    assert_eq!(Digits::INPUT, [28, 28, 1]);
    assert_eq!(Digits::PARAMETERS, 28 * 28 * 10 + 10);
    assert_eq!(Digits::new(1).scores().kernel().shape(), [784, 10]);
}

#[test]
fn paths_are_relative_to_where_they_are_written() {
    assert_eq!(by_macros::BESIDE, [3]);
    assert_eq!(by_macros::Named::new(0).r#type().kernel().shape(), [4, 2]);
    let sizes = [
        by_macros::handed_on::PARAMETERS,
        by_macros::from_the_package::PARAMETERS,
    ];
    assert_eq!(sizes, [Digits::PARAMETERS; 2]);
}

/// A program with a network of its own and one that a macro of another crate brings: both files are read beside
/// the source that names them, and a change of either rebuilds the program.
#[test]
fn a_change_of_a_file_rebuilds() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("network_file");
    let facade = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let cnn = format!("cnn = {{ path = {facade:?}, default-features = false }}");
    write(
        "program/Cargo.toml",
        &format!(
            "[package]\nname = \"rebuild\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n\
             [dependencies]\n{cnn}\nnets = {{ path = \"../nets\" }}\n"
        ),
    );
    write(
        "program/src/main.rs",
        "cnn::network_file!(\"net.cnn\");\nnets::shared!();\n\
         fn main() { println!(\"{} {}\", Net::PARAMETERS, Shared::PARAMETERS); }\n",
    );
    write(
        "nets/Cargo.toml",
        &format!(
            "[package]\nname = \"nets\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n{cnn}\n"
        ),
    );
    write(
        "nets/src/lib.rs",
        "pub use cnn;\n#[macro_export]\nmacro_rules! shared {\n\
         () => { $crate::cnn::network_file!(\"shared/net.cnn\"); };\n}\n",
    );
    for (own, shared, printed) in [(2, 1, "8 4"), (5, 1, "20 4"), (5, 3, "20 12")] {
        let net =
            |name: &str, units: usize| format!("network {name} {{ input(3); dense({units}); }}");
        write("program/src/net.cnn", &net("Net", own));
        write("nets/src/shared/net.cnn", &net("Shared", shared));
        let ran = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--offline"])
            .current_dir(folder.join("program"))
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), printed);
    }
}
