//! Tables of comma-separated values.

use crate::counting::{Cases, LITTLE, TURN};
use cnn::data::csv::Csv;

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
