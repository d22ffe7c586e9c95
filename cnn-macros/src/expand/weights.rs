//! `weights!`: the tensors of a file, compared with those of a network.
//!
//! ```text
//! file ──header──▶ names, shapes, places ──▶ a constant of the program, which compares them with `Network::TENSORS`
//!      ╰──────── include_bytes! ──────────▶ and puts the bytes in the network's order
//! ```
//!
//! The macro does not know the network: that is a type of the program. So it only says what the file holds.

use super::file::{File, Mistake};
use super::split_crate;
use crate::codegen::text::ungrouped;
use crate::report;
use crate::safetensors::{Header, Tensor};
use cnn_ir::tensor::TRAINING;
use proc_macro2::{TokenStream, TokenTree};
use quote::{quote, quote_spanned};

const EXPECTED: &str = "expected a network and the path of its weights, as in \
                        `weights!(Lenet, \"lenet.safetensors\")`";

/// Expands `weights!(Network, "path.safetensors")`.
pub fn weights(tokens: TokenStream) -> TokenStream {
    let (krate, arguments) = split_crate(tokens);
    expression(&krate, arguments)
        .unwrap_or_else(|Mistake { message, span }| report::error(&message, span, span))
}

fn expression(krate: &TokenStream, arguments: TokenStream) -> Result<TokenStream, Mistake> {
    let (network, path) = split_network(arguments);
    let file = File::find(path, EXPECTED)?;
    let (name, span) = (&file.name, file.span);
    let header = match file.read(Header::read)? {
        Ok(header) => header,
        Err(damage) => {
            let message = format!("`{name}` is not a safetensors file: {damage}");
            return Err(Mistake { message, span });
        }
    };
    let called = ungrouped(network.clone()).to_string().replace(' ', "");
    let version = match &header.version {
        Some(version) => quote!(::core::option::Option::Some(#version)),
        None => quote!(::core::option::Option::None),
    };
    // A checkpoint of a training holds more than weights.
    let is_weight = |tensor: &&Tensor| !tensor.name.starts_with(TRAINING);
    let mut tensors: Vec<_> = header.tensors.iter().filter(is_weight).collect();
    tensors.sort_by_key(|tensor| (tensor.name.len(), &tensor.name));
    let count = tensors.len();
    let tensors = tensors.into_iter().map(|tensor| {
        let (name, element_type) = (&tensor.name, &tensor.element_type);
        let (shape, start) = (&tensor.shape, header.data + tensor.start);
        quote!(__cnn_rt::Stored { name: #name, element_type: #element_type, shape: &[#(#shape),*], start: #start })
    });
    let (bytes, variables) = (file.bytes(), file.variables());
    // What panics is shown at the path.
    let arrange =
        quote_spanned!(span=> __cnn_rt::arrange::<_, #count>(&FILE, #called, <#network>::TENSORS));
    let file = quote! {
        __cnn_rt::File {
            path: #name,
            version: #version,
            tensors: &[#(#tensors),*],
            bytes: #bytes,
        }
    };
    Ok(quote! {{
        #variables
        #[allow(long_running_const_eval)]
        static __CNN_WEIGHTS: #krate::runtime::weights::Aligned<{ <#network>::PARAMETERS }> = {
            use #krate::runtime::weights as __cnn_rt;
            const FILE: __cnn_rt::File<'static> = #file;
            #arrange
        };
        __CNN_WEIGHTS.floats()
    }})
}

/// What stands before the first comma, and what behind it.
fn split_network(arguments: TokenStream) -> (TokenStream, TokenStream) {
    let mut arguments = arguments.into_iter();
    let is_comma =
        |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    let network = arguments.by_ref().take_while(|token| !is_comma(token));
    (network.collect(), arguments.collect())
}
