//! `weights!` and its neighbours: parameters from a file in the program, from bytes, from an array.
//!
//! `CNN_UPDATE=1 cargo test -p cnn-tests --test weights` trains the network anew and writes its file.

#[path = "support/small.rs"]
mod small;

use std::path::Path;
use std::process::Command;

use cnn::{Examples, Network};
use ndarray::array;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use small::bits;

cnn::network! {
    /// Two bits in, their exclusive or out.
    pub network Xor {
        input(2);
        dense(8, activation = tanh);
        dense(1, activation = sigmoid);
        train {
            loss = binary_crossentropy;
            optimizer = adam(learning_rate = 0.05);
            epochs = 500;
            batch_size = 4;
        }
    }
}

static WEIGHTS: &[f32; Xor::PARAMETERS] = cnn::weights!(Xor, "weights/xor.safetensors");

/// The same tensors as another program orders them, behind a header of an odd length.
static SORTED: &[f32; Xor::PARAMETERS] =
    cnn::weights!(Xor, concat!("weights/", "sorted.safetensors"));

/// In a constant, by a macro, of a network in a module that is called as generated code calls one.
mod rt {
    pub(super) mod nets {
        cnn::network! {
            pub network FILE {
                input(2);
                dense(8, activation = tanh);
                dense(1);
            }
        }
    }
    macro_rules! of {
        ($network:ty) => {
            cnn::weights!($network, "weights/xor.safetensors",)
        };
    }
    pub(super) const WEIGHTS: &[f32; nets::FILE::PARAMETERS] = of!(nets::FILE);
}

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/weights/xor.safetensors");

#[test]
fn weights_are_those_of_the_file() {
    if std::env::var_os("CNN_UPDATE").is_some() {
        return update();
    }
    let net = Xor::load(FILE).unwrap();
    assert_eq!(bits(WEIGHTS), bits(net.parameters()));
    assert_eq!(bits(SORTED), bits(net.parameters()));
    assert_eq!(bits(rt::WEIGHTS), bits(net.parameters()));
    for weights in [WEIGHTS.as_ptr(), SORTED.as_ptr(), rt::WEIGHTS.as_ptr()] {
        assert_eq!(weights.addr() % 64, 0);
    }
}

/// What the program carries predicts as what it loads, with all ways to make a network of a file.
#[test]
fn all_ways_lead_to_the_same_network() {
    let bytes = include_bytes!("weights/xor.safetensors");
    let nets = [
        Xor::from_parameters(WEIGHTS),
        Xor::from_bytes(bytes).unwrap(),
        Xor::load(FILE).unwrap(),
    ];
    let mut workspace = [f32::NAN; Xor::WORKSPACE];
    for input in [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] {
        let [embedded] = Xor::infer(WEIGHTS, &input, &mut workspace);
        assert_eq!(embedded > 0.5, input[0] != input[1], "{input:?}");
        for net in &nets {
            let [probability] = net.predict(&input);
            assert!((probability - embedded).abs() < 1e-6, "{input:?}");
        }
    }
    let error = Xor::from_bytes(&bytes[..100]).unwrap_err().to_string();
    assert!(
        error.starts_with("checkpoint: not a safetensors file"),
        "{error}"
    );
}

#[test]
fn tensors_are_a_constant() {
    const FIRST: usize = Xor::TENSORS[0].len();
    assert_eq!(FIRST, 16);
    let described = Xor::spec()
        .parameters
        .iter()
        .map(cnn::runtime::spec::Parameter::tensor);
    assert!(described.eq(Xor::TENSORS.iter().copied()));
    let floats: usize = Xor::TENSORS.iter().map(|tensor| tensor.len()).sum();
    assert_eq!(floats, Xor::PARAMETERS);
}

/// A program whose file changes is built again; a file of another network is not built.
#[test]
fn a_change_of_the_file_rebuilds() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("weights");
    let facade = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let write = |path: &str, text: &[u8]| std::fs::write(folder.join(path), text).unwrap();
    let manifest = format!(
        "[package]\nname = \"weights\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\ncnn = {{ path = {facade:?}, default-features = false }}\n"
    );
    write("Cargo.toml", manifest.as_bytes());
    write(
        "src/main.rs",
        b"cnn::network! { network Net { input(1); dense(2); } }\n\
          fn main() { println!(\"{:?}\", cnn::weights!(Net, \"net.safetensors\")); }\n",
    );
    let cases: [(&[f32], &str); 3] = [
        (&[1.0, 2.0, 3.0, 4.0], "[1.0, 2.0, 3.0, 4.0]"),
        (&[1.0, 2.0, 3.0, 5.0], "[1.0, 2.0, 3.0, 5.0]"),
        (
            &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            "`dense_1.kernel` is 1x3, but must be 1x2",
        ),
    ];
    for (values, expected) in cases {
        let units = values.len() / 2;
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        let bytes: Vec<u8> = bytes.collect();
        let (kernel, bias) = bytes.split_at(4 * units);
        let tensors = [
            ("dense_1.kernel", vec![1, units], kernel),
            ("dense_1.bias", vec![units], bias),
        ];
        write("src/net.safetensors", &serialized(tensors));
        let ran = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--offline"])
            .current_dir(&folder)
            .output()
            .unwrap();
        let output = [ran.stdout, ran.stderr].concat();
        let output = String::from_utf8_lossy(&output);
        assert!(output.contains(expected), "expected {expected}:\n{output}");
    }
}

/// A file as the crate of the format writes it, in an order of its own.
fn serialized<'a>(tensors: impl IntoIterator<Item = (&'a str, Vec<usize>, &'a [u8])>) -> Vec<u8> {
    let views = tensors
        .into_iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape, bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// Trains the network, and writes it as we write it and as others may.
fn update() {
    let inputs = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let examples = Examples::labelled(&inputs, [0, 1, 1, 0]).unwrap();
    let mut net = Xor::new(1);
    net.fit(&examples).unwrap();
    net.save(FILE).unwrap();

    let bytes = std::fs::read(FILE).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    let tensors = tensors
        .iter()
        .map(|(name, t)| (name.as_str(), t.shape().to_vec(), t.data()));
    let bytes = serialized(tensors);
    let (length, rest) = bytes.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
    let header = [
        std::str::from_utf8(&rest[..length]).unwrap().trim_end(),
        " ",
    ]
    .concat();
    let header = if header.len() % 2 == 0 {
        header.trim_end()
    } else {
        &header
    };
    let sorted = [
        &(header.len() as u64).to_le_bytes(),
        header.as_bytes(),
        &rest[length..],
    ]
    .concat();
    std::fs::write(Path::new(FILE).with_file_name("sorted.safetensors"), sorted).unwrap();
}
