//! `network_file!`: the network of a file, and the rebuild when the file changes.

use std::path::Path;
use std::process::Command;

cnn::network_file!("network_file/digits.cnn");

#[test]
fn a_file_becomes_a_struct() {
    assert_eq!(Digits::INPUT, [28, 28, 1]);
    assert_eq!(Digits::PARAMETERS, 28 * 28 * 10 + 10);
    assert_eq!(Digits::new(1).scores().kernel().shape(), [784, 10]);
}

#[test]
fn a_change_of_the_file_rebuilds() {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("network_file");
    let source = package.join("src");
    std::fs::create_dir_all(&source).unwrap();
    let manifest = format!(
        "[package]\nname = \"rebuild\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\ncnn = {{ path = {:?}, default-features = false }}\n",
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    );
    std::fs::write(package.join("Cargo.toml"), manifest).unwrap();
    let main =
        "cnn::network_file!(\"net.cnn\");\nfn main() { println!(\"{}\", Net::PARAMETERS); }\n";
    std::fs::write(source.join("main.rs"), main).unwrap();
    for (units, parameters) in [(2, "8"), (5, "20")] {
        let description = format!("network Net {{ input(3); dense({units}); }}");
        std::fs::write(source.join("net.cnn"), description).unwrap();
        let ran = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--offline"])
            .current_dir(&package)
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), parameters);
    }
}
