//! Arrays of numpy.

use crate::counting::{Cases, LITTLE, TURN};
use cnn::data::npy;

/// An `.npy` file of version 1.0.
pub fn npy_file(header: &str, elements: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(elements);
    bytes
}

pub fn npy_header(descr: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n")
}

#[test]
pub fn npy_files() {
    let _turn = TURN.lock();
    let mut cases = Cases::default();
    let file =
        |descr: &str, shape: &str, elements: &[u8]| npy_file(&npy_header(descr, shape), elements);
    let mut version = file("<f4", "(1,)", &[0; 4]);
    version[6] = 9;
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend(u32::MAX.to_le_bytes());
    let nested = "(".repeat(9_000);
    for (name, expected, file) in [
        ("nothing", "Magic { found: [] }", vec![]),
        (
            "another format",
            "Magic",
            b"\x93NUMPI\x01\x00\x00\x00".to_vec(),
        ),
        (
            "the magic number alone",
            "TruncatedHeader",
            b"\x93NUMPY".to_vec(),
        ),
        ("another version", "Version { found: [9, 0] }", version),
        (
            "a header of 4 GB",
            "HeaderLength { limit: 10000, found: 4294967295 }",
            long,
        ),
        (
            "a header of 20 KB",
            "HeaderLength",
            npy_file(&" ".repeat(20_000), &[]),
        ),
        (
            "a header that ends early",
            "TruncatedHeader",
            file("<f4", "(2,)", &[])[..40].to_vec(),
        ),
        (
            "a header of zeros",
            "Header {",
            npy_file(&"\0".repeat(118), &[]),
        ),
        (
            "a program for a header",
            "Header {",
            npy_file("__import__('os').system('true')", &[]),
        ),
        (
            "parentheses in parentheses",
            "Header {",
            file("<f4", &nested, &[]),
        ),
        (
            "a shape that overflows",
            "TooLarge",
            file("<f4", "(1099511627776, 1099511627776)", &[0; 4]),
        ),
        (
            "a shape that overflows, and no elements",
            "TooLarge",
            file("<f4", "(0, 1099511627776, 1099511627776)", &[]),
        ),
        (
            "bytes that overflow",
            "TooLarge",
            file("<f8", "(2305843009213693951,)", &[0; 8]),
        ),
        (
            "a length that overflows",
            "Header {",
            file("<f4", "(18446744073709551616,)", &[0; 4]),
        ),
        (
            "a negative length",
            "Header {",
            file("<f4", "(-1,)", &[0; 4]),
        ),
        (
            "an exabyte announced",
            "Truncated { expected: 1152921504606846976, found: 4 }",
            file("<f4", "(288230376151711744,)", &[0; 4]),
        ),
        (
            "one byte too few",
            "Truncated { expected: 8, found: 7 }",
            file("<f4", "(2,)", &[0; 7]),
        ),
        (
            "one byte too many",
            "TrailingBytes { expected: 8 }",
            file("<f4", "(2,)", &[0; 9]),
        ),
        (
            "pickled objects",
            "Objects",
            file("|O", "(1,)", b"\x80\x04cos\nsystem\n"),
        ),
        (
            "text",
            "Dtype { found: \"<U9999999999\" }",
            file("<U9999999999", "(1,)", &[0; 4]),
        ),
        (
            "a type of a megabyte",
            "Dtype",
            file(&"<".repeat(9_000), "(1,)", &[0; 4]),
        ),
        (
            "a rank of thousands",
            "Truncated",
            file("|u1", &format!("({})", "1,".repeat(4_000)), &[]),
        ),
    ] {
        cases.check(name, expected, LITTLE, || npy::from_bytes(&file));
    }
    cases.finish(20);
}
