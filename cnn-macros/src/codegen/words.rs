//! What an editor completes in a description.
//!
//! An editor completes a word in a macro call where the expansion has that word in a path:
//! `::cnn::__language::layers::con` is completed by what is in the module `layers`. So the facade has such modules,
//! with a documented item for each word of the language, and the expansion of a description with errors has a path for
//! each of its words. Words without an error need none: the description that the editor looks at has an unfinished
//! word, which is one.
//!
//! The compiler never sees the paths: it would report an unfinished word a second time.

use super::attributes::Attributes;
use super::text::{ident, tokens};
use cnn_dsl::is_keyword;
use cnn_dsl::syntax::Span as Range;
use cnn_dsl::words::{Entry, Place, Word, entries};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};

/// The module of a place, within the facade's `__language`.
fn module(place: &Place) -> &str {
    match place {
        Place::Layer => "layers",
        Place::Argument(of) => of,
        Place::Activation => "activations",
        Place::Padding => "paddings",
        Place::Interpolation => "interpolations",
        Place::Setting => "settings",
        Place::Loss => "losses",
        Place::Optimizer => "optimizers",
        Place::Schedule => "schedules",
        Place::Metric => "metrics",
        Place::Augment => "augmentations",
        Place::Direction => "directions",
        Place::Initializer => "initializers",
        Place::Regularizer => "regularizers",
        Place::Constraint => "constraints",
    }
}

/// A path for each word, which only an editor resolves.
pub fn mentioned(
    words: &[Word],
    attributes: &Attributes,
    krate: &TokenStream,
    span: &dyn Fn(Range) -> Span,
) -> TokenStream {
    let words: Vec<_> = words
        .iter()
        .filter(|word| is_identifier(&word.text) && is_identifier(module(&word.place)))
        .collect();
    if words.is_empty() {
        return TokenStream::new();
    }
    let paths = words.iter().map(|word| {
        let name = ident(&word.text, span(word.span));
        let module = ident(module(&word.place), Span::call_site());
        let arguments = matches!(word.place, Place::Argument(_)).then(|| quote!(arguments::));
        quote!(#krate::__language::#arguments #module::#name;)
    });
    let attributes = attributes.of_items();
    let editor = format_ident!("rust_analyzer");
    quote! {
        #attributes
        // The compiler has not heard of this condition.
        #[allow(unexpected_cfgs)]
        const _: () = {
            #[cfg(#editor)]
            const _: () = {
                #(#paths)*
            };
        };
    }
}

/// Whether a word can be a name in Rust and in the language: a layer called `self` is a mistake of another kind.
fn is_identifier(word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(is_part)
        && !is_keyword(word)
}

/// The modules with all words of the language.
pub fn language() -> TokenStream {
    let mut places = String::new();
    let mut arguments = String::new();
    for (place, entries) in entries() {
        let items: String = entries.iter().map(item).collect();
        let raw = if is_keyword(module(&place)) { "r#" } else { "" };
        let text = format!("pub mod {raw}{} {{ {items} }}\n", module(&place));
        match place {
            Place::Argument(_) => arguments += &text,
            _ => places += &text,
        }
    }
    tokens(&format!("{places} pub mod arguments {{ {arguments} }}"))
}

/// A function where arguments have to be written, so that an editor writes its parentheses, else a constant.
fn item(entry: &Entry) -> String {
    let Entry {
        name,
        docs,
        required,
    } = entry;
    let raw = if is_keyword(name) { "r#" } else { "" };
    let parameters: Vec<_> = required.iter().map(|name| format!("{name}: ()")).collect();
    let definition = match parameters.is_empty() {
        true => format!("const {raw}{name}: () = ();"),
        false => format!("fn {raw}{name}({}) {{}}", parameters.join(", ")),
    };
    format!("#[doc = {docs:?}] pub {definition}\n")
}
