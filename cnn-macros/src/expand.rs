//! From the tokens of a macro call to the tokens of its expansion.
//!
//! `network!`: tokens → [`Source`] → `cnn_dsl::analyse` → reports + code. `network_file!`: the
//! file's text → `cnn_dsl::analyse` → reports with the file's own lines + code. The facade's
//! `macro_rules!` wrappers put `($crate)` first, so that the expansion finds the facade under
//! whatever name the user's crate knows it.

use crate::codegen::{self, Context, hover};
use crate::report;
use crate::source::Source;
use cnn_dsl::Analysis;
use cnn_dsl::diagnostic::Severity;
use cnn_dsl::plan::Plan;
use cnn_dsl::syntax::Span as Range;
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use std::path::{Path, PathBuf};
use syn::LitStr;

/// Expands `network! { … }`.
pub fn network(tokens: TokenStream) -> TokenStream {
    let (krate, description) = split_crate(tokens);
    let source = Source::new(description);
    let analysis = cnn_dsl::analyse(&source.text);
    let reports = analysis
        .diagnostics
        .iter()
        .map(|d| report::report(d, &source));
    let reports: TokenStream = reports.collect();
    let span = |range| source.spans(range).0;
    let code = code(&analysis, &krate, &span);
    let hover = hover::layers(&analysis.outline.nodes, &span);
    quote!(#reports #code #hover)
}

/// Expands `network_file!("path.cnn")`.
pub fn network_file(tokens: TokenStream) -> TokenStream {
    let (krate, argument) = split_crate(tokens);
    let literal = match syn::parse2::<LitStr>(argument) {
        Ok(literal) => literal,
        Err(error) => {
            let message =
                "expected the path of a `.cnn` file, as in `network_file!(\"lenet.cnn\")`";
            return report::error(message, error.span(), error.span());
        }
    };
    let span = literal.span();
    let path = resolve(&literal);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("cannot read `{}`: {error}", path.display());
            return report::error(&message, span, span);
        }
    };
    let analysis = cnn_dsl::analyse(&text);
    let reports = analysis.diagnostics.iter().map(|diagnostic| {
        let rendered = diagnostic.render(&text, &literal.value());
        // rustc writes `error: ` or `warning: ` itself.
        let message = rendered.trim_end();
        let message = message
            .split_once(": ")
            .map_or(message, |(_severity, rest)| rest);
        match diagnostic.severity {
            Severity::Error => report::error(message, span, span),
            Severity::Warning => report::warning(message, span),
        }
    });
    let reports: TokenStream = reports.collect();
    let code = code(&analysis, &krate, &|_| span);
    // The compiler rebuilds what includes a file when the file changes.
    quote! {
        const _: &[u8] = ::core::include_bytes!(#literal);
        #reports
        #code
    }
}

/// The network's code, or its stub after an error.
fn code(analysis: &Analysis, krate: &TokenStream, span: &dyn Fn(Range) -> Span) -> TokenStream {
    match &analysis.network {
        Some(network) => {
            let plan = Plan::new(network);
            codegen::network(&Context {
                network,
                plan: &plan,
                krate,
                span,
            })
        }
        None => codegen::stub(&analysis.outline, krate, span),
    }
}

/// Takes the facade's path from the front.
fn split_crate(tokens: TokenStream) -> (TokenStream, TokenStream) {
    let mut tokens = tokens.into_iter();
    match tokens.next() {
        Some(TokenTree::Group(group)) => (group.stream(), tokens.collect()),
        first => (
            quote!(::cnn),
            first
                .into_token_stream()
                .into_iter()
                .chain(tokens)
                .collect(),
        ),
    }
}

/// As `include_str!`: relative to the file that says the path. An editor may not know that
/// file; then the first of the package's source folders that holds the path.
fn resolve(literal: &LitStr) -> PathBuf {
    let path = literal.value();
    if let Some(folder) = literal
        .span()
        .local_file()
        .as_deref()
        .and_then(Path::parent)
    {
        return folder.join(path);
    }
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from);
    ["src", "examples", "tests", "benches"]
        .map(|folder| package.join(folder).join(&path))
        .into_iter()
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| package.join(path))
}

#[cfg(test)]
mod tests;
