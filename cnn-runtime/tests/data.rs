//! The IDX format and the MNIST files.
#![cfg(feature = "std")]

use cnn_runtime::data::idx;
use cnn_runtime::ndarray::{Array2, Array3, Ix1, Ix3, IxDyn, arr0, array};
use cnn_runtime::{Error, IdxError};

/// The bytes of an IDX file.
fn idx_file(element: u8, shape: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, element, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|axis| axis.to_be_bytes()));
    bytes.extend(elements);
    bytes
}

#[test]
fn idx_files_are_arrays() {
    let file = idx_file(8, &[2, 3], &[1, 2, 3, 4, 5, 6]);
    let array: Array2<u8> = idx::from_bytes(&file).unwrap();
    assert_eq!(array, array![[1, 2, 3], [4, 5, 6]]);
    let dynamic = idx::from_bytes::<IxDyn>(&file).unwrap();
    assert_eq!(dynamic, array.into_dyn());
    let empty: Array3<u8> = idx::from_bytes(&idx_file(8, &[0, 28, 28], &[])).unwrap();
    assert_eq!(empty.shape(), [0, 28, 28]);
    let scalar = idx::from_bytes::<IxDyn>(&idx_file(8, &[], &[7])).unwrap();
    assert_eq!(scalar, arr0(7).into_dyn());
}

#[test]
fn idx_files_that_are_wrong_are_refused() {
    let max = u32::MAX;
    let cases = [
        (vec![], "the file ends within its header"),
        (vec![0, 0, 8], "the file ends within its header"),
        (
            b"\x89PNG\r\n".to_vec(),
            "not an IDX file: it begins with [89, 50, 4e, 47] instead of two zero bytes",
        ),
        (
            idx_file(0x0d, &[2], &[0; 8]),
            "elements of type 0x0d (f32), but only 0x08 (u8) can be read",
        ),
        (
            idx_file(0x42, &[2], &[0; 8]),
            "elements of type 0x42, but only 0x08 (u8) can be read",
        ),
        (
            idx_file(8, &[2, 2], &[0; 4]),
            "expected an array of 1 axes, found 2",
        ),
        (
            idx_file(8, &[], &[0]),
            "expected an array of 1 axes, found 0",
        ),
        (
            idx_file(8, &[5], &[0; 5])[..6].to_vec(),
            "the file ends within its header",
        ),
        (
            idx_file(8, &[5], &[0; 4]),
            "the header announces 5 elements, but the file ends after 4",
        ),
        (
            idx_file(8, &[max], &[0; 4]),
            "the header announces 4294967295 elements, but the file ends after 4",
        ),
        (
            idx_file(8, &[5], &[0; 6]),
            "the header announces 5 elements, but the file goes on after them",
        ),
    ];
    let mut wrong = Vec::new();
    for (bytes, expected) in cases {
        let found = idx::from_bytes::<Ix1>(&bytes).map_err(|error| error.to_string());
        if found.as_ref().err().map(String::as_str) != Some(expected) {
            wrong.push((expected, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    let absurd: [&[u32]; 3] = [&[max; 3], &[max, max, max, 0], &[max; 255]];
    for shape in absurd {
        let result = idx::from_bytes::<IxDyn>(&idx_file(8, shape, &[0; 4]));
        assert!(
            matches!(result, Err(IdxError::TooLarge { .. })),
            "{shape:?}"
        );
    }
}

#[test]
fn an_idx_file_cut_short_anywhere_is_refused() {
    let file = idx_file(8, &[2, 3], &[1, 2, 3, 4, 5, 6]);
    for length in 0..file.len() {
        assert!(
            idx::from_bytes::<IxDyn>(&file[..length]).is_err(),
            "{length} bytes"
        );
    }
}

#[cfg(not(feature = "gzip"))]
#[test]
fn compressed_files_need_the_feature() {
    let error = idx::from_bytes::<Ix1>(&[0x1f, 0x8b, 8, 0]).unwrap_err();
    assert!(matches!(error, IdxError::GzipDisabled));
    assert!(error.to_string().contains("the feature `gzip`"), "{error}");
}

#[test]
fn missing_mnist_files_are_named() {
    let folder = std::env::temp_dir().join("cnn-no-such-folder");
    let error = cnn_runtime::data::mnist(&folder).unwrap_err();
    assert!(matches!(error, Error::MissingFile { .. }), "{error}");
    let text = error.to_string();
    for name in [
        "cnn-no-such-folder",
        "`train-images-idx3-ubyte.gz`",
        "`train-images.idx3-ubyte`",
    ] {
        assert!(text.contains(name), "{text}");
    }
    let error = idx::read::<Ix3>(folder.join("images")).unwrap_err();
    assert!(
        matches!(&error, Error::Io { path, .. } if path.ends_with("images")),
        "{error}"
    );
}

#[test]
fn mnist_files_go_by_several_names_and_must_fit_each_other() {
    let folder = std::env::temp_dir().join(format!("cnn-mnist-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    let images = |n| idx_file(8, &[n, 2, 2], &vec![51; 4 * n as usize]);
    write("train-images.idx3-ubyte", &images(3));
    write("train-labels-idx1-ubyte", &idx_file(8, &[3], &[4, 5, 6]));
    write("t10k-images-idx3-ubyte", &images(2));
    write("t10k-labels.idx1-ubyte", &idx_file(8, &[2], &[7, 8]));
    let (train, test) = cnn_runtime::data::mnist(&folder).unwrap();
    assert_eq!((train.len(), test.len()), (3, 2));
    assert_eq!(train.input_shape(), [2, 2, 1]);
    assert_eq!((train.label(2), test.label(0)), (Some(6), Some(7)));
    assert!((train.input(0)[[1, 1, 0]] - 0.2).abs() < 1e-7);

    write("t10k-labels.idx1-ubyte", &idx_file(8, &[3], &[7, 8, 9]));
    let error = cnn_runtime::data::mnist(&folder).unwrap_err().to_string();
    assert!(
        error.ends_with("t10k-labels.idx1-ubyte`: expected 2 entries, found 3"),
        "{error}"
    );
    write("t10k-images-idx3-ubyte", &idx_file(8, &[2], &[7, 8]));
    let error = cnn_runtime::data::mnist(&folder).unwrap_err().to_string();
    assert!(
        error.ends_with("t10k-images-idx3-ubyte`: expected an array of 3 axes, found 1"),
        "{error}"
    );
    std::fs::remove_dir_all(folder).unwrap();
}

#[cfg(feature = "gzip")]
mod gzip {
    use cnn_runtime::{Dataset, Examples};

    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn compress(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_files_are_recognised() {
        let file = compress(&idx_file(8, &[3], &[1, 2, 3]));
        assert_eq!(idx::from_bytes::<Ix1>(&file).unwrap(), array![1, 2, 3]);
    }

    #[test]
    fn damage_is_found() {
        let elements: Vec<u8> = (0..200).map(|i| (i * i % 251) as u8).collect();
        let file = compress(&idx_file(8, &[200], &elements));
        for length in 0..file.len() {
            assert!(
                idx::from_bytes::<Ix1>(&file[..length]).is_err(),
                "{length} bytes"
            );
        }
        // Some bits mean nothing (the time in gzip's header); the rest is covered by checksums.
        for place in 0..file.len() {
            let mut damaged = file.clone();
            damaged[place] ^= 0x40;
            if let Ok(read) = idx::from_bytes::<Ix1>(&damaged) {
                assert_eq!(read.as_slice(), Some(&elements[..]), "byte {place}");
            }
        }
        let trailing = [&file[..], b"more"].concat();
        assert!(idx::from_bytes::<Ix1>(&trailing).is_err());
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        // 64 MB of zeros in 64 KB, behind a header of 10 elements.
        let bomb = compress(&idx_file(8, &[10], &vec![0; 64 << 20]));
        assert!(bomb.len() < 100_000);
        let error = idx::from_bytes::<Ix1>(&bomb).unwrap_err();
        assert!(
            matches!(error, IdxError::TrailingBytes { expected: 10 }),
            "{error}"
        );

        // And the other way round: a header of 4 GB, and nothing behind it.
        let liar = compress(&idx_file(8, &[u32::MAX], &[1, 2, 3]));
        let error = idx::from_bytes::<Ix1>(&liar).unwrap_err();
        assert!(
            matches!(error, IdxError::Truncated { found: 3, .. }),
            "{error}"
        );
    }

    #[test]
    fn mnist_is_what_it_should_be() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/mnist");
        let (train, test) = cnn_runtime::data::mnist(folder).unwrap();
        let count = |examples: &Examples<'_>| {
            let mut counts = [0; 10];
            (0..examples.len()).for_each(|index| counts[examples.label(index).unwrap()] += 1);
            counts
        };
        assert_eq!(
            count(&train),
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        );
        assert_eq!(
            count(&test),
            [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
        );
        assert_eq!((train.label(0), test.label(0)), (Some(5), Some(7)));

        // The mean and the standard deviation that everybody normalises with: 0.1307 and 0.3081.
        let (mut sum, mut squares) = (0.0, 0.0);
        for index in 0..train.len() {
            for value in train.input(index) {
                sum += f64::from(value);
                squares += f64::from(value) * f64::from(value);
            }
        }
        let count = (train.len() * 28 * 28) as f64;
        let mean = sum / count;
        let deviation = (squares / count - mean * mean).sqrt();
        assert!((mean - 0.130_660).abs() < 1e-5, "{mean}");
        assert!((deviation - 0.308_108).abs() < 1e-5, "{deviation}");
        train.check(&[28, 28, 1], &[10]).unwrap();
    }
}
