//! Pictures, PNG and JPEG, in folders and alone.

use super::{HUGE, crc};
use crate::counting::{Cases, LITTLE, TURN};
use cnn::data::images;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::Write;

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
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
    let jpeg = include_bytes!("../fixtures/files/rgb.jpg");
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
    let progressive = include_bytes!("../fixtures/files/progressive.jpg");
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
