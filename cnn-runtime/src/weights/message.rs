//! A text that is put together while a program compiles, where nothing allocates and nothing formats.

/// The most bytes of a text; what is longer ends in an ellipsis.
const CAPACITY: usize = 2048;

const ELLIPSIS: &str = "\n  …";

/// A text of whole words.
pub(super) struct Message {
    bytes: [u8; CAPACITY],
    length: usize,
    /// Whether something did not fit.
    full: bool,
}

impl Message {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; CAPACITY],
            length: 0,
            full: false,
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) const fn as_str(&self) -> &str {
        match core::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => text,
            // Only whole strings are added.
            Err(_) => "",
        }
    }

    /// Adds words one after the other.
    pub(super) const fn words(&mut self, words: &[&str]) {
        let mut index = 0;
        while index < words.len() {
            self.word(words[index].as_bytes());
            index += 1;
        }
    }

    /// Adds a shape as the language writes it: `3x3x1x8`; that of a single number is `a scalar`.
    pub(super) const fn shape(&mut self, shape: &[usize]) {
        if shape.is_empty() {
            return self.words(&["a scalar"]);
        }
        let mut axis = 0;
        while axis < shape.len() {
            if axis > 0 {
                self.words(&["x"]);
            }
            self.number(shape[axis]);
            axis += 1;
        }
    }

    const fn number(&mut self, number: usize) {
        // 2^64 has twenty digits.
        let (mut digits, mut first, mut rest) = ([0; 20], 20, number);
        loop {
            first -= 1;
            digits[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.word(digits.split_at(first).1);
    }

    /// Adds a word if there is room for it and an ellipsis behind it.
    const fn word(&mut self, word: &[u8]) {
        if self.full {
            return;
        }
        if self.length + word.len() + ELLIPSIS.len() <= CAPACITY {
            self.put(word);
        } else {
            self.full = true;
            self.put(ELLIPSIS.as_bytes());
        }
    }

    const fn put(&mut self, bytes: &[u8]) {
        let (_, rest) = self.bytes.split_at_mut(self.length);
        let (place, _) = rest.split_at_mut(bytes.len());
        place.copy_from_slice(bytes);
        self.length += bytes.len();
    }
}
