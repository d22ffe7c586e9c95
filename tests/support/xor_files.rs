//! Files of [`XOR`], byte by byte: weights, and a checkpoint after 20 epochs.
#![allow(dead_code, reason = "each test file uses its share")]

use std::path::Path;

use cnn::runtime::Model;
use cnn::{Error, History};

use crate::small::{XOR, bits, xor};

/// The tensors of `XOR` and their bytes, in the order of the file.
pub const KERNEL_1: &str =
    r#""dense_1.kernel":{"dtype":"F32","shape":[2,8],"data_offsets":[0,64]}"#;
pub const BIAS_1: &str = r#""dense_1.bias":{"dtype":"F32","shape":[8],"data_offsets":[64,96]}"#;
pub const KERNEL_2: &str =
    r#""dense_2.kernel":{"dtype":"F32","shape":[8,1],"data_offsets":[96,128]}"#;
pub const BIAS_2: &str = r#""dense_2.bias":{"dtype":"F32","shape":[1],"data_offsets":[128,132]}"#;
pub const DATA: usize = 132;

/// A file with this header and `data` bytes behind it.
pub fn file(header: &str, data: usize) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &vec![0; data]].concat()
}

/// The header of these entries.
pub fn header(entries: &[&str]) -> String {
    format!("{{{}}}", entries.join(","))
}

/// A file of `XOR` in which `from` in the header is `to`.
pub fn changed(from: &str, to: &str) -> Vec<u8> {
    let header = header(&[KERNEL_1, BIAS_1, KERNEL_2, BIAS_2]);
    assert!(header.contains(from), "{from}");
    file(&header.replacen(from, to, 1), DATA)
}

/// A file of `XOR` with another entry in front.
pub fn and(entry: &str) -> Vec<u8> {
    file(&header(&[entry, KERNEL_1, BIAS_1, KERNEL_2, BIAS_2]), DATA)
}

pub fn metadata(entries: &str) -> Vec<u8> {
    and(&format!(r#""__metadata__":{{{entries}}}"#))
}

/// Goes on from a checkpoint of [`XOR`] after 20 epochs.
pub fn resume(path: &Path) -> Result<History, Error> {
    let mut model = Model::new(&XOR, 1);
    let before = bits(model.parameters());
    let trainer = model.trainer().epochs(21).threads(1).progress(false);
    let result = trainer.resume_from(path).fit(&xor());
    assert!(result.is_ok() || bits(model.parameters()) == before);
    result
}

/// A checkpoint in which `from` in the header is `to`, with the escapes of a record.
pub fn checkpoint(from: &str, to: &str) -> Vec<u8> {
    let bytes = include_bytes!("../golden/xor_training_1.safetensors");
    let (length, rest) = bytes.split_first_chunk().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header = str::from_utf8(header).unwrap();
    assert!(header.contains(from), "{from} in {header}");
    let header = header.replacen(from, to, 1);
    [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        data,
    ]
    .concat()
}

/// The same in the record.
pub fn record(from: &str, to: &str) -> Vec<u8> {
    let quoted = |text: &str| text.replace('"', "\\\"");
    checkpoint(&quoted(from), &quoted(to))
}
