//! Writes the random networks of `random.rs`, 40 of them, or as many as `CNN_RANDOM_NETWORKS` says.

#[path = "random/generator.rs"]
mod generator;

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=CNN_RANDOM_NETWORKS");
    println!("cargo::rerun-if-changed=random/generator.rs");
    println!("cargo::rerun-if-changed=build.rs");
    let count = match std::env::var("CNN_RANDOM_NETWORKS") {
        Ok(count) => count.parse().expect("CNN_RANDOM_NETWORKS is a number"),
        Err(_) => 40,
    };
    let networks: Vec<String> = (0..count).map(generator::network).collect();
    let modules = networks.iter().enumerate().map(|(number, text)| {
        format!("mod random_{number} {{\n    ::cnn::network! {{\n pub(super) {text}\n    }}\n}}\n")
    });
    let rows = networks.iter().enumerate().map(|(number, text)| {
        format!("    (<random_{number}::Random{number} as ::cnn::Network>::spec, {text:?}),\n")
    });
    let table = format!(
        "/// What generated code knows of a network, and its description.
        type Described = (fn() -> &'static ::cnn::runtime::spec::Spec, &'static str);
        pub(super) const NETWORKS: &[Described] = &[{}];",
        rows.collect::<String>()
    );
    let code = modules.collect::<String>() + &table;
    let folder = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&folder).join("random_networks.rs"), code)
        .expect("OUT_DIR can be written");
}
