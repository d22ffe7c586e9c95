//! Files in IDX format, as MNIST has them, plain and gzipped.

use super::HUGE;
use crate::counting::{Cases, LITTLE, TURN};
use cnn::data::idx;
use flate2::Compression;
use flate2::write::GzEncoder;
use ndarray::{Ix1, IxDyn};
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn idx_file(element: u8, shape: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, element, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|axis| axis.to_be_bytes()));
    bytes.extend(elements);
    bytes
}

#[test]
fn idx_files() {
    let _turn = TURN.lock();
    let mut cases = Cases::default();
    let max = u32::MAX;
    let good = gzip(&idx_file(8, &[1000], &[7; 1000]));
    let mut crc_broken = good.clone();
    let end = crc_broken.len() - 8;
    crc_broken[end] ^= 1;
    let mut length_broken = good.clone();
    *length_broken.last_mut().unwrap() ^= 1;
    let mut method = good.clone();
    method[2] = 7;
    for (name, expected, file) in [
        ("nothing", "TruncatedHeader", vec![]),
        ("half a magic number", "TruncatedHeader", vec![0, 0]),
        ("another format", "Magic", b"PK\x03\x04".to_vec()),
        (
            "floats",
            "ElementType { found: 13 }",
            idx_file(13, &[1], &[0; 4]),
        ),
        (
            "another rank",
            "Rank { expected: 1, found: 2 }",
            idx_file(8, &[1, 1], &[0]),
        ),
        (
            "half a shape",
            "TruncatedHeader",
            idx_file(8, &[9], &[])[..6].to_vec(),
        ),
        (
            "4 GB announced",
            "Truncated { expected: 4294967295, found: 3 }",
            idx_file(8, &[max], &[1, 2, 3]),
        ),
        (
            "one too few",
            "Truncated { expected: 5, found: 4 }",
            idx_file(8, &[5], &[0; 4]),
        ),
        (
            "one too many",
            "TrailingBytes { expected: 5 }",
            idx_file(8, &[5], &[0; 6]),
        ),
        (
            "bomb",
            "TrailingBytes { expected: 10 }",
            gzip(&idx_file(8, &[10], &vec![0; HUGE])),
        ),
        (
            "4 GB announced, compressed",
            "Truncated",
            gzip(&idx_file(8, &[max], &[0; 3])),
        ),
        (
            "compressed and cut",
            "TruncatedHeader",
            good[..good.len() / 2].to_vec(),
        ),
        (
            "gzip's header alone",
            "TruncatedHeader",
            good[..10].to_vec(),
        ),
        ("checksum", "Io(", crc_broken),
        ("length in gzip's trailer", "Io(", length_broken),
        ("another compression", "Io(", method),
        (
            "something after the compressed file",
            "Io(",
            [&good[..], b"more"].concat(),
        ),
        ("compressed twice", "Magic", gzip(&good)),
    ] {
        cases.check(name, expected, LITTLE, || idx::from_bytes::<Ix1>(&file));
    }
    let overflow: [&[u32]; 3] = [&[max; 3], &[max, max, max, 0], &[max; 255]];
    for shape in overflow {
        let file = idx_file(8, shape, &[0; 4]);
        cases.check("overflow", "TooLarge", LITTLE, || {
            idx::from_bytes::<IxDyn>(&file)
        });
    }
    cases.finish(20);
}
