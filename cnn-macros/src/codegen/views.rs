//! The methods that lead to a layer's tensors: `net.stage2().conv_bn_1().conv2d_1()`.
//!
//! A layer at the top is a method of the network. A call of a block, or a round of a repeat, is a method that gives a
//! struct whose methods are the layers within. The names of the compiler, `stage2.conv_bn_1.conv2d_1`, say which.

use super::text::{ident, literal};
use cnn_dsl::graph::Group;
use cnn_dsl::syntax::Span as Range;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use std::collections::HashSet;

/// A layer with tensors.
pub struct View {
    /// The layer's name, behind those of the groups around.
    pub name: String,
    /// Where its label stands, else the macro.
    pub span: Span,
    /// What its method is documented with.
    pub docs: Vec<String>,
    /// The runtime's type of the view.
    pub kind: &'static str,
    /// The first of its tensors, and how many there are.
    pub tensors: (usize, usize),
}

/// The methods at the top, and the structs of the groups.
pub struct Views {
    pub methods: TokenStream,
    pub structs: TokenStream,
}

/// Writes the methods of all layers.
///
/// `model` is the model of the network in its own methods; after an error there is none, and nothing ever runs.
pub fn views(
    views: &[View],
    groups: &[Group],
    model: &TokenStream,
    span: &dyn Fn(Range) -> Span,
) -> Views {
    let mut writer = Writer {
        groups,
        span,
        structs: TokenStream::new(),
        names: HashSet::new(),
    };
    let views: Vec<_> = views.iter().collect();
    let methods = writer.level(&views, 0, model);
    let structs = writer.structs;
    Views { methods, structs }
}

/// The names of the methods at the top.
pub fn names<'n>(names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mut known = HashSet::new();
    names
        .map(|name| name.split('.').next().unwrap_or(name))
        .filter(|name| known.insert(*name))
        .collect()
}

struct Writer<'a> {
    groups: &'a [Group],
    span: &'a dyn Fn(Range) -> Span,
    structs: TokenStream,
    /// The names of the structs so far.
    names: HashSet<String>,
}

impl Writer<'_> {
    /// The methods of layers that have `depth` groups in common.
    fn level(&mut self, views: &[&View], depth: usize, model: &TokenStream) -> TokenStream {
        let mut methods = TokenStream::new();
        let mut rest = views;
        while let [first, ..] = rest {
            let prefix = prefix(&first.name, depth);
            let Some(prefix) = prefix else {
                methods.extend(layer(first, depth, model));
                rest = &rest[1..];
                continue;
            };
            let within = |view: &&&View| self::prefix(&view.name, depth) == Some(prefix);
            let count = rest.iter().take_while(within).count();
            methods.extend(self.group(prefix, &rest[..count], depth, model));
            rest = &rest[count..];
        }
        methods
    }

    /// The method that gives a group, whose struct is written beside it.
    fn group(
        &mut self,
        name: &str,
        views: &[&View],
        depth: usize,
        model: &TokenStream,
    ) -> TokenStream {
        let group = self.groups.iter().find(|group| group.name == name);
        let place = group.and_then(|group| group.label);
        let span = place.map_or_else(Span::call_site, |label| (self.span)(label));
        let method = ident(name.rsplit('.').next().unwrap_or(name), span);
        let kind = self.struct_name(name);
        let docs = match group {
            Some(group) => group_docs(group),
            None => vec![format!("The layers of `{name}`.")],
        };
        let inner = match model.is_empty() {
            true => TokenStream::new(),
            false => quote!(self.0),
        };
        let methods = self.level(views, depth + 1, &inner);
        let lifetime = lifetime(depth);
        let body = match model.is_empty() {
            true => quote!(::core::unreachable!()),
            false => quote!(#kind(#model)),
        };
        self.structs.extend(quote! {
            #(#[doc = #docs])*
            #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
            pub struct #kind<'a>(&'a rt::Model);

            impl<'a> #kind<'a> {
                #methods
            }
        });
        quote! {
            #(#[doc = #docs])*
            #[must_use]
            pub fn #method(&self) -> #kind<#lifetime> {
                #body
            }
        }
    }

    /// `Stage2ConvBn1Layers`; with another number where two would be called so.
    fn struct_name(&mut self, group: &str) -> Ident {
        let words = group.split(['.', '_']).filter(|word| !word.is_empty());
        let mut name: String = words
            .map(|word| {
                let (first, rest) = word.split_at(1);
                first.to_uppercase() + rest
            })
            .collect();
        name += "Layers";
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert(0, 'N');
        }
        while !self.names.insert(name.clone()) {
            name += "2";
        }
        format_ident!("{name}")
    }
}

/// The name of the group at `depth` around a layer, with those around it; none where the layer stands there itself.
fn prefix(name: &str, depth: usize) -> Option<&str> {
    let (end, _) = name.match_indices('.').nth(depth)?;
    Some(&name[..end])
}

fn layer(view: &View, depth: usize, model: &TokenStream) -> TokenStream {
    let local = view.name.split('.').nth(depth).unwrap_or(&view.name);
    let (name, kind) = (ident(local, view.span), format_ident!("{}", view.kind));
    let docs = &view.docs;
    let (first, count) = view.tensors;
    let (first, count) = (literal(first as u64), literal(count as u64));
    let body = match model.is_empty() {
        true => quote!(::core::unreachable!()),
        false => quote!(rt::#kind::new(#model, #first, #count)),
    };
    let lifetime = lifetime(depth);
    quote! {
        #(#[doc = #docs])*
        #[must_use]
        pub fn #name(&self) -> rt::#kind<#lifetime> {
            #body
        }
    }
}

/// Within a group the tensors live as long as the network, not as the group's struct.
fn lifetime(depth: usize) -> TokenStream {
    match depth {
        0 => quote!('_),
        _ => quote!('a),
    }
}

/// The documentation of a call or a round.
fn group_docs(group: &Group) -> Vec<String> {
    let mut docs = vec![format!("The layers of `{}`.", group.name)];
    if !group.docs.is_empty() {
        docs.push(String::new());
        docs.extend(group.docs.iter().cloned());
    }
    docs
}
