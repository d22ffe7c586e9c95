//! Names that Rust or the generated struct would not take.
//!
//! A name may be written as Rust's raw identifiers are: `r#stem` is the name `stem`, and `r#type` the
//! name `type`, which without `r#` is a keyword.

/// Keywords of every edition of Rust, strict and reserved.
const KEYWORDS: &[&str] = &[
    "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue",
    "crate", "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if",
    "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub",
    "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Keywords that no raw identifier can be.
const NEVER_RAW: &[&str] = &["Self", "crate", "self", "super"];

/// What the names of generated items begin with, in any case: items are not hygienic.
const PREFIX: &str = "__cnn";

/// Methods of every generated struct, inherent or of a trait: `Clone`, `Debug`, `Network`.
const METHODS: &[&str] = &[
    "clone",
    "clone_from",
    "confusion_matrix",
    "evaluate",
    "fit",
    "fmt",
    "freeze",
    "from_bytes",
    "from_model",
    "from_parameters",
    "infer",
    "infer_into",
    "inspect",
    "load",
    "model",
    "model_mut",
    "new",
    "parameters",
    "predict",
    "predict_batch",
    "predict_dataset",
    "predict_slice",
    "save",
    "spec",
    "tensors",
    "tensors_mut",
    "trainable_parameters",
    "trainer",
    "unfreeze",
];

/// Methods that Rust's prelude gives to every value that can be cloned. A label would hide `to_owned`, and be
/// hidden by the other two. `borrow` or `type_id` need an import, and then the label goes first.
const PRELUDE: &[&str] = &["into", "to_owned", "try_into"];

/// Words that mean a layer by themselves where layers are named.
const WORDS: &[&str] = &["input", "output"];

/// Whether a name is a keyword of Rust, which has to be written `r#type`.
pub fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

/// The name that was written, without `r#`.
pub(crate) fn unraw(written: &str) -> &str {
    written.strip_prefix("r#").unwrap_or(written)
}

/// Whether a name, or the last one of a path, is written as Rust's constants are: `HIDDEN`.
pub(crate) fn is_constant(path: &str) -> bool {
    let name = path.rsplit(':').next().unwrap_or_default();
    let is = |test: fn(&u8) -> bool| name.as_bytes().iter().any(test);
    is(u8::is_ascii_uppercase) && !is(u8::is_ascii_lowercase)
}

/// Why what was `written` cannot be an identifier of Rust, if it cannot.
pub(crate) fn invalid(written: &str) -> Option<&'static str> {
    let name = unraw(written);
    let ascii = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !ascii || name.is_empty() || name.as_bytes()[0].is_ascii_digit() {
        Some("names are made of ASCII letters, digits and `_`")
    } else if name.bytes().all(|b| b == b'_') {
        Some("it has no letter")
    } else if NEVER_RAW.contains(&name) || (is_keyword(name) && name == written) {
        Some("it is a keyword of Rust")
    } else if name
        .get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
    {
        Some("names of the generated code begin with `__cnn`")
    } else {
        None
    }
}

/// What to write instead of an invalid name, if `r#` makes it a name.
pub(crate) fn help(written: &str) -> Option<String> {
    let raw = format!("r#{written}");
    let helps = invalid(written).is_some() && invalid(&raw).is_none();
    helps.then(|| format!("write `{raw}`"))
}

/// Why a label would hide something that the generated struct or the language has, if it would.
pub(crate) fn reserved(label: &str) -> Option<&'static str> {
    if METHODS.contains(&label) {
        Some("the generated struct uses the name")
    } else if PRELUDE.contains(&label) {
        Some("Rust gives every value a method of that name")
    } else if WORDS.contains(&label) {
        Some("the language uses the word")
    } else {
        None
    }
}

/// Whether Rust's lint `non_snake_case` accepts `name` as the name of a method.
pub(crate) fn is_snake_case(name: &str) -> bool {
    !name.bytes().any(|b| b.is_ascii_uppercase()) && !name.trim_matches('_').contains("__")
}

/// `name` in snake_case: `HTTPStem2` becomes `http_stem2`. `name` is a valid ASCII name.
pub(crate) fn snake_case(name: &str) -> String {
    let bytes = name.as_bytes();
    let mut snake = String::new();
    for (index, &byte) in bytes.iter().enumerate() {
        let before = index.checked_sub(1).map_or(b'_', |index| bytes[index]);
        let next_is_lower = bytes.get(index + 1).is_some_and(u8::is_ascii_lowercase);
        let begins_word = byte.is_ascii_uppercase()
            && (before.is_ascii_lowercase() || (before != b'_' && next_is_lower));
        // Only the underscores in front may stand side by side.
        let repeated = byte == b'_' && before == b'_' && !snake.trim_matches('_').is_empty();
        if begins_word {
            snake.push('_');
        }
        if !repeated {
            snake.push(char::from(byte.to_ascii_lowercase()));
        }
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snake_case() {
        let cases = [
            ("stem", "stem"),
            ("Stem", "stem"),
            ("STEM", "stem"),
            ("firstConv", "first_conv"),
            ("FirstConv", "first_conv"),
            ("HTTPStem2", "http_stem2"),
            ("Conv2D", "conv2d"),
            ("Block2Out", "block2_out"),
            ("First_Conv", "first_conv"),
            ("first__conv", "first_conv"),
            ("first___Conv_", "first_conv_"),
            ("__stem", "__stem"),
            ("__Stem", "__stem"),
            ("A", "a"),
        ];
        let wrong: Vec<_> = cases
            .into_iter()
            .map(|(name, expected)| (name, snake_case(name), expected))
            .filter(|(name, found, expected)| {
                found != expected
                    || !is_snake_case(found)
                    || is_snake_case(name) != (name == expected)
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
