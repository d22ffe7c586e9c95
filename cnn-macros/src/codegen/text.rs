//! Generated code as text.
//!
//! What depends on the layers is written as text and read by the compiler's own lexer. Users build this
//! crate without optimisation, where a token that is put together here costs ten times one that the lexer
//! makes. `quote!` is left what has the user's own tokens in it, or is the same for all networks.

use proc_macro2::{Ident, Literal, Span, TokenStream};

/// The tokens of a text, as if the user had written it.
pub fn tokens(text: &str) -> TokenStream {
    const WRITTEN: &str = "the generator writes Rust";
    // Not through `proc_macro2`, which reads the text a second time by a lexer of its own.
    if proc_macro::is_available() {
        let tokens: proc_macro::TokenStream = text.parse().expect(WRITTEN);
        tokens.into()
    } else {
        text.parse().expect(WRITTEN)
    }
}

/// A name of the user's, `r#type` where it is a keyword of Rust.
pub fn ident(name: &str, span: Span) -> Ident {
    match cnn_dsl::is_keyword(name) {
        true => Ident::new_raw(name, span),
        false => Ident::new(name, span),
    }
}

/// The tokens without the groups that `macro_rules!` puts around a fragment.
pub fn ungrouped(tokens: TokenStream) -> TokenStream {
    let tokens = tokens.into_iter().map(|token| match token {
        proc_macro2::TokenTree::Group(group)
            if group.delimiter() == proc_macro2::Delimiter::None =>
        {
            ungrouped(group.stream())
        }
        proc_macro2::TokenTree::Group(group) => {
            let mut same = proc_macro2::Group::new(group.delimiter(), ungrouped(group.stream()));
            same.set_span(group.span());
            proc_macro2::TokenTree::Group(same).into()
        }
        token => token.into(),
    });
    tokens.collect()
}

/// `121_930`: the separators are those that clippy asks of a person.
pub fn number(value: usize) -> String {
    number_u64(value as u64)
}

/// The same for 64 bits on every machine.
pub fn number_u64(value: u64) -> String {
    let mut text = value.to_string();
    if text.len() > 4 {
        let mut place = text.len();
        while place > 3 {
            place -= 3;
            text.insert(place, '_');
        }
    }
    text
}

/// A number for `quote!`.
pub fn literal(value: u64) -> Literal {
    let text = number_u64(value).parse();
    text.unwrap_or_else(|_| Literal::u64_unsuffixed(value))
}

/// A table as a raw string, so that the expansion shows it as it is.
pub fn table(text: &str) -> TokenStream {
    tokens(&format!("r#\"{text}\"#"))
}

/// `[28, 28, 1]`.
pub fn array(values: impl IntoIterator<Item = usize>) -> String {
    format!("[{}]", join(values.into_iter().map(number)))
}

/// Separated by commas.
pub fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}
