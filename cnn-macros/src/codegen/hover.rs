//! What an editor shows over a layer.
//!
//! An editor maps the word under the pointer to the same word in the expansion and shows the
//! documentation of what it names there. So each keyword of the description (`conv2d`) is said
//! once more, with its own place, as the name of a documented function. A label is the name of a
//! method already, but for layers without parameters, which have none. A line of a block is many layers: its words
//! show each of them, and the name of the block at a call shows what the call makes of its input.

use super::attributes::Attributes;
use super::text::ident;
use cnn_dsl::Outline;
use cnn_dsl::syntax::Span as Range;
use proc_macro2::{Span, TokenStream};
use quote::quote;
use std::collections::HashMap;

/// The most layers that the words of one line show.
const SHOWN: usize = 8;

/// A word of the description, and what an editor shows over it.
struct Word<'o> {
    text: &'o str,
    place: Range,
    lines: Vec<String>,
    docs: &'o [String],
}

/// One documented item for each layer's keyword, and one for a label that names no method.
pub fn layers(
    outline: &Outline,
    attributes: &Attributes,
    span: &dyn Fn(Range) -> Span,
) -> TokenStream {
    if outline.nodes.is_empty() {
        return TokenStream::new();
    }
    let items = words(outline).into_iter().map(|word| {
        let mut docs = word.lines;
        if docs.len() > SHOWN {
            let more = docs.len() - SHOWN;
            docs.truncate(SHOWN);
            docs.push(format!("and {more} more"));
        }
        let mut docs = vec![docs.join("  \n")];
        if !word.docs.is_empty() {
            docs.push(String::new());
            docs.extend(word.docs.iter().cloned());
        }
        // The definition has the word's place too: "go to definition" stays there.
        let name = ident(word.text, span(word.place));
        quote! {
            {
                #(#[doc = #docs])*
                const fn #name() {}
                #name();
            }
        }
    });
    let attributes = attributes.of_items();
    quote! {
        #attributes
        const _: () = {
            #(#items)*
        };
    }
}

/// The words that show something, each once, in the order of the layers.
fn words(outline: &Outline) -> Vec<Word<'_>> {
    let mut words: Vec<Word<'_>> = Vec::new();
    let mut places: HashMap<Range, usize> = HashMap::new();
    let mut add = |text, place, line: String, docs| match places.get(&place) {
        Some(&known) => {
            let word: &mut Word<'_> = &mut words[known];
            word.lines.push(line);
        }
        None => {
            places.insert(place, words.len());
            words.push(Word {
                text,
                place,
                lines: vec![line],
                docs,
            });
        }
    };
    for node in &outline.nodes {
        let local = node.name.rsplit('.').next().unwrap_or(&node.name);
        let label = node.label.filter(|_| node.parameter_count() == 0);
        let names = [
            Some((node.keyword.text.as_str(), node.keyword.span)),
            label.map(|label| (local, label)),
        ];
        for (text, place) in names.into_iter().flatten() {
            add(text, place, node.summary(), &node.docs[..]);
        }
    }
    for group in &outline.groups {
        let nodes = &outline.nodes[group.nodes.clone()];
        let line = group.summary(&outline.nodes);
        let has_method = nodes.iter().any(|node| node.view().is_some());
        let local = group.name.rsplit('.').next().unwrap_or(&group.name);
        let label = group.label.filter(|_| !has_method);
        let names = [
            Some((group.keyword.text.as_str(), group.keyword.span)),
            label.map(|label| (local, label)),
        ];
        for (text, place) in names.into_iter().flatten() {
            add(text, place, line.clone(), &group.docs[..]);
        }
    }
    words
}
