//! Files that somebody made to do harm, or that a disk has damaged: each is an error of its type, found with little memory.

#[path = "support/counting.rs"]
mod counting;

use std::io::Write;

use cnn::data::csv::Csv;
use cnn::data::npy::{self, Npz};
use cnn::data::{idx, images};
use counting::{Cases, LITTLE, TURN};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use ndarray::{Ix1, IxDyn};

/// What compressed files grow to.
const HUGE: usize = 64 << 20;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
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

/// An `.npy` file of version 1.0.
fn npy_file(header: &str, elements: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(elements);
    bytes
}

fn npy_header(descr: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n")
}

#[test]
fn npy_files() {
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

/// A chunk of a PNG file.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    let (length, crc) = ((data.len() as u32).to_be_bytes(), crc(&body).to_be_bytes());
    [&length[..], &body, &crc].concat()
}

/// The header of a PNG file: 8 bits a sample, of a kind of colour.
fn png_header(width: u32, height: u32, color: u8) -> Vec<u8> {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = chunk(b"IHDR", &[&size[..], &[8, color, 0, 0, 0]].concat());
    [b"\x89PNG\r\n\x1a\n", &header[..]].concat()
}

fn png(width: u32, height: u32, rest: &[&[u8]]) -> Vec<u8> {
    [
        &png_header(width, height, 0)[..],
        &rest.concat(),
        &chunk(b"IEND", &[]),
    ]
    .concat()
}

#[test]
fn pictures() {
    let _turn = TURN.lock();
    let mut cases = Cases::default();
    let read = |file: &[u8]| images::from_bytes::<4, 4, 1>(file);
    // A filter and four samples in each row.
    let pixels = chunk(b"IDAT", &zlib(&[0; 20]));
    let good = png(4, 4, &[&pixels]);
    read(&good).unwrap();
    let jpeg = include_bytes!("fixtures/files/rgb.jpg");
    read(jpeg).unwrap();
    let frame = jpeg
        .windows(2)
        .position(|marker| marker == [0xff, 0xc0])
        .unwrap();
    let sized = |height: u16, width: u16| {
        let mut file = jpeg.to_vec();
        file[frame + 5..][..4]
            .copy_from_slice(&[height.to_be_bytes(), width.to_be_bytes()].concat());
        file
    };
    let flip = |file: &[u8], at: usize| {
        let mut file = file.to_vec();
        file[at] ^= 1;
        file
    };
    let metadata_bomb = [b"name\0\0", &zlib(&vec![0; HUGE])[..]].concat();
    let much = 2 * (1 << 25) + LITTLE;
    for (name, expected, bytes, file) in [
        ("nothing", "Format { found: [] }", LITTLE, vec![]),
        (
            "text",
            "Format {",
            LITTLE,
            b"<svg onload=alert(1)>".to_vec(),
        ),
        (
            "the first bytes of a PNG file",
            "Decode(",
            LITTLE,
            good[..8].to_vec(),
        ),
        ("a header alone", "Decode(", LITTLE, good[..33].to_vec()),
        (
            "a PNG file that is cut",
            "Decode(",
            LITTLE,
            good[..good.len() - 20].to_vec(),
        ),
        (
            "2^31 by 2^31",
            "TooLarge { found: [2147483647, 2147483647]",
            LITTLE,
            png(0x7fff_ffff, 0x7fff_ffff, &[&pixels]),
        ),
        (
            "60000 by 60000",
            "TooLarge {",
            LITTLE,
            png(60_000, 60_000, &[&pixels]),
        ),
        (
            "one row of 2^31",
            "TooLarge {",
            LITTLE,
            png(0x7fff_ffff, 1, &[&pixels]),
        ),
        (
            "nothing by nothing",
            "Decode(",
            LITTLE,
            png(0, 0, &[&pixels]),
        ),
        (
            "as large as may be, and no pixels",
            "Decode(",
            much,
            png(8192, 4096, &[&pixels]),
        ),
        ("checksum of the header", "Decode(", LITTLE, flip(&good, 32)),
        (
            "checksum of the pixels",
            "Decode(",
            LITTLE,
            flip(&good, good.len() - 13),
        ),
        (
            "pixels that are not deflated",
            "Decode(",
            LITTLE,
            png(4, 4, &[&chunk(b"IDAT", &[0xff; 20])]),
        ),
        (
            "too few pixels",
            "Decode(",
            LITTLE,
            png(4, 4, &[&chunk(b"IDAT", &zlib(&[0; 19]))]),
        ),
        (
            "an unknown filter",
            "Decode(",
            LITTLE,
            png(4, 4, &[&chunk(b"IDAT", &zlib(&[9; 20]))]),
        ),
        ("no pixels", "Decode(", LITTLE, png(4, 4, &[])),
        (
            "a chunk of 4 GB",
            "Decode(",
            LITTLE,
            [&png_header(4, 4, 0)[..], b"\xff\xff\xff\xffIDAT"].concat(),
        ),
        (
            "an unknown kind of colour",
            "Decode(",
            LITTLE,
            [&png_header(4, 4, 5)[..], &pixels].concat(),
        ),
        (
            "a palette that is not there",
            "Decode(",
            LITTLE,
            [&png_header(4, 4, 3)[..], &pixels].concat(),
        ),
        (
            "the first bytes of a JPEG file",
            "Decode(",
            LITTLE,
            jpeg[..3].to_vec(),
        ),
        (
            "a JPEG file that is cut",
            "Decode(",
            LITTLE,
            jpeg[..jpeg.len() / 2].to_vec(),
        ),
        (
            "a JPEG file cut in its header",
            "Decode(",
            LITTLE,
            jpeg[..frame + 4].to_vec(),
        ),
        (
            "65535 by 65535",
            "TooLarge { found: [65535, 65535]",
            LITTLE,
            sized(u16::MAX, u16::MAX),
        ),
        ("no height", "Decode(", LITTLE, sized(0, 17)),
        ("no width", "Decode(", LITTLE, sized(12, 0)),
        (
            "a JPEG file of noise",
            "Decode(",
            LITTLE,
            [&jpeg[..4], &[0x5a; 400]].concat(),
        ),
    ] {
        cases.check(name, expected, bytes, || read(&file));
    }
    // All coefficients of a progressive file are kept until its end: six bytes for a pixel, and the samples.
    let progressive = include_bytes!("fixtures/files/progressive.jpg");
    let frame = progressive
        .windows(2)
        .position(|marker| marker == [0xff, 0xc2])
        .unwrap();
    let mut file = progressive.to_vec();
    file[frame + 5..][..4]
        .copy_from_slice(&[4096_u16.to_be_bytes(), 8192_u16.to_be_bytes()].concat());
    let name = "as large as may be, progressive";
    cases.check(name, "Decode(", 10 << 25, || read(&file));
    // More pixels than announced, and metadata that are huge: nothing of either is unpacked, or not much.
    for (name, file) in [
        (
            "a bomb of pixels",
            png(4, 4, &[&chunk(b"IDAT", &zlib(&vec![0; HUGE]))]),
        ),
        (
            "a bomb of metadata",
            png(4, 4, &[&chunk(b"zTXt", &metadata_bomb), &pixels]),
        ),
        (
            "a bomb of a profile",
            png(4, 4, &[&chunk(b"iCCP", &metadata_bomb), &pixels]),
        ),
    ] {
        cases.check(name, "", LITTLE, || read(&file));
    }
    cases.finish(25);
}

#[test]
fn tables() {
    let _turn = TURN.lock();
    let mut cases = Cases::default();
    let quote = format!("a,b\n\"{}", "x,\n".repeat(1000));
    let wide = format!("a,b\n{}\n", ",".repeat(100_000));
    for (name, expected, text) in [
        ("nothing", "NoRows", &b""[..]),
        ("blank lines", "NoRows", b"\n\n\r\n"),
        ("a header alone", "NoRows", b"a,b\n"),
        (
            "a row that is short",
            "Length { line: 3, expected: 2, found: 1 }",
            b"a,b\n1,x\n2\n",
        ),
        (
            "a row that is long",
            "Length { line: 2, expected: 2, found: 3 }",
            b"a,b\n1,x,3\n",
        ),
        (
            "a row of 100001 columns",
            "Length { line: 2, expected: 2, found: 100001 }",
            wide.as_bytes(),
        ),
        (
            "NaN",
            "Number { line: 3, column: \"a\", found: \"NaN\", is_number: true }",
            b"a,b\n1,x\nNaN,x\n",
        ),
        (
            "infinity",
            "Number { line: 2, column: \"a\", found: \"-inf\", is_number: true }",
            b"a,b\n-inf,x\n",
        ),
        (
            "a number too large for f32",
            "found: \"1e99\", is_number: true }",
            b"a,b\n1e99,x\n",
        ),
        (
            "no number",
            "found: \"one\", is_number: false }",
            b"a,b\none,x\n",
        ),
        (
            "an empty field",
            "found: \"\", is_number: false }",
            b"a,b\n,x\n",
        ),
        ("a decimal comma", "Length {", b"a,b\n1,5,x\n"),
        ("zero bytes", "is_number: false }", b"a,b\n\0\0,x\n"),
        (
            "a number that is not UTF-8",
            "NotUtf8 { line: 2, column: \"a\" }",
            b"a,b\n\xff\xfe,x\n",
        ),
        (
            "a class that is not UTF-8",
            "NotUtf8 { line: 3, column: \"b\" }",
            b"a,b\n1,x\n1,\xc3\x28\n",
        ),
        (
            "a header that is not UTF-8",
            "NotUtf8 { line: 1, column: \"1\" }",
            b"a,\xff\n1,x\n",
        ),
        ("UTF-16", "NotUtf8", b"\xff\xfea\0,\0b\0\n\0"),
        (
            "a quote that never ends",
            "Length { line: 2",
            quote.as_bytes(),
        ),
        (
            "no such column",
            "Column { asked: Name(\"b\")",
            b"a,c\n1,2\n",
        ),
        ("a column twice", "Ambiguous { name: \"b\" }", b"b,b\n1,2\n"),
        ("no column for inputs", "NoColumns", b"b\nx\n"),
    ] {
        // The widest row is read before it is known to be wrong.
        cases.check(name, expected, 4 * LITTLE, || {
            Csv::labelled("b").from_bytes(text)
        });
    }
    let csv = Csv::labelled("b").classes(["x"]);
    cases.check("an unknown class", "Class { line: 2", LITTLE, || {
        csv.from_bytes(b"a,b\n1,y\n")
    });
    let csv = Csv::labelled(7);
    cases.check(
        "no such number",
        "Column { asked: Number(7)",
        LITTLE,
        || csv.from_bytes(b"a,b\n1,2\n"),
    );
    cases.finish(20);
}
