//! The procedural macros of `cnn`: a description of a network in, Rust out.
//!
//! Use them through the facade crate, whose `network!`, `network_file!` and `weights!` tell these where the
//! runtime is. Data flows `source` (tokens → text and a way back) → `cnn_dsl` (text → checked
//! network or diagnostics) → `codegen` (checked network → Rust) and `report` (diagnostics →
//! `compile_error!`); `expand` joins them.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod codegen;
mod expand;
mod report;
mod safetensors;
mod source;

use proc_macro::TokenStream;

/// The implementation of `cnn::network!`.
#[proc_macro]
pub fn network(tokens: TokenStream) -> TokenStream {
    expand::network(tokens.into()).into()
}

/// The implementation of `cnn::network_file!`.
#[proc_macro]
pub fn network_file(tokens: TokenStream) -> TokenStream {
    expand::network_file(tokens.into()).into()
}

/// Modules with an item for each word of the language, which editors complete.
#[proc_macro]
pub fn language(_tokens: TokenStream) -> TokenStream {
    codegen::words::language().into()
}

/// The implementation of `cnn::weights!`.
#[proc_macro]
pub fn weights(tokens: TokenStream) -> TokenStream {
    expand::weights(tokens.into()).into()
}
