//! The header of an `.npy` file: a magic number, a version, and a Python dictionary.
//!
//! ```text
//! \x93NUMPY, major, minor                   8 bytes
//! length of the dictionary                  u16 in version 1, u32 later; little-endian
//! {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
//! ```
//!
//! The crates that read such files evaluate any Python literal with a general parser; here the dictionary has three
//! keys, and nothing in it nests deeper than a tuple of numbers.

use std::io::Read;

use super::{Dtype, NpyError};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Of the dictionary, in bytes; numpy's own limit for files that are not trusted.
const LONGEST: usize = 10_000;

/// What the elements are and how they lie.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub(super) dtype: Dtype,
    pub(super) is_big_endian: bool,
    /// Whether the first axis is the fastest one.
    pub(super) is_fortran: bool,
    pub(super) shape: Vec<usize>,
}

impl Header {
    pub(super) fn read(reader: &mut impl Read) -> Result<Self, NpyError> {
        let mut magic = Vec::new();
        reader.take(MAGIC.len() as u64).read_to_end(&mut magic)?;
        if magic != MAGIC {
            return Err(NpyError::Magic { found: magic });
        }
        let mut version = [0; 2];
        reader.read_exact(&mut version)?;
        let length = match version {
            [1, 0] => {
                let mut length = [0; 2];
                reader.read_exact(&mut length)?;
                usize::from(u16::from_le_bytes(length))
            }
            [2 | 3, 0] => {
                let mut length = [0; 4];
                reader.read_exact(&mut length)?;
                usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX)
            }
            found => return Err(NpyError::Version { found }),
        };
        if length > LONGEST {
            return Err(NpyError::HeaderLength {
                limit: LONGEST,
                found: length,
            });
        }
        let mut text = vec![0; length];
        reader.read_exact(&mut text)?;
        Parser { text: &text, at: 0 }.dictionary()
    }
}

/// Reads a dictionary from left to right.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn dictionary(mut self) -> Result<Header, NpyError> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect(b'{', "`{`")?;
        while !self.takes(b'}') {
            let at = self.at;
            let key = self.string()?;
            self.expect(b':', "`:`")?;
            match key {
                b"descr" if descr.is_none() => descr = Some(self.descr()?),
                b"fortran_order" if fortran.is_none() => fortran = Some(self.boolean()?),
                b"shape" if shape.is_none() => shape = Some(self.tuple()?),
                _ => {
                    return Err(NpyError::Header {
                        expected: "one each of `descr`, `fortran_order` and `shape`",
                        at,
                    });
                }
            }
            if !self.takes(b',') {
                self.expect(b'}', "`,` or `}`")?;
                break;
            }
        }
        self.blanks();
        if self.at < self.text.len() {
            return self.wrong("the end of the header");
        }
        match (descr, fortran, shape) {
            (Some((dtype, is_big_endian)), Some(is_fortran), Some(shape)) => Ok(Header {
                dtype,
                is_big_endian,
                is_fortran,
                shape,
            }),
            _ => self.wrong("one each of `descr`, `fortran_order` and `shape`"),
        }
    }

    fn wrong<T>(&self, expected: &'static str) -> Result<T, NpyError> {
        Err(NpyError::Header {
            expected,
            at: self.at,
        })
    }

    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        self.at += blanks.count();
    }

    /// Whether the next byte is this one, which is taken then.
    fn takes(&mut self, byte: u8) -> bool {
        self.blanks();
        let is_next = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), NpyError> {
        match self.takes(byte) {
            true => Ok(()),
            false => self.wrong(what),
        }
    }

    fn string(&mut self) -> Result<&'a [u8], NpyError> {
        self.blanks();
        let rest = &self.text[self.at..];
        let Some((&quote @ (b'\'' | b'"'), rest)) = rest.split_first() else {
            return self.wrong("a string");
        };
        let Some(length) = rest.iter().position(|&byte| byte == quote) else {
            return self.wrong("a string that ends");
        };
        self.at += length + 2;
        Ok(&rest[..length])
    }

    /// The type of the elements, and whether they are big-endian.
    fn descr(&mut self) -> Result<(Dtype, bool), NpyError> {
        self.blanks();
        if self.text.get(self.at) == Some(&b'[') {
            return Err(NpyError::Dtype {
                found: "record".to_owned(),
            });
        }
        let text = self.string()?;
        let (is_big_endian, code) = match text {
            [b'<' | b'|', code @ ..] => (false, code),
            [b'>', code @ ..] => (true, code),
            [b'=', code @ ..] => (cfg!(target_endian = "big"), code),
            code => (false, code),
        };
        if let [b'O', ..] = code {
            return Err(NpyError::Objects);
        }
        match Dtype::of_code(code) {
            Some(dtype) => Ok((dtype, is_big_endian)),
            None => Err(NpyError::Dtype {
                found: String::from_utf8_lossy(text).chars().take(40).collect(),
            }),
        }
    }

    fn boolean(&mut self) -> Result<bool, NpyError> {
        self.blanks();
        for (word, value) in [(&b"True"[..], true), (b"False", false)] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        self.wrong("`True` or `False`")
    }

    fn tuple(&mut self) -> Result<Vec<usize>, NpyError> {
        self.expect(b'(', "`(`")?;
        let mut numbers = Vec::new();
        while !self.takes(b')') {
            numbers.push(self.number()?);
            if !self.takes(b',') {
                // Without a comma, one number in parentheses is a number.
                if numbers.len() == 1 {
                    return self.wrong("`,`");
                }
                self.expect(b')', "`,` or `)`")?;
                break;
            }
        }
        Ok(numbers)
    }

    fn number(&mut self) -> Result<usize, NpyError> {
        self.blanks();
        let rest = &self.text[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = std::str::from_utf8(&rest[..digits]).unwrap_or_default();
        let Ok(number) = text.parse() else {
            return self.wrong("a length that fits in memory");
        };
        self.at += digits;
        // Python 2 wrote `3L`.
        self.takes(b'L');
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Header, NpyError> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.bytes());
        Header::read(&mut &bytes[..])
    }

    #[test]
    fn dictionaries_in_any_order_and_spelling() {
        let expected = Header {
            dtype: Dtype::F32,
            is_big_endian: false,
            is_fortran: false,
            shape: vec![2, 3],
        };
        for text in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n",
            "{\"shape\":(2,3,),\"descr\":\"<f4\",\"fortran_order\":False}",
            " { 'fortran_order' : False , 'shape' : ( 2L , 3L ) , 'descr' : '<f4' } ",
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        let scalar = parse("{'descr': '>i8', 'fortran_order': True, 'shape': ()}").unwrap();
        assert_eq!((scalar.dtype, scalar.is_big_endian), (Dtype::I64, true));
        assert!(scalar.is_fortran && scalar.shape.is_empty());
        let vector = parse("{'descr': '|u1', 'fortran_order': False, 'shape': (7,)}").unwrap();
        assert_eq!(vector.shape, [7]);
    }

    #[test]
    fn other_texts_are_refused_where_they_go_wrong() {
        for (text, expected) in [
            ("", "expected `{` at byte 0 of the header"),
            (
                "{}",
                "expected one each of `descr`, `fortran_order` and `shape` at byte 2 of the header",
            ),
            (
                "{'descr': '<f4",
                "expected a string that ends at byte 10 of the header",
            ),
            ("{'descr' '<f4'", "expected `:` at byte 9 of the header"),
            ("{'descr': 4}", "expected a string at byte 10 of the header"),
            ("{'shape': [2, 3]}", "expected `(` at byte 10 of the header"),
            ("{'shape': (2)}", "expected `,` at byte 12 of the header"),
            (
                "{'shape': (-2,)}",
                "expected a length that fits in memory at byte 11 of the header",
            ),
            ("{'shape': (2 3)}", "expected `,` at byte 13 of the header"),
            (
                "{'shape': ((((",
                "expected a length that fits in memory at byte 11 of the header",
            ),
            (
                "{'shape': (99999999999999999999,)}",
                "expected a length that fits in memory at byte 11 of the header",
            ),
            (
                "{'fortran_order': 0}",
                "expected `True` or `False` at byte 18 of the header",
            ),
            (
                "{'shape': (), 'shape': ()}",
                "expected one each of `descr`, `fortran_order` and `shape` at byte 14 of the header",
            ),
            (
                "{'other': 1}",
                "expected one each of `descr`, `fortran_order` and `shape` at byte 1 of the header",
            ),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': ()} x",
                "expected the end of the header at byte 54 of the header",
            ),
            (
                "{'descr': '|O'}",
                "the elements are pickled Python objects, which are not read",
            ),
            (
                "{'descr': [('x', '<f4')]}",
                "elements of type `record`, but only bool, integers of 1 to 8 bytes, and floats of 4 and 8 can be read",
            ),
            (
                "{'descr': '<c8'}",
                "elements of type `<c8`, but only bool, integers of 1 to 8 bytes, and floats of 4 and 8 can be read",
            ),
        ] {
            let found = parse(text).map_err(|error| error.to_string());
            assert_eq!(found, Err(expected.to_owned()), "{text}");
        }
    }
}
