//! Archives of arrays of numpy.

use super::npy::{npy_file, npy_header};
use super::{HUGE, crc};
use crate::counting::{Cases, LITTLE, TURN};
use cnn::data::npy::Npz;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::Write;

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An entry of a ZIP archive, and what it says of itself.
struct Entry {
    name: &'static str,
    flags: u16,
    method: u16,
    crc: u32,
    /// Compressed and uncompressed.
    sizes: [u32; 2],
    offset: Option<u32>,
    data: Vec<u8>,
}

impl Entry {
    fn stored(name: &'static str, content: &[u8]) -> Self {
        Self {
            name,
            flags: 0,
            method: 0,
            crc: crc(content),
            sizes: [content.len() as u32; 2],
            offset: None,
            data: content.to_vec(),
        }
    }

    fn deflated(name: &'static str, content: &[u8]) -> Self {
        let data = deflate(content);
        Self {
            method: 8,
            sizes: [data.len() as u32, content.len() as u32],
            data,
            ..Self::stored(name, content)
        }
    }
}

/// A ZIP archive (APPNOTE 4.3) that says it has `count` entries.
fn zip(entries: &[Entry], count: Option<u16>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let at = file.len() as u32;
        let mut fields = Vec::new();
        for field in [20, entry.flags, entry.method, 0, 0x21] {
            fields.extend(field.to_le_bytes());
        }
        for field in [entry.crc, entry.sizes[0], entry.sizes[1]] {
            fields.extend(field.to_le_bytes());
        }
        fields.extend((entry.name.len() as u16).to_le_bytes());
        fields.extend([0; 2]);
        file.extend(b"PK\x03\x04");
        file.extend(&fields);
        file.extend(entry.name.bytes());
        file.extend(&entry.data);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend(entry.offset.unwrap_or(at).to_le_bytes());
        directory.extend(entry.name.bytes());
    }
    let (at, length) = (file.len() as u32, directory.len() as u32);
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    let count = count.unwrap_or(entries.len() as u16);
    file.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    file.extend([length.to_le_bytes(), at.to_le_bytes()].concat());
    file.extend([0; 2]);
    file
}

#[test]
fn npz_archives() {
    let _turn = TURN.lock();
    let mut cases = Cases::default();
    let ten = npy_file(&npy_header("|u1", "(10,)"), &[7; 10]);
    let stored = |change: fn(&mut Entry)| {
        let mut entry = Entry::stored("x.npy", &ten);
        change(&mut entry);
        zip(&[entry], None)
    };
    let deflated = |change: fn(&mut Entry)| {
        let mut entry = Entry::deflated("x.npy", &ten);
        change(&mut entry);
        zip(&[entry], None)
    };
    // The archives are such as are read if nothing is wrong in them.
    for good in [stored(|_| ()), deflated(|_| ())] {
        Npz::from_bytes(good).unwrap().array("x").unwrap();
    }
    let named = |name| zip(&[Entry::stored(name, &ten)], None);
    let bomb = npy_file(&npy_header("|u1", "(10,)"), &vec![0; HUGE]);
    let liar = npy_file(&npy_header("<f8", "(100000000000,)"), &[0; 80]);
    let good = stored(|_| ());
    for (name, expected, file) in [
        ("nothing", "Archive(", vec![]),
        ("no archive", "Archive(", vec![b'x'; 100]),
        (
            "an archive that ends early",
            "Archive(",
            good[..good.len() - 30].to_vec(),
        ),
        (
            "a directory that is cut",
            "Archive(",
            [&good[..60], &good[good.len() - 22..]].concat(),
        ),
        (
            "a name out of the folder",
            "Name { found: \\\"../x.npy\\\" }",
            named("../x.npy"),
        ),
        (
            "a name out of a folder in it",
            "Name {",
            named("a/../../x.npy"),
        ),
        (
            "an absolute name",
            "Name { found: \\\"/etc/passwd\\\" }",
            named("/etc/passwd"),
        ),
        ("a name of Windows", "Name {", named("C:\\x.npy")),
        ("a folder", "Name {", named("x/")),
        (
            "a name twice",
            "Name {",
            zip(
                &[Entry::stored("x.npy", &ten), Entry::stored("x", &ten)],
                None,
            ),
        ),
        (
            "checksum, stored",
            "Archive(",
            stored(|entry| entry.crc ^= 1),
        ),
        (
            "checksum, deflated",
            "Archive(",
            deflated(|entry| entry.crc ^= 1),
        ),
        (
            "a content that is larger than announced",
            "Archive(",
            deflated(|entry| entry.sizes[1] -= 1),
        ),
        (
            "a content that is smaller than announced",
            "Archive(",
            deflated(|entry| entry.sizes[1] += 1),
        ),
        (
            "a compressed size beyond the archive",
            "Entry {",
            stored(|entry| entry.sizes = [u32::MAX - 1; 2]),
        ),
        (
            "a compressed size that cuts",
            "Entry {",
            stored(|entry| entry.sizes = [40; 2]),
        ),
        (
            "deflated data that are cut",
            "Entry {",
            deflated(|entry| entry.sizes[0] = 9),
        ),
        (
            "deflated data that are none",
            "Entry {",
            deflated(|entry| entry.data.fill(0xff)),
        ),
        (
            "an offset beyond the archive",
            "Entry {",
            stored(|entry| entry.offset = Some(1 << 30)),
        ),
        (
            "an offset into the data",
            "Entry {",
            stored(|entry| entry.offset = Some(5)),
        ),
        (
            "an unknown compression",
            "Compression",
            stored(|entry| entry.method = 14),
        ),
        ("encrypted", "Compression", stored(|entry| entry.flags = 1)),
        ("no array", "Magic", named_with("x.npy", b"not an array")),
        (
            "an archive in an archive",
            "Magic",
            named_with("x.npy", &good),
        ),
        (
            "a bomb",
            "TrailingBytes { expected: 10 }",
            zip(&[Entry::deflated("x.npy", &bomb)], None),
        ),
        (
            "80 bytes that are said to be 800 GB",
            "Truncated",
            zip(&[Entry::deflated("x.npy", &liar)], None),
        ),
    ] {
        cases.check(name, expected, LITTLE, || {
            let archive = Npz::from_bytes(file).map_err(|error| format!("{error:?}"))?;
            archive.array("x").map_err(|error| format!("{error:?}"))
        });
    }
    // What a directory says of its length is not believed.
    let archive = Npz::from_bytes(zip(&[Entry::stored("x.npy", &ten)], Some(u16::MAX - 1)));
    assert!(archive.is_err() || archive.unwrap().names().len() == 1);
    cases.finish(20);
}

fn named_with(name: &'static str, content: &[u8]) -> Vec<u8> {
    zip(&[Entry::stored(name, content)], None)
}
