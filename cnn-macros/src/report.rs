//! Diagnostics as Rust: errors become `compile_error!` at the tokens that they are about,
//! warnings become the use of a deprecated constant there, the one warning a macro can give on
//! stable Rust.

use crate::source::Source;
use cnn_dsl::diagnostic::{Diagnostic, Severity};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

/// Reports a diagnostic of tokens in a `network!` block.
pub fn report(diagnostic: &Diagnostic, source: &Source) -> TokenStream {
    let mut message = diagnostic.message.clone();
    let mut line = |kind: &str, text: &str| {
        message.push_str("\n= ");
        message.push_str(kind);
        message.push_str(": ");
        message.push_str(text);
    };
    for (span, label) in &diagnostic.secondary {
        match source.line(*span) {
            Some(number) => line("note", &format!("line {number}: {label}")),
            None => line("note", label),
        }
    }
    for note in &diagnostic.notes {
        line("note", note);
    }
    for help in &diagnostic.help {
        line("help", help);
    }
    let (first, last) = source.spans(diagnostic.span);
    match diagnostic.severity {
        Severity::Error => error(&message, first, last),
        Severity::Warning => warning(&message, first),
    }
}

/// An error that rustc shows from the start of one token to the end of another: it takes the
/// range of a macro call from the call's first and last token.
pub fn error(message: &str, first: Span, last: Span) -> TokenStream {
    let path = quote_spanned!(first=> ::core::compile_error!);
    let message = quote_spanned!(last=> { #message });
    quote!(#path #message)
}

/// A warning at one token.
pub fn warning(message: &str, span: Span) -> TokenStream {
    let used = quote_spanned!(span=> warning);
    quote! {
        const _: () = {
            #[allow(non_upper_case_globals)]
            #[deprecated(note = #message)]
            const warning: () = ();
            #used
        };
    }
}
