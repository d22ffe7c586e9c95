//! As much of JSON as headers have: objects, strings, lists of whole numbers.

use std::fmt;

/// What stands where something else should.
#[derive(Debug)]
pub struct Unexpected {
    /// The byte of the header.
    pub at: usize,
    pub expected: &'static str,
}

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, expected } = self;
        write!(f, "expected {expected} at byte {at} of its header")
    }
}

/// A text that is read from its beginning.
pub struct Json<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Json<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// An error at this place.
    pub fn unexpected(&self, expected: &'static str) -> Unexpected {
        let at = self.at;
        Unexpected { at, expected }
    }

    /// Reads an object; `value` reads the value of a key.
    pub fn object(
        &mut self,
        mut value: impl FnMut(&mut Self, String) -> Result<(), Unexpected>,
    ) -> Result<(), Unexpected> {
        self.list(b'{', b'}', ["`{`", "`,` or `}`"], |json| {
            let key = json.string()?;
            json.token(b':', "`:`")?;
            value(json, key)
        })
    }

    /// Reads a list of numbers.
    pub fn numbers(&mut self) -> Result<Vec<usize>, Unexpected> {
        let mut numbers = Vec::new();
        self.list(b'[', b']', ["`[`", "`,` or `]`"], |json| {
            numbers.push(json.number()?);
            Ok(())
        })?;
        Ok(numbers)
    }

    /// Reads a string.
    pub fn string(&mut self) -> Result<String, Unexpected> {
        self.token(b'"', "a string")?;
        let mut bytes = Vec::new();
        loop {
            match self.next() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let character = self.escaped()?;
                    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(byte @ b' '..) => bytes.push(byte),
                Some(..b' ') | None => return Err(self.unexpected("the end of a string")),
            }
        }
        String::from_utf8(bytes).map_err(|_| self.unexpected("UTF-8 before this"))
    }

    /// Reads the end of the text.
    pub fn end(&mut self) -> Result<(), Unexpected> {
        self.blanks();
        match self.text.len() - self.at {
            0 => Ok(()),
            _ => Err(self.unexpected("the end")),
        }
    }

    fn list(
        &mut self,
        open: u8,
        close: u8,
        [opens, goes_on]: [&'static str; 2],
        mut item: impl FnMut(&mut Self) -> Result<(), Unexpected>,
    ) -> Result<(), Unexpected> {
        self.token(open, opens)?;
        if self.take(close) {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.take(close) {
                return Ok(());
            }
            self.token(b',', goes_on)?;
        }
    }

    fn number(&mut self) -> Result<usize, Unexpected> {
        const EXPECTED: &str = "a whole number";
        self.blanks();
        let rest = &self.text[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = str::from_utf8(&rest[..digits]).unwrap_or_default();
        let leading_zero = digits > 1 && text.starts_with('0');
        match text.parse() {
            Ok(number) if !leading_zero => {
                self.at += digits;
                Ok(number)
            }
            _ => Err(self.unexpected(EXPECTED)),
        }
    }

    /// What stands behind a backslash.
    fn escaped(&mut self) -> Result<char, Unexpected> {
        const EXPECTED: &str = "an escape of JSON";
        let character = match self.next() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let mut units = vec![self.unit()?];
                // The first half of a pair.
                if (0xd800..0xdc00).contains(&units[0])
                    && self.next() == Some(b'\\')
                    && self.next() == Some(b'u')
                {
                    units.push(self.unit()?);
                }
                let mut decoded = char::decode_utf16(units);
                match (decoded.next(), decoded.next()) {
                    (Some(Ok(character)), None) => character,
                    _ => return Err(self.unexpected(EXPECTED)),
                }
            }
            _ => return Err(self.unexpected(EXPECTED)),
        };
        Ok(character)
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u16, Unexpected> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.next().and_then(|byte| (byte as char).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.unexpected("four hexadecimal digits"));
            };
            unit = unit << 4 | digit as u16;
        }
        Ok(unit)
    }

    fn next(&mut self) -> Option<u8> {
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn token(&mut self, byte: u8, expected: &'static str) -> Result<(), Unexpected> {
        match self.take(byte) {
            true => Ok(()),
            false => Err(self.unexpected(expected)),
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn blanks(&mut self) {
        let is_blank = |byte: &&u8| matches!(**byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.text[self.at..].iter().take_while(is_blank).count();
    }
}
