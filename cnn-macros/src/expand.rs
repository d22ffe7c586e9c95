//! From the tokens of a macro call to the tokens of its expansion.
//!
//! `network!`: tokens → [`Source`] → `cnn_dsl::analyse` → reports + code. `network_file!`: the
//! file's text → `cnn_dsl::analyse` → reports with the file's own lines + code. `weights!`: the file's header →
//! a constant that compares it with the network's tensors. The facade's
//! `macro_rules!` wrappers put `($crate)` first, so that the expansion finds the facade under
//! whatever name the user's crate knows it.

mod file;
mod weights;

pub use self::weights::weights;

use self::file::{File, Mistake};
use crate::codegen::attributes::Attributes;
use crate::codegen::{self, Context, hover, words};
use crate::report;
use crate::source::Source;
use cnn_dsl::diagnostic::{Diagnostic, Severity};
use cnn_dsl::plan::Plan;
use cnn_dsl::syntax::Span as Range;
use cnn_dsl::{Analysis, Network};
use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};

/// Expands `network! { … }`.
pub fn network(tokens: TokenStream) -> TokenStream {
    let (krate, description) = split_crate(tokens);
    let source = Source::new(description);
    let analysis = cnn_dsl::analyse(&source.text);
    let written = analysis.outline.attributes.iter();
    let attributes = Attributes::new(written.map(|range| source.tokens(*range)));
    let reports = reports(&analysis, &attributes, |d| report::report(d, &source));
    let span = |range| source.spans(range).0;
    let code = code(&analysis, &attributes, &source.text, &krate, &span);
    let hover = hover::layers(&analysis.outline, &attributes, &span);
    let words = match analysis.network {
        Some(_) => TokenStream::new(),
        None => words::mentioned(&analysis.outline.words, &attributes, &krate, &span),
    };
    // The words first: an editor compares the expansion with that of an unfinished word, place by place.
    quote!(#words #reports #code #hover)
}

/// Expands `network_file!("path.cnn")`.
pub fn network_file(tokens: TokenStream) -> TokenStream {
    let (krate, argument) = split_crate(tokens);
    let read = File::find(argument, DESCRIPTION).and_then(|file| {
        let text = file.read(|path| std::fs::read_to_string(path))?;
        Ok((file, text))
    });
    let (file, text) = match read {
        Ok((file, text)) => (file, text),
        Err(Mistake { message, span }) => return report::error(&message, span, span),
    };
    let (span, text) = (file.span, &text);
    let analysis = cnn_dsl::analyse(text);
    let written = analysis.outline.attributes.iter();
    let written: Result<Vec<_>, _> = written.map(|range| at(range.text(text), span)).collect();
    let written = match written {
        Ok(written) => written,
        Err(error) => {
            let message = format!("an attribute of `{}` is not Rust: {error}", file.name);
            return report::error(&message, span, span);
        }
    };
    let attributes = Attributes::new(written.into_iter());
    let reports = reports(&analysis, &attributes, |diagnostic| {
        let rendered = diagnostic.render(text, &file.name);
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
    let code = code(&analysis, &attributes, text, &krate, &|_| span);
    let (bytes, variables) = (file.bytes(), file.variables());
    quote! {
        const _: &[::core::primitive::u8] = #bytes;
        #variables #reports #code
    }
}

/// What the argument of `network_file!` should be.
const DESCRIPTION: &str =
    "expected the path of a `.cnn` file, as in `network_file!(\"lenet.cnn\")`";

/// The tokens of a text, at one place.
fn at(text: &str, span: Span) -> Result<TokenStream, proc_macro2::LexError> {
    fn moved(tokens: TokenStream, span: Span) -> TokenStream {
        let tokens = tokens.into_iter().map(|mut token| {
            if let TokenTree::Group(group) = &token {
                token = Group::new(group.delimiter(), moved(group.stream(), span)).into();
            }
            token.set_span(span);
            token
        });
        tokens.collect()
    }
    Ok(moved(text.parse()?, span))
}

/// What there is to say, where the network is not left out.
fn reports(
    analysis: &Analysis,
    attributes: &Attributes,
    report: impl Fn(&Diagnostic) -> TokenStream,
) -> TokenStream {
    let reports = analysis.diagnostics.iter().map(|diagnostic| {
        let attributes = match diagnostic.severity {
            Severity::Error => attributes.conditions(),
            Severity::Warning => attributes.of_items(),
        };
        let report = report(diagnostic);
        quote!(#attributes #report)
    });
    reports.collect()
}

/// How the network runs: with chains where there may be threads.
fn planned(network: &Network) -> Plan {
    let plan = Plan::new(network);
    match cfg!(any(feature = "threads", test)) {
        true => plan,
        false => plan.without_chains(),
    }
}

/// The network's code, or its stub after an error.
fn code(
    analysis: &Analysis,
    attributes: &Attributes,
    description: &str,
    krate: &TokenStream,
    span: &dyn Fn(Range) -> Span,
) -> TokenStream {
    match &analysis.network {
        Some(network) => {
            let plan = planned(network);
            let up_to = network.exposed.iter().map(|port| network.up_to(port));
            let exposed: Vec<_> = up_to
                .map(|network| {
                    let plan = planned(&network);
                    (network, plan)
                })
                .collect();
            let context = |network, plan, description| {
                Context::new(network, plan, attributes, description, krate, span)
            };
            let exposed: Vec<_> = exposed
                .iter()
                .map(|(network, plan)| context(network, plan, ""))
                .collect();
            codegen::network(&context(network, &plan, description), &exposed)
        }
        None => codegen::stub(&analysis.outline, attributes, krate, span),
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

#[cfg(test)]
mod tests;
