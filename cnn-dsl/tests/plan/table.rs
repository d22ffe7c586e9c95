//! The tables of the networks in `networks/`: each stands in a file of its own beside its network.
//! After a change that is meant, rewrite them with
//!
//! ```text
//! CNN_UPDATE=1 cargo nextest run -p cnn-dsl the_tables_are_those_on_file
//! ```

use cnn_dsl::plan::Plan;
use std::path::{Path, PathBuf};

#[test]
fn the_tables_are_those_on_file() {
    let update = std::env::var_os("CNN_UPDATE").is_some();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan/networks");
    let entries = std::fs::read_dir(folder).expect("the networks are there");
    let paths = entries.map(|entry| entry.expect("a network is readable").path());
    let mut networks: Vec<PathBuf> = paths
        .filter(|p| p.extension().is_some_and(|e| e == "cnn"))
        .collect();
    networks.sort();
    assert!(networks.len() >= 5, "{networks:?}");
    let mut wrong = Vec::new();
    for path in networks {
        let source = std::fs::read_to_string(&path).expect("a network is UTF-8");
        let network = cnn_dsl::check(&source).unwrap_or_else(|d| panic!("{}: {d}", path.display()));
        let table = Plan::new(&network).table(&network);
        let file = path.with_extension("txt");
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if update {
            std::fs::write(&file, &table).expect("a table can be written");
        } else if table != expected {
            wrong.push(format!(
                "--- {}, expected\n{expected}\n--- found\n{table}",
                file.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_network_without_a_loss_has_no_gradients_to_tell_of() {
    let network = crate::network("input(4x4x1); conv2d(2, 3x3); dropout(0.5); flatten;");
    let expected = "\
Plan: \"Test\"
┏━━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━┓
┃ Layers    ┃ Computed ┃ Why                      ┃
┡━━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━┩
│ conv2d_1  │ 2x2x2    │ winograd 877 % of direct │
├───────────┼──────────┼──────────────────────────┤
│ dropout_1 │ 2x2x2    │                          │
└───────────┴──────────┴──────────────────────────┘
┏━━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┓
┃ Kernels   ┃ Direction ┃ avx512    ┃ avx2 ┃ portable               ┃
┡━━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━┩
│ conv2d_1  │ inference │ direct    │      │ im2col, matrixmultiply │
├───────────┼───────────┼───────────┼──────┼────────────────────────┤
│ dropout_1 │ inference │ passes on │      │                        │
└───────────┴───────────┴───────────┴──────┴────────────────────────┘
 Kernels: prediction of one example
 An empty cell is as its left neighbour
 conv2d_1 to dropout_1: image by image
 Inference: 0 floats for each example
";
    assert_eq!(Plan::new(&network).table(&network), expected);
}
