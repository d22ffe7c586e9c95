//! The attributes in front of a network.
//!
//! All are attributes of the struct. `cfg` and the levels of lints hold for everything else that is
//! generated, too, also where they stand in a `cfg_attr`: a network that is left out leaves nothing behind,
//! and `#[allow(deprecated)]` reaches the warnings.

use super::text::ungrouped;
use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::quote;

/// What stands between the brackets of each attribute.
pub struct Attributes(Vec<TokenStream>);

impl Attributes {
    /// Of attributes as they were written, `#[…]` each.
    pub fn new(written: impl Iterator<Item = TokenStream>) -> Self {
        let content = written.filter_map(|attribute| {
            attribute.into_iter().find_map(|token| match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                    Some(ungrouped(group.stream()))
                }
                _ => None,
            })
        });
        Self(content.collect())
    }

    /// Those of the struct: `derives` of the macro's own, but for what the user derives, then all that
    /// the user wrote.
    pub fn of_struct(&self, derives: &[&str]) -> TokenStream {
        let mut always = Vec::new();
        let mut sometimes = Vec::new();
        for name in derives {
            let path = path_of(name);
            let mut conditions = Vec::new();
            for content in &self.0 {
                derives_of(content, name, &[], &mut conditions);
            }
            if conditions.is_empty() {
                always.push(path);
            } else if !conditions.iter().any(Vec::is_empty) {
                let conditions = conditions.iter().map(|all| quote!(all(#(#all),*)));
                sometimes.push(quote!(#[cfg_attr(not(any(#(#conditions),*)), derive(#path))]));
            }
        }
        let always = (!always.is_empty()).then(|| quote!(#[derive(#(#always),*)]));
        let written = &self.0;
        quote!(#always #(#sometimes)* #(#[#written])*)
    }

    /// Those that hold for every generated item.
    pub fn of_items(&self) -> TokenStream {
        self.of(|name| matches!(name, "cfg" | "allow" | "warn" | "deny"))
    }

    /// Of the items that use the struct: that it is deprecated is for the user's program to hear.
    pub fn of_uses(&self) -> TokenStream {
        let is_deprecated = |content| keep(content, |name| name == "deprecated").is_some();
        match self.0.iter().any(is_deprecated) {
            true => quote!(#[allow(deprecated)]),
            false => TokenStream::new(),
        }
    }

    /// Those that decide whether there is a network at all.
    pub fn conditions(&self) -> TokenStream {
        self.of(|name| name == "cfg")
    }

    fn of(&self, wanted: fn(&str) -> bool) -> TokenStream {
        let kept = self.0.iter().filter_map(|content| keep(content, wanted));
        quote!(#(#[#kept])*)
    }
}

/// The path of a trait that the macro derives.
fn path_of(name: &str) -> TokenStream {
    let ident = Ident::new(name, Span::call_site());
    match name {
        "Clone" => quote!(::core::clone::#ident),
        _ => quote!(::core::fmt::#ident),
    }
}

/// The name and the arguments of an attribute, if it has some: `derive` and `Debug, Clone`.
fn parts(content: &TokenStream) -> Option<(String, TokenStream)> {
    let mut tokens = content.clone().into_iter();
    let TokenTree::Ident(name) = tokens.next()? else {
        return None;
    };
    let arguments = match tokens.next() {
        None => TokenStream::new(),
        Some(TokenTree::Group(group)) => group.stream(),
        Some(TokenTree::Punct(equals)) if equals.as_char() == '=' => TokenStream::new(),
        Some(_) => return None,
    };
    Some((name.to_string(), arguments))
}

/// The attribute, if it is wanted; of a `cfg_attr` the condition and those within that are.
fn keep(content: &TokenStream, wanted: fn(&str) -> bool) -> Option<TokenStream> {
    let (name, arguments) = parts(content)?;
    if wanted(&name) {
        return Some(content.clone());
    }
    if name != "cfg_attr" {
        return None;
    }
    let mut arguments = split(arguments).into_iter();
    let condition = arguments.next()?;
    let kept: Vec<_> = arguments.filter_map(|inner| keep(&inner, wanted)).collect();
    (!kept.is_empty()).then(|| quote!(cfg_attr(#condition, #(#kept),*)))
}

/// Collects the conditions under which an attribute derives `trait_name`: those of the `cfg_attr`s around
/// it, none where it always does.
fn derives_of(
    content: &TokenStream,
    trait_name: &str,
    within: &[TokenStream],
    conditions: &mut Vec<Vec<TokenStream>>,
) {
    let Some((name, arguments)) = parts(content) else {
        return;
    };
    let mut arguments = split(arguments).into_iter();
    if name == "derive" {
        let is_last = |path: TokenStream| match path.into_iter().last() {
            Some(TokenTree::Ident(last)) => last == trait_name,
            _ => false,
        };
        if arguments.any(is_last) {
            conditions.push(within.to_vec());
        }
    } else if name == "cfg_attr"
        && let Some(condition) = arguments.next()
    {
        let within = [within, &[condition]].concat();
        for inner in arguments {
            derives_of(&inner, trait_name, &within, conditions);
        }
    }
}

/// What commas separate.
fn split(tokens: TokenStream) -> Vec<TokenStream> {
    let mut items = vec![TokenStream::new()];
    for token in tokens {
        match (&token, items.last_mut()) {
            (TokenTree::Punct(punct), _) if punct.as_char() == ',' => {
                items.push(TokenStream::new());
            }
            (_, Some(item)) => item.extend([token]),
            (_, None) => {}
        }
    }
    items.retain(|item| !item.is_empty());
    items
}
