//! What an editor shows over a layer.
//!
//! An editor maps the word under the pointer to the same word in the expansion and shows the
//! documentation of what it names there. So each keyword of the description (`conv2d`) is said
//! once more, with its own place, as the name of a documented function. A label is the name of a
//! method already, but for layers without parameters, which have none.

use super::attributes::Attributes;
use super::interface::layer_docs;
use super::text::ident;
use cnn_dsl::graph::Node;
use cnn_dsl::syntax::Span as Range;
use proc_macro2::{Span, TokenStream};
use quote::quote;

/// One documented item for each layer's keyword, and one for a label that names no method.
pub fn layers(
    nodes: &[Node],
    attributes: &Attributes,
    span: &dyn Fn(Range) -> Span,
) -> TokenStream {
    if nodes.is_empty() {
        return TokenStream::new();
    }
    let items = nodes.iter().flat_map(|node| {
        let label = node.label.filter(|_| node.parameter_count() == 0);
        let label = label.map(|label| (&node.name, label));
        let names = [Some((&node.keyword.text, node.keyword.span)), label];
        names.into_iter().flatten().map(move |(text, place)| {
            let docs = layer_docs(node);
            // The definition has the word's place too: "go to definition" stays there.
            let name = ident(text, span(place));
            quote! {
                {
                    #(#[doc = #docs])*
                    const fn #name() {}
                    #name();
                }
            }
        })
    });
    let attributes = attributes.of_items();
    quote! {
        #attributes
        const _: () = {
            #(#items)*
        };
    }
}
