//! The format of checkpoints, and files that are not what they should be.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/small.rs"]
mod small;

use std::fs;
use std::sync::LazyLock;

use cnn::Network;
use cnn::runtime::spec::{Parameter, Spec};
use cnn::runtime::{CheckpointError, Error, Model};
use folder::Folder;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use small::{STRIPES, XOR, bits, stripes};

fn saved_bytes(model: &Model) -> Vec<u8> {
    let folder = Folder::new("bytes");
    let path = folder.file("model.safetensors");
    model.save(&path).unwrap();
    fs::read(path).unwrap()
}

#[test]
fn a_model_comes_back_bit_by_bit() {
    let folder = Folder::new("round-trip");
    let path = folder.file("stripes.safetensors");
    let mut model = Model::new(&STRIPES, 1);
    model.fit(&stripes(45)).unwrap();
    // Values that are not finite are kept as well.
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e-45];
    model.parameters_mut()[..5].copy_from_slice(&odd);
    model.save(&path).unwrap();
    let loaded = Model::load(&STRIPES, &path).unwrap();
    assert_eq!(bits(loaded.parameters()), bits(model.parameters()));
    assert_eq!(folder.names(), ["stripes.safetensors"]);

    let bytes = fs::read(&path).unwrap();
    let embedded = Model::from_bytes(&STRIPES, &bytes).unwrap();
    assert_eq!(bits(embedded.parameters()), bits(model.parameters()));

    // The same parameters give the same file, also over an older one.
    Model::new(&STRIPES, 2).save(&path).unwrap();
    loaded.save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn other_programs_can_read_the_file() {
    let model = Model::new(&STRIPES, 1);
    let bytes = saved_bytes(&model);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), 4);
    for (name, expected) in model.tensors() {
        let tensor = file.tensor(name).unwrap();
        assert_eq!(
            (tensor.dtype(), tensor.shape()),
            (Dtype::F32, expected.shape())
        );
        let (words, rest) = tensor.data().as_chunks();
        assert!(rest.is_empty());
        let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        assert_eq!(bits(&values), bits(expected.as_slice().unwrap()), "{name}");
    }
    let (header, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header % 8, 0);
    let metadata = metadata.metadata().as_ref().unwrap();
    assert_eq!(metadata["network"], "Stripes");
    assert_eq!(metadata["cnn_version"], "1");
}

/// A file with the given tensors, as another program would write it.
fn written(tensors: &[(&str, Dtype, &[usize])], metadata: Option<(&str, &str)>) -> Vec<u8> {
    let data: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, dtype, shape)| vec![0; shape.iter().product::<usize>() * dtype.bitsize() / 8])
        .collect();
    let views = tensors
        .iter()
        .zip(&data)
        .map(|((name, dtype, shape), data)| {
            (
                *name,
                TensorView::new(*dtype, shape.to_vec(), data).unwrap(),
            )
        });
    let entry = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let metadata = metadata.map(|pair| [entry(pair)].into_iter().collect());
    serialize(views, metadata).unwrap()
}

#[test]
fn files_of_other_programs_can_be_read() {
    let bytes = written(
        &[
            ("dense_2.bias", Dtype::F32, &[1]),
            ("dense_2.kernel", Dtype::F32, &[8, 1]),
            ("dense_1.kernel", Dtype::F32, &[2, 8]),
            ("dense_1.bias", Dtype::F32, &[8]),
        ],
        None,
    );
    let model = Model::from_bytes(&XOR, &bytes).unwrap();
    assert!(model.parameters().iter().all(|&value| value == 0.0));
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let kernel_1: (&str, Dtype, &[usize]) = ("dense_1.kernel", Dtype::F32, &[2, 8]);
    let bias_1: (&str, Dtype, &[usize]) = ("dense_1.bias", Dtype::F32, &[8]);
    let kernel_2: (&str, Dtype, &[usize]) = ("dense_2.kernel", Dtype::F32, &[8, 1]);
    let bias_2: (&str, Dtype, &[usize]) = ("dense_2.bias", Dtype::F32, &[1]);
    let cases: [(&[_], &str); 6] = [
        (
            &[kernel_1, kernel_2, bias_2],
            "the tensor `dense_1.bias` is missing",
        ),
        (&[], "the tensor `dense_1.kernel` is missing"),
        (
            &[
                kernel_1,
                bias_1,
                kernel_2,
                bias_2,
                ("extra", Dtype::F32, &[3]),
            ],
            "the network has no tensor `extra`",
        ),
        (
            &[
                kernel_1,
                bias_1,
                ("dense_2.kernel", Dtype::F64, &[8, 1]),
                bias_2,
            ],
            "the tensor `dense_2.kernel` is F64, but must be F32",
        ),
        (
            &[
                ("dense_1.kernel", Dtype::F32, &[8, 2]),
                bias_1,
                kernel_2,
                bias_2,
            ],
            "the tensor `dense_1.kernel` is 8x2, but must be 2x8",
        ),
        (
            &[
                kernel_1,
                bias_1,
                kernel_2,
                ("dense_2.bias", Dtype::F32, &[]),
            ],
            "the tensor `dense_2.bias` is a scalar, but must be 1",
        ),
    ];
    let mut wrong = Vec::new();
    for (tensors, expected) in cases {
        match Model::from_bytes(&XOR, &written(tensors, None)) {
            Err(Error::Checkpoint { path: None, source }) if source.to_string() == expected => {}
            other => wrong.push((expected, other)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    let later = Some(("cnn_version", "2"));
    let bytes = written(&[kernel_1, bias_1, kernel_2, bias_2], later);
    let error = Model::from_bytes(&XOR, &bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "checkpoint: the file has version 2, but only 1 can be read"
    );
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let bytes = saved_bytes(&Model::new(&XOR, 1));
    for length in 0..bytes.len() {
        let result = Model::from_bytes(&XOR, &bytes[..length]);
        let Err(Error::Checkpoint {
            source: CheckpointError::Format(_),
            ..
        }) = result
        else {
            panic!("{length} of {} bytes: {result:?}", bytes.len());
        };
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(Model::from_bytes(&XOR, &longer).is_err());
}

#[test]
fn a_damaged_header_never_gives_other_parameters() {
    let model = Model::new(&XOR, 1);
    let bytes = saved_bytes(&model);
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for place in 0..header {
        for change in [0x01, 0x02, 0x10, 0x20, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[place] ^= change;
            // Changes of the metadata or of spaces go unnoticed; tensors stay what they were.
            if let Ok(read) = Model::from_bytes(&XOR, &damaged) {
                assert_eq!(
                    bits(read.parameters()),
                    bits(model.parameters()),
                    "at {place}"
                );
            }
        }
    }
}

#[test]
fn absurd_headers_are_refused() {
    let with_header = |length: u64, json: &str| [&length.to_le_bytes(), json.as_bytes()].concat();
    let of = |json: &str| with_header(json.len() as u64, json);
    let cases = [
        with_header(u64::MAX, "{}"),
        with_header(u64::MAX - 7, "{}"),
        with_header(100_000_001, "{}"),
        with_header(3, "{}"),
        of(""),
        of("[]"),
        of("{\u{0}}"),
        of(&"[".repeat(100_000)),
        of(
            r#"{"dense_1.kernel":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,4]}}"#,
        ),
        of(r#"{"dense_1.kernel":{"dtype":"F32","shape":[0],"data_offsets":[4,0]}}"#),
        of(
            r#"{"dense_1.kernel":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}}"#,
        ),
        of(r#"{"dense_1.kernel":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#),
    ];
    for bytes in cases {
        let result = Model::from_bytes(&XOR, &bytes);
        assert!(
            matches!(
                result,
                Err(Error::Checkpoint {
                    source: CheckpointError::Format(_),
                    ..
                })
            ),
            "{result:?}"
        );
    }
}

#[test]
fn a_file_that_is_far_too_large_is_not_read() {
    let folder = Folder::new("large");
    let path = folder.file("model.safetensors");
    let file = fs::File::create(&path).unwrap();
    // A hole: it takes no room on the disk.
    file.set_len(1 << 40).unwrap();
    let error = Model::load(&XOR, &path).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Checkpoint {
                source: CheckpointError::TooLarge { limit },
                ..
            } if limit < 1 << 21
        ),
        "{error}"
    );
}

#[test]
fn errors_name_the_file() {
    let folder = Folder::new("names");
    let missing = folder.file("missing.safetensors");
    let error = Model::load(&XOR, &missing).unwrap_err();
    assert!(
        matches!(&error, Error::Io { path, .. } if *path == missing),
        "{error}"
    );
    assert!(std::error::Error::source(&error).is_some());

    let damaged = folder.file("damaged.safetensors");
    fs::write(&damaged, "damaged").unwrap();
    let error = Model::load(&XOR, &damaged).unwrap_err().to_string();
    assert!(
        error.contains("damaged.safetensors") && error.contains("safetensors file"),
        "{error}"
    );
}

#[test]
fn a_network_without_parameters_has_a_file_too() {
    static EMPTY: LazyLock<Spec> = LazyLock::new(|| Spec {
        name: "Empty",
        parameters: &[] as &[Parameter],
        parameter_count: 0,
        packed: &[],
        ..*XOR
    });
    let bytes = saved_bytes(&Model::new(&EMPTY, 1));
    assert!(
        Model::from_bytes(&EMPTY, &bytes)
            .unwrap()
            .parameters()
            .is_empty()
    );
}

mod transfer {
    cnn::network! {
        pub network Pretrained {
            input(2);
            dense(8, activation = tanh);
            batch_normalization;
            head: dense(4, activation = tanh);
            only_old: dense(2);
        }
    }
    cnn::network! {
        pub network Transferred {
            input(2);
            dense(8, activation = tanh);
            batch_normalization;
            head: dense(3, activation = tanh);
            only_new: dense(2);
        }
    }
}

#[test]
fn tensors_of_the_same_name_and_shape_are_copied() {
    use transfer::{Pretrained, Transferred};
    let folder = Folder::new("matching");
    let path = folder.file("old.safetensors");
    let old = Pretrained::new(1);
    old.save(&path).unwrap();
    let mut new = Transferred::new(2);
    let before = new.model().clone();
    let report = new.model_mut().load_matching(&path).unwrap();
    assert_eq!(
        report.to_string(),
        "copied: 6: dense_1.kernel, dense_1.bias, batch_normalization_1.gamma, batch_normalization_1.beta, \
         batch_normalization_1.moving_mean, batch_normalization_1.moving_variance\n\
         only in the file: 2: only_old.bias, only_old.kernel\n\
         only in the network: 2: only_new.kernel, only_new.bias\n\
         of another shape: 2: head.kernel (8x4, not 8x3), head.bias (4, not 3)"
    );
    for (name, found) in new.model().tensors() {
        let from = if report.matched.contains(&name) {
            old.model()
        } else {
            &before
        };
        assert_eq!(Some(found), from.tensor(name), "{name}");
    }
    assert_ne!(
        before.tensor("dense_1.kernel"),
        new.model().tensor("dense_1.kernel")
    );

    // Another type is reported; a damaged file changes nothing.
    let data = [0; 128];
    let kernel = TensorView::new(Dtype::F64, vec![2, 8], &data).unwrap();
    fs::write(
        &path,
        serialize([("dense_1.kernel", kernel)], None).unwrap(),
    )
    .unwrap();
    let report = new.model_mut().load_matching(&path).unwrap();
    assert_eq!(report.other_type, [("dense_1.kernel", "F64".to_owned())]);
    assert!(report.matched.is_empty());
    assert!(
        report
            .to_string()
            .starts_with("copied: 0\nonly in the network: 9: "),
        "{report}"
    );
    let before = bits(new.model().parameters());
    fs::write(&path, [1; 20]).unwrap();
    let error = new.model_mut().load_matching(&path).unwrap_err();
    assert!(matches!(
        error,
        Error::Checkpoint {
            source: CheckpointError::Format(_),
            ..
        }
    ));
    let error = new
        .model_mut()
        .load_matching(folder.file("none"))
        .unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
    assert_eq!(bits(new.model().parameters()), before);
}
