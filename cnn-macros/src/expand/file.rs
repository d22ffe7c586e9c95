//! A file that a macro reads: the description of `network_file!`, the weights of `weights!`.
//!
//! Its path is relative to the file in which the path is written, also where a `macro_rules!` of another
//! file or another crate hands it on: so whoever writes a path knows what it means. A macro gets its
//! arguments unexpanded, so `concat!(…)` and `env!(…)` are read here; of a `concat!` the first string counts.

use crate::codegen::text::ungrouped;
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;
use std::io;
use std::path::{Path, PathBuf};
use syn::LitStr;

/// A file that was named.
pub struct File {
    /// The path as it was written.
    pub name: String,
    /// What messages point at.
    pub span: Span,
    /// From the root on: an `include_bytes!` of a relative path would look beside the outermost macro call.
    pub absolute: String,
    variables: Vec<String>,
}

/// Why there is no file.
pub struct Mistake {
    pub message: String,
    pub span: Span,
}

/// A path as it was written.
struct Written {
    text: String,
    /// The first string.
    span: Span,
    /// The environment variables in it.
    variables: Vec<String>,
}

const ONLY_STRINGS: &str = "\n= note: a macro is given its argument as it is written: a string, \
                            `concat!(…)` of strings, or `env!(…)`";

impl File {
    /// The file that the argument of a macro names; `expected` says what the argument should be.
    pub fn find(argument: TokenStream, expected: &'static str) -> Result<Self, Mistake> {
        let mut tokens: Vec<_> = ungrouped(argument).into_iter().collect();
        if let [_, .., TokenTree::Punct(last)] = &tokens[..]
            && last.as_char() == ','
        {
            tokens.pop();
        }
        let written = path(&tokens, expected)?;
        let (name, span) = (written.text, written.span);
        let found = resolve(&name, span);
        let found = match std::path::absolute(&found) {
            Ok(absolute) => absolute,
            Err(_) => found,
        };
        let Some(absolute) = found.to_str() else {
            let message = format!("the path `{}` is not UTF-8", found.display());
            return Err(Mistake { message, span });
        };
        Ok(Self {
            absolute: absolute.to_owned(),
            name,
            span,
            variables: written.variables,
        })
    }

    /// What `read` makes of the path.
    pub fn read<T>(&self, read: impl FnOnce(&str) -> io::Result<T>) -> Result<T, Mistake> {
        read(&self.absolute).map_err(|error| Mistake {
            message: format!("cannot read `{}`: {error}", self.absolute),
            span: self.span,
        })
    }

    /// The bytes, as an expression. The compiler rebuilds what includes a file when the file changes.
    pub fn bytes(&self) -> TokenStream {
        let absolute = &self.absolute;
        quote!(::core::include_bytes!(#absolute))
    }

    /// Items that say on what variables the expansion depends: the compiler rebuilds what reads one when it changes.
    pub fn variables(&self) -> TokenStream {
        let variables = &self.variables;
        quote!(#(const _: &::core::primitive::str = ::core::env!(#variables);)*)
    }
}

/// A string, `concat!(…)` or `env!(…)`.
fn path(tokens: &[TokenTree], expected: &'static str) -> Result<Written, Mistake> {
    let at = |span, message: &str| Mistake {
        message: message.to_owned(),
        span,
    };
    match tokens {
        [] => Err(at(Span::call_site(), expected)),
        [TokenTree::Literal(_)] => {
            let literal = string(tokens, expected)?;
            Ok(Written {
                text: literal.value(),
                span: literal.span(),
                variables: Vec::new(),
            })
        }
        [
            prefix @ ..,
            TokenTree::Ident(name),
            TokenTree::Punct(mark),
            TokenTree::Group(arguments),
        ] if mark.as_char() == '!' && (name == "concat" || name == "env") && is_path(prefix) => {
            let arguments: Vec<_> = arguments.stream().into_iter().collect();
            let comma =
                |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
            let mut parts: Vec<_> = arguments.split(comma).collect();
            parts.retain(|part| !part.is_empty());
            match (name == "concat", parts.first()) {
                (_, None) => Err(at(name.span(), expected)),
                (true, Some(_)) => concat(&parts, expected),
                (false, Some(first)) => variable(first, expected),
            }
        }
        [first, ..] => Err(at(first.span(), &format!("{expected}{ONLY_STRINGS}"))),
    }
}

/// `::std::` or `core::` in front of a macro's name.
fn is_path(prefix: &[TokenTree]) -> bool {
    prefix.iter().all(|token| match token {
        TokenTree::Ident(name) => name == "std" || name == "core",
        TokenTree::Punct(colon) => colon.as_char() == ':',
        TokenTree::Group(_) | TokenTree::Literal(_) => false,
    })
}

fn concat(parts: &[&[TokenTree]], expected: &'static str) -> Result<Written, Mistake> {
    let parts: Result<Vec<_>, _> = parts.iter().map(|part| path(part, expected)).collect();
    let parts = parts?;
    let span = parts.first().map_or_else(Span::call_site, |part| part.span);
    Ok(Written {
        text: parts.iter().map(|part| part.text.as_str()).collect(),
        span,
        variables: parts.into_iter().flat_map(|part| part.variables).collect(),
    })
}

fn variable(name: &[TokenTree], expected: &'static str) -> Result<Written, Mistake> {
    let literal = string(name, expected)?;
    let (name, span) = (literal.value(), literal.span());
    match std::env::var(&name) {
        Ok(text) => Ok(Written {
            text,
            span,
            variables: vec![name],
        }),
        Err(error) => Err(Mistake {
            message: format!("cannot read the environment variable `{name}`: {error}"),
            span,
        }),
    }
}

fn string(tokens: &[TokenTree], expected: &'static str) -> Result<LitStr, Mistake> {
    let tokens: TokenStream = tokens.iter().cloned().collect();
    syn::parse2(tokens).map_err(|error| Mistake {
        message: format!("{expected}{ONLY_STRINGS}"),
        span: error.span(),
    })
}

/// The path from the file in which it is written. An editor may not know that file; then the first of the
/// package's source folders that holds the path.
fn resolve(path: &str, span: Span) -> PathBuf {
    // Files of another crate may have a name only, which the compiler was told to print.
    let named = || Some(PathBuf::from(span.file())).filter(|name| !name.as_os_str().is_empty());
    let file = span.local_file().or_else(named);
    if let Some(folder) = file.as_deref().and_then(Path::parent) {
        return folder.join(path);
    }
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from);
    ["src", "examples", "tests", "benches"]
        .map(|folder| package.join(folder).join(path))
        .into_iter()
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| package.join(path))
}
