use super::{Damage, Header};

/// Reads a file of this header and `data` bytes of tensors.
fn read(header: &str, data: usize) -> Result<Header, Damage> {
    let file = bytes(header, data);
    of(&file)
}

fn bytes(header: &str, data: usize) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(vec![0; data]);
    file
}

fn of(file: &[u8]) -> Result<Header, Damage> {
    let mut rest = file;
    Header::of(&mut rest, file.len() as u64).unwrap()
}

#[test]
fn a_header_tells_names_shapes_and_places() {
    let header = r#" { "b" : {"shape":[ ],"dtype":"F32","data_offsets":[24, 28]},
        "__metadata__":{"format":"pt","cnn_version":"1"},
        "a\n\"\u00e9\ud83d\ude00/":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
        "c":{"dtype":"BF16","shape":[0],"data_offsets":[28,28]}}   "#;
    let header = read(header, 28).unwrap();
    assert_eq!(header.version.as_deref(), Some("1"));
    let found: Vec<_> = header
        .tensors
        .iter()
        .map(|t| {
            (
                t.name.as_str(),
                t.element_type.as_str(),
                &t.shape[..],
                t.start,
            )
        })
        .collect();
    let expected: [(&str, &str, &[usize], usize); 3] = [
        ("a\n\"é😀/", "F32", &[2, 3], 0),
        ("b", "F32", &[], 24),
        ("c", "BF16", &[0], 28),
    ];
    assert_eq!(found, expected);
    assert_eq!(read("{}", 0).unwrap().data, 10);
}

/// Each is refused, and so it is by the crate that reads files while a program runs.
#[test]
fn damaged_files_are_refused() {
    let tensor = |rest: &str| format!(r#"{{"a":{{"dtype":"F32",{rest}}}}}"#);
    let one = r#""dtype":"F32","shape":[1]"#;
    let cases = [
        (String::new(), 0, "expected `{` at byte 0 of its header"),
        ("[]".into(), 0, "expected `{` at byte 0 of its header"),
        ("{} x".into(), 0, "expected the end at byte 3 of its header"),
        ("{".into(), 0, "expected a string at byte 1 of its header"),
        (
            r#"{"a"#.into(),
            0,
            "expected the end of a string at byte 3 of its header",
        ),
        (
            r#"{"a" 1"#.into(),
            0,
            "expected `:` at byte 5 of its header",
        ),
        (
            r#"{"\x":{}}"#.into(),
            0,
            "expected an escape of JSON at byte 4 of its header",
        ),
        (
            r#"{"\ud800a":{}}"#.into(),
            0,
            "expected an escape of JSON at byte 9 of its header",
        ),
        (
            r#"{"__metadata__":{"a":1}}"#.into(),
            0,
            "expected a string at byte 21 of its header",
        ),
        (
            tensor(r#""shape":[1]"#),
            4,
            "expected `dtype`, `shape` and two `data_offsets` of a tensor at byte 32 of its header",
        ),
        (
            tensor(r#""shape":[1],"data_offsets":[0,4,8]"#),
            4,
            "expected `dtype`, `shape` and two `data_offsets` of a tensor at byte 55 of its header",
        ),
        (
            tensor(r#""shape":[-1],"data_offsets":[0,4]"#),
            4,
            "expected a whole number at byte 29 of its header",
        ),
        (
            tensor(r#""shape":[1 1],"data_offsets":[0,4]"#),
            4,
            "expected `,` or `]` at byte 31 of its header",
        ),
        (
            tensor(r#""shape":[99999999999999999999],"data_offsets":[0,4]"#),
            4,
            "expected a whole number at byte 29 of its header",
        ),
        (
            tensor(r#""shape":[2],"data_offsets":[0,4]"#),
            4,
            "the tensor `a` has 4 bytes, which is not what its shape takes",
        ),
        (
            tensor(r#""shape":[4611686018427387905],"data_offsets":[0,4]"#),
            4,
            "the tensor `a` has 4 bytes, which is not what its shape takes",
        ),
        (
            tensor(r#""shape":[1],"data_offsets":[4,8]"#),
            8,
            "the tensor `a` begins at byte 4, but the one before it ends at 0",
        ),
        (
            tensor(r#""shape":[1],"data_offsets":[4,0]"#),
            4,
            "the tensor `a` begins at byte 4, but the one before it ends at 0",
        ),
        (
            tensor(r#""shape":[1],"data_offsets":[0,4]"#),
            5,
            "its tensors end at byte 66, but the file at 67",
        ),
        (
            tensor(r#""shape":[1],"data_offsets":[0,4]"#),
            3,
            "its tensors end at byte 66, but the file at 65",
        ),
        (
            format!(r#"{{"a":{{{one},"data_offsets":[0,4]}},"b":{{{one},"data_offsets":[2,6]}}}}"#),
            6,
            "the tensor `b` begins at byte 2, but the one before it ends at 4",
        ),
    ];
    let mut wrong = Vec::new();
    for (header, data, expected) in cases {
        let found = read(&header, data).map(drop);
        let found = found.map_err(|damage| damage.to_string());
        if found != Err(expected.to_owned()) {
            wrong.push(format!("{header}: {found:?}"));
        }
        if safetensors::SafeTensors::deserialize(&bytes(&header, data)).is_ok() {
            wrong.push(format!("{header}: the crate takes it"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let twice =
        format!(r#"{{"a":{{{one},"data_offsets":[0,4]}},"a":{{{one},"data_offsets":[4,8]}}}}"#);
    let found = read(&twice, 8).map(drop).unwrap_err();
    assert_eq!(found.to_string(), "the tensor `a` is there twice");
}

#[test]
fn short_files_are_refused() {
    let whole = bytes(
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
        4,
    );
    let tensors = whole.len() - 4;
    for length in 0..whole.len() {
        let damage = of(&whole[..length]).map(drop).unwrap_err();
        match damage {
            Damage::Short { found, .. } => assert!(length < tensors && found == length as u64),
            Damage::End { found, .. } => assert!(length >= tensors && found == length as u64),
            other => panic!("{other} of {length} bytes"),
        }
    }
    let long = u64::MAX.to_le_bytes();
    let damage = of(&long).map(drop).unwrap_err().to_string();
    assert!(
        damage.starts_with("its header is 18446744073709551615 bytes long"),
        "{damage}"
    );
}
