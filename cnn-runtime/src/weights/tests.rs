use super::{Aligned, File, Stored, arrange, compare};
use crate::spec::Tensor;

const NETWORK: [Tensor; 3] = [
    tensor("dense_1.kernel", &[2, 3]),
    tensor("dense_1.bias", &[3]),
    tensor("scale", &[]),
];

const fn tensor(name: &'static str, shape: &'static [usize]) -> Tensor {
    Tensor { name, shape }
}

const fn stored<'a>(name: &'a str, shape: &'a [usize], start: usize) -> Stored<'a> {
    Stored {
        name,
        element_type: "F32",
        shape,
        start,
    }
}

/// Tensors in the order in which the macro gives them.
fn in_order<'a>(tensors: &[Stored<'a>]) -> Vec<Stored<'a>> {
    let mut tensors = tensors.to_vec();
    tensors.sort_by_key(|tensor| (tensor.name.len(), tensor.name));
    tensors
}

const fn file<'a>(tensors: &'a [Stored<'a>], bytes: &'a [u8]) -> File<'a> {
    File {
        path: "net.safetensors",
        version: None,
        tensors,
        bytes,
    }
}

/// What is wrong with a file.
fn differences(file: &File<'_>) -> String {
    let file = File {
        bytes: &[0; 40],
        tensors: &in_order(file.tensors),
        ..*file
    };
    let mut floats = Aligned::ZERO;
    let message = compare::<10, 200>(&file, "Net", &NETWORK, &mut floats);
    message.as_str().to_owned()
}

/// The floats from 0 on, behind `header` other bytes.
fn bytes(header: usize, floats: usize) -> Vec<u8> {
    let mut bytes = vec![255; header];
    bytes.extend((0..floats).flat_map(|value| (value as f32).to_le_bytes()));
    bytes
}

#[test]
fn tensors_come_in_the_order_of_the_network() {
    let orders: [([usize; 3], [f32; 10]); 3] = [
        ([0, 24, 36], [0., 1., 2., 3., 4., 5., 6., 7., 8., 9.]),
        ([12, 0, 36], [3., 4., 5., 6., 7., 8., 0., 1., 2., 9.]),
        ([16, 4, 0], [4., 5., 6., 7., 8., 9., 1., 2., 3., 0.]),
    ];
    for (starts, expected) in orders {
        for header in [8, 64, 75] {
            let bytes = bytes(header, 10);
            let mut tensors: Vec<_> = NETWORK
                .iter()
                .zip(starts)
                .map(|(tensor, start)| stored(tensor.name, tensor.shape, header + start))
                .collect();
            tensors = in_order(&tensors);
            let floats = arrange::<10, 3>(&file(&tensors, &bytes), "Net", &NETWORK);
            assert_eq!(
                *floats.floats(),
                expected,
                "{starts:?} behind {header} bytes"
            );
        }
    }
}

#[test]
fn all_differences_are_named() {
    let kernel = stored("dense_1.kernel", &[2, 3], 0);
    let bias = stored("dense_1.bias", &[3], 24);
    let scale = stored("scale", &[], 36);
    let half = Stored {
        element_type: "F16",
        ..bias
    };
    let cases: [(&[Stored<'_>], &str); 7] = [
        (&[kernel, bias, scale], ""),
        (&[scale, kernel, bias], ""),
        (&[kernel, scale], "\n  `dense_1.bias` is missing: 3"),
        (
            &[kernel, half, scale],
            "\n  `dense_1.bias` is F16, but must be F32",
        ),
        (
            &[kernel, bias, scale, stored("other", &[1], 0)],
            "\n  `other` is not in the network",
        ),
        (
            &[
                stored("dense_1.kernel", &[12, 3_000], 0),
                bias,
                stored("scale", &[1], 0),
            ],
            "\n  `dense_1.kernel` is 12x3000, but must be 2x3\n  `scale` is 1, but must be a scalar",
        ),
        (
            &[
                stored("fc.weight", &[3, 2], 0),
                stored("dense_1.bias_", &[3], 0),
            ],
            "\n  `dense_1.kernel` is missing: 2x3\n  `dense_1.bias` is missing: 3\n  `scale` is missing: a scalar\
             \n  `fc.weight` is not in the network\n  `dense_1.bias_` is not in the network",
        ),
    ];
    for (tensors, lines) in cases {
        let expected = match lines {
            "" => String::new(),
            lines => format!("`net.safetensors` does not hold the tensors of `Net`{lines}"),
        };
        let found = differences(&file(tensors, &[]));
        assert_eq!(found, expected);
    }
}

#[test]
fn a_later_version_is_refused() {
    let tensors = NETWORK.map(|tensor| stored(tensor.name, tensor.shape, 0));
    let versions = [
        ("1", ""),
        (
            "2",
            "`net.safetensors` has version 2, but only 1 can be read",
        ),
    ];
    for (version, expected) in versions {
        let file = File {
            version: Some(version),
            ..file(&tensors, &[])
        };
        assert_eq!(differences(&file), expected);
    }
}

#[test]
fn a_long_message_ends_in_an_ellipsis() {
    let names: Vec<String> = (0..200)
        .map(|index| format!("dense_{index}.kernel"))
        .collect();
    let tensors: Vec<_> = names.iter().map(|name| stored(name, &[1], 0)).collect();
    let text = differences(&file(&tensors, &[]));
    assert!(text.len() > 1_900 && text.ends_with("\n  …"), "{text}");
    assert!(
        text.contains("`dense_0.kernel` is not in the network"),
        "{text}"
    );
}

#[test]
fn a_network_in_error_takes_any_file() {
    let tensors = [stored("other", &[1], 0)];
    let words = arrange::<0, 1>(&file(&tensors, &[]), "Net", Tensor::UNKNOWN);
    assert!(words.floats().is_empty());
}
