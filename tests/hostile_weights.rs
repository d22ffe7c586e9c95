//! Files of weights that somebody made to do harm, or that a disk has damaged: each is an error of its type, found with
//! little memory, and the network stays as it was. Values are believed, also such as are not finite.

#[path = "support/counting.rs"]
mod counting;
#[path = "support/folder.rs"]
mod folder;
#[path = "support/small.rs"]
mod small;
#[path = "support/xor_files.rs"]
mod xor_files;

use std::fs::{self, File};
use std::path::Path;

use cnn::Error;
use cnn::runtime::Model;
use counting::{Cases, LITTLE, TURN, peak};
use folder::Folder;
use small::{XOR, bits, xor};
use xor_files::{
    BIAS_1, BIAS_2, DATA, KERNEL_1, KERNEL_2, and, changed, file, header, metadata, record, resume,
};

/// What a header of 1 MiB takes at most while it is read: lists of numbers grow most, and the file is in memory too.
const HEADER: usize = 20 << 20;

/// Each with what its error is and how much memory it may take.
fn hostile_files() -> Vec<(&'static str, &'static str, usize, Vec<u8>)> {
    let good = changed("[2,8]", "[2,8]");
    let json = "InvalidHeaderDeserialization(";
    let long = |length: u64| [&length.to_le_bytes()[..], &good[8..]].concat();
    let numbers = |count: usize| "0,".repeat(count);
    let deep = "[".repeat(200_000);
    let small = |name, expected, file| (name, expected, LITTLE, file);
    let large = |name, expected, file| (name, expected, HEADER, file);
    vec![
        small("nothing", "HeaderTooSmall", vec![]),
        small("half a length", "HeaderTooSmall", good[..7].to_vec()),
        small("a length alone", "InvalidHeaderLength", good[..8].to_vec()),
        small("half a header", "InvalidHeaderLength", good[..99].to_vec()),
        small(
            "half its tensors",
            "MetadataIncompleteBuffer",
            good[..good.len() - 66].to_vec(),
        ),
        small(
            "a byte too many",
            "MetadataIncompleteBuffer",
            [&good[..], &[0]].concat(),
        ),
        small(
            "a header of 2^64 - 1 bytes",
            "HeaderTooLarge",
            long(u64::MAX),
        ),
        small("a header of 2^63 bytes", "HeaderTooLarge", long(1 << 63)),
        small("a header of 100 MB", "HeaderTooLarge", long(100_000_000)),
        small(
            "a header of 1 MB in a small file",
            "InvalidHeaderLength",
            long(1 << 20),
        ),
        small("no header", json, file("", 0)),
        small("a list", json, file("[]", 0)),
        small("a number", json, file("1e400", 0)),
        small("zeros", json, file(&"\0".repeat(200), DATA)),
        small(
            "not UTF-8",
            "InvalidHeader(Utf8Error",
            changed("dense_2.bias", "dense_2.bias")
                .iter()
                .map(|byte| byte | (0x80 * u8::from(*byte == b'_')))
                .collect(),
        ),
        small("a string without an end", json, changed("]}}", "]},\"")),
        small("something behind the header", json, changed("]}}", "]}}{}")),
        large("lists in lists", json, file(&deep, DATA)),
        large(
            "lists in the metadata",
            json,
            metadata(&format!(r#""a":{deep}"#)),
        ),
        large(
            "lists in a tensor",
            json,
            changed(r#""shape":[1]"#, &format!(r#""shape":[1],"a":{deep}"#)),
        ),
        large(
            "objects in objects",
            json,
            file(&r#"{"a":"#.repeat(100_000), DATA),
        ),
        small(
            "overlapping tensors",
            r#"InvalidOffset("dense_1.bias")"#,
            changed("[64,96]", "[32,64]"),
        ),
        small(
            "a gap between tensors",
            r#"InvalidOffset("dense_1.bias")"#,
            changed("[64,96]", "[68,100]"),
        ),
        small(
            "a tensor that ends before it begins",
            r#"InvalidOffset("dense_1.bias")"#,
            changed("[64,96]", "[64,32]"),
        ),
        small(
            "a tensor in the middle of the file",
            r#"InvalidOffset("dense_1.kernel")"#,
            changed("[0,64]", "[1,65]"),
        ),
        small(
            "two tensors in one place",
            r#"InvalidOffset("#,
            changed("[96,128]", "[64,96]"),
        ),
        small(
            "a tensor beyond the end",
            "MetadataIncompleteBuffer",
            changed(
                r#"[1],"data_offsets":[128,132]"#,
                r#"[2],"data_offsets":[128,136]"#,
            ),
        ),
        small(
            "a tensor that ends at 2^64 - 1",
            "TensorInvalidInfo",
            changed("[128,132]", "[128,18446744073709551615]"),
        ),
        small(
            "a tensor that ends at 2^64",
            json,
            changed("[128,132]", "[128,18446744073709551616]"),
        ),
        small("a tensor at -4", json, changed("[0,64]", "[-4,64]")),
        small("three offsets", json, changed("[0,64]", "[0,32,64]")),
        small(
            "a shape of fewer bytes",
            "TensorInvalidInfo",
            changed("[2,8]", "[2,7]"),
        ),
        small(
            "a shape that overflows",
            "ValidationOverflow",
            changed("[2,8]", "[4294967296,4294967296]"),
        ),
        small(
            "bytes that overflow",
            "ValidationOverflow",
            changed("[2,8]", "[18446744073709551615]"),
        ),
        small(
            "a shape of 2^64",
            json,
            changed("[2,8]", "[18446744073709551616]"),
        ),
        small("a shape of -1", json, changed("[8]", "[-8]")),
        small(
            "a shape of nothing",
            "TensorShape { name: \"dense_2.bias\", expected: [1], found: [0] }",
            file(
                &header(&[
                    KERNEL_1,
                    BIAS_1,
                    KERNEL_2,
                    r#""dense_2.bias":{"dtype":"F32","shape":[0],"data_offsets":[128,128]}"#,
                ]),
                128,
            ),
        ),
        small(
            "nothing that overflows",
            "ValidationOverflow",
            changed("[2,8]", "[4294967296,4294967296,0]"),
        ),
        small(
            "a shape turned over",
            "TensorShape { name: \"dense_1.kernel\", expected: [2, 8], found: [8, 2] }",
            changed("[2,8]", "[8,2]"),
        ),
        small(
            "a scalar",
            "TensorShape { name: \"dense_2.bias\", expected: [1], found: [] }",
            changed(r#""shape":[1]"#, r#""shape":[]"#),
        ),
        small(
            "a rank of thousands",
            "TensorShape {",
            changed("[2,8]", &format!("[{}16]", "1,".repeat(5_000))),
        ),
        large(
            "a shape of 500000 axes",
            "TensorInvalidInfo",
            changed("[2,8]", &format!("[{}8]", numbers(500_000))),
        ),
        large(
            "500000 offsets",
            json,
            changed("[0,64]", &format!("[{}64]", numbers(500_000))),
        ),
        small(
            "integers",
            "ElementType { name: \"dense_2.bias\", found: \"I32\" }",
            changed(r#""F32","shape":[1]"#, r#""I32","shape":[1]"#),
        ),
        small(
            "floats of 8 bytes",
            "ElementType { name: \"dense_2.bias\", found: \"F64\" }",
            file(
                &header(&[KERNEL_1, BIAS_1, KERNEL_2, BIAS_2]).replace(
                    r#""F32","shape":[1],"data_offsets":[128,132]"#,
                    r#""F64","shape":[1],"data_offsets":[128,136]"#,
                ),
                136,
            ),
        ),
        small(
            "floats of half a byte",
            "MisalignedSlice",
            changed(r#""F32","shape":[1]"#, r#""F4","shape":[1]"#),
        ),
        small(
            "an unknown type",
            json,
            changed(r#""F32","shape":[1]"#, r#""F99","shape":[1]"#),
        ),
        small(
            "a type twice",
            json,
            changed(r#""shape":[1]"#, r#""shape":[1],"dtype":"F32""#),
        ),
        small("no shape", json, changed(r#""shape":[1],"#, "")),
        small(
            "a tensor twice",
            "Duplicate { name: \"dense_1.bias\" }",
            and(BIAS_1),
        ),
        small(
            "a tensor twice, once of nothing",
            "Duplicate { name: \"dense_2.bias\" }",
            and(r#""dense_2.bias":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#),
        ),
        small(
            "a tensor twice, once in other letters",
            "Duplicate { name: \"dense_2.bias\" }",
            and(&BIAS_2.replacen('d', r"\u0064", 1)),
        ),
        small(
            "the metadata twice",
            json,
            and(r#""__metadata__":{},"__metadata__":{}"#),
        ),
        small(
            "a version twice",
            json,
            metadata(r#""cnn_version":"1","cnn_version":"2""#),
        ),
        small(
            "a later version",
            "Version { expected: \"1\", found: \"2\" }",
            metadata(r#""cnn_version":"2""#),
        ),
        small("metadata that are no strings", json, metadata(r#""a":1"#)),
        small(
            "another network",
            "Missing { name: \"dense_1.kernel\" }",
            file(&header(&[&BIAS_1.replace("64,96", "0,32")]), 32),
        ),
        small(
            "no tensors",
            "Missing { name: \"dense_1.kernel\" }",
            file("{}", 0),
        ),
        small(
            "a tensor too many",
            "Unexpected { name: \"a\" }",
            and(r#""a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#),
        ),
        small(
            "a tensor with a name that is none",
            "Unexpected { name: \"../\\0\" }",
            and(r#""../\u0000":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#),
        ),
        large(
            "10000 tensors of nothing",
            "Unexpected { name: \"0\" }",
            and(&(0..10_000)
                .map(|n| format!(r#""{n}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#))
                .collect::<Vec<_>>()
                .join(",")),
        ),
        large(
            "metadata of a megabyte",
            "no error",
            metadata(&format!(r#""a":"{}""#, "x".repeat(1_000_000))),
        ),
        large(
            "100000 metadata",
            "no error",
            metadata(&[r#""a":"""#; 100_000].join(",")),
        ),
        large(
            "metadata of two megabytes",
            "TooLarge",
            metadata(&format!(r#""a":"{}""#, "x".repeat(2_000_000))),
        ),
        large(
            "metadata of two megabytes in quotes",
            "TooLarge",
            metadata(&format!(r#""a":"{}""#, r"\u0000".repeat(400_000))),
        ),
    ]
}

#[test]
fn files_of_weights() {
    let _turn = TURN.lock();
    let folder = Folder::new("hostile-weights");
    let path = folder.file("net.safetensors");
    let mut cases = Cases::default();
    for (name, expected, bytes, file) in hostile_files() {
        fs::write(&path, &file).unwrap();
        cases.check(name, expected, bytes, || Model::load(&XOR, &path));
        // Of what is in memory, the header alone is read.
        let expected = expected.replace("TooLarge", "HeaderTooLarge");
        let expected = expected.replace("HeaderHeader", "Header");
        cases.check(name, &expected, bytes, || Model::from_bytes(&XOR, &file));
        // Other networks may be of other tensors, but not of other bytes.
        let mut model = Model::new(&XOR, 1);
        let before = bits(model.parameters());
        let (result, used) = peak(|| model.load_matching(&path));
        let is_damaged = ![
            "no error",
            "TensorShape",
            "ElementType",
            "Missing",
            "Unexpected",
            "TooLarge",
        ]
        .iter()
        .any(|error| expected.starts_with(error))
            && !expected.starts_with("HeaderTooLarge")
            || name.starts_with("a header of");
        match result {
            Err(Error::Checkpoint { source, .. }) if is_damaged => {
                let found = format!("{source:?}");
                let is_expected = found.contains(&expected) && bits(model.parameters()) == before;
                if !is_expected {
                    cases.wrong.push(format!("{name}, matching: {found}"));
                }
            }
            Ok(_) if !is_damaged => {}
            other => cases.wrong.push(format!("{name}, matching: {other:?}")),
        }
        if used > 2 * bytes {
            cases.wrong.push(format!("{name}, matching: {used} bytes"));
        }
    }
    cases.finish(100);
}

/// A file with a hole: it takes no room on the disk.
fn sparse(path: &Path, beginning: &[u8], length: u64) {
    fs::write(path, beginning).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(length).unwrap();
}

#[test]
fn files_that_are_far_too_large() {
    let _turn = TURN.lock();
    let folder = Folder::new("hostile-large");
    let path = folder.file("net.safetensors");
    let mut cases = Cases::default();
    let tera = 1 << 40;
    sparse(&path, b"", tera);
    cases.check("zeros", "TooLarge { limit: 1", 4 * LITTLE, || {
        Model::load(&XOR, &path)
    });
    // What says to be a checkpoint may have more, but not much.
    sparse(
        &path,
        &file(r#"{"__metadata__":{"cnn_training":""#, 0),
        tera,
    );
    let checkpoint = "TooLarge { limit: 1";
    cases.check("a checkpoint", checkpoint, 80 << 20, || {
        Model::load(&XOR, &path)
    });
    cases.check("a checkpoint to resume from", checkpoint, 80 << 20, || {
        resume(&path)
    });
    // Tensors that match are read from a file of any size, and only these.
    let huge = format!(
        r#""z":{{"dtype":"U8","shape":[{tera}],"data_offsets":[32,{}]}}"#,
        tera + 32
    );
    let header = header(&[&BIAS_1.replace("64,96", "0,32"), &huge]);
    sparse(
        &path,
        &file(&header, 0),
        8 + header.len() as u64 + 32 + tera,
    );
    let mut model = Model::new(&XOR, 1);
    let (report, used) = peak(|| model.load_matching(&path).unwrap());
    assert_eq!(
        (report.matched, report.only_in_file),
        (vec!["dense_1.bias"], vec!["z".to_owned()])
    );
    assert!(used < LITTLE, "{used} bytes");
    // Its header is not of any size.
    sparse(&path, &(1_u64 << 30).to_le_bytes(), tera);
    cases.check("a header of 1 GiB", "HeaderTooLarge", LITTLE, || {
        model.load_matching(&path)
    });
    let most = (1 << 20) + (1 << 24);
    let shape = "0,".repeat((most - 60) / 2);
    let largest = format!(r#"{{"a":{{"dtype":"U8","shape":[{shape}0],"data_offsets":[0,0]}}}}"#);
    fs::write(&path, file(&largest, 0)).unwrap();
    cases.check("as large as may be", "no error", 14 * most, || {
        model.load_matching(&path)
    });
    cases.finish(5);
}

#[cfg(unix)]
#[test]
fn what_is_no_file() {
    use std::os::unix::net::UnixListener;

    let _turn = TURN.lock();
    let folder = Folder::new("hostile-kinds");
    let (pipe, socket, link) = (
        folder.file("pipe"),
        folder.file("socket"),
        folder.file("link"),
    );
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let _listener = UnixListener::bind(&socket).unwrap();
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    let mut cases = Cases::default();
    for (path, expected) in [
        (folder.0.as_path(), "found: \"a folder\""),
        (pipe.as_path(), "found: \"a pipe\""),
        (link.as_path(), "found: \"a pipe\""),
        (socket.as_path(), "found: \"a socket\""),
        (Path::new("/dev/zero"), "found: \"a device\""),
        (&folder.file("none"), "NotFound"),
        (&folder.file("none\0"), "Io {"),
    ] {
        let name = path.display().to_string();
        cases.check(&name, expected, LITTLE, || Model::load(&XOR, path));
        cases.check(&name, expected, LITTLE, || {
            Model::new(&XOR, 1).load_matching(path)
        });
        cases.check(&name, expected, LITTLE, || resume(path));
    }
    cases.finish(21);
}

/// Predictions are not finite then, and a step is refused with an error that names the tensor, or what became of it.
#[test]
fn values_that_are_not_finite_are_believed() {
    let good = changed("[2,8]", "[2,8]");
    let data = good.len() - DATA;
    let tensors = [
        ("dense_1.kernel", 0),
        ("dense_1.bias", 64),
        ("dense_2.kernel", 96),
        ("dense_2.bias", 128),
    ];
    for (tensor, start) in tensors {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut file = good.clone();
            file[data + start..][..4].copy_from_slice(&value.to_le_bytes());
            let mut model = Model::from_bytes(&XOR, &file).unwrap();
            let before = bits(model.parameters());
            assert!(before.contains(&value.to_bits()), "{tensor}: {value}");
            let mut output = [0.0];
            model.predict(&[0.0, 1.0], &mut output);
            assert!(
                !value.is_nan() || output[0].is_nan(),
                "{tensor}: {value}: {output:?}"
            );

            let trainer = model.trainer().epochs(1).progress(false);
            let error = match trainer.fit(&xor()) {
                Err(error) => error.to_string(),
                // An activation with bounds may hide what is infinite.
                Ok(_) => {
                    assert!(value.is_infinite() && tensor == "dense_1.bias");
                    continue;
                }
            };
            assert!(
                !value.is_nan() || error.contains(tensor),
                "{tensor}: {value}: {error}"
            );
            assert_eq!(bits(model.parameters()), before, "{tensor}: {value}");
        }
    }
    // Also what an optimizer remembers.
    let folder = Folder::new("hostile-values");
    let path = folder.file("run.safetensors");
    let mut file = record("\"version\"", "\"version\"");
    let mean = file.len() - 2 * DATA;
    file[mean..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, &file).unwrap();
    let mut model = Model::new(&XOR, 1);
    let trainer = model
        .trainer()
        .epochs(21)
        .progress(false)
        .resume_from(&path);
    let error = trainer.fit(&xor()).unwrap_err().to_string();
    assert!(error.contains("dense_1.kernel"), "{error}");
    assert!(model.parameters().iter().all(|value| value.is_finite()));
}
