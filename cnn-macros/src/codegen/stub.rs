//! The interface of a network after an error.
//!
//! The struct still exists with its methods and whatever shapes are known, so that the errors
//! of the description are the only ones on the user's screen. Nothing here ever runs: the build
//! has failed.

use super::attributes::Attributes;
use super::interface::visibility;
use super::ports::{Ports, Side};
use super::text::{array, ident, literal, tokens};
use super::views::{self, View};
use super::{alias, array_type, hidden};
use cnn_dsl::Outline;
use cnn_dsl::graph::Shape;
use cnn_dsl::syntax::Span as Range;
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use std::collections::HashSet;

/// The struct of a description that has errors.
pub fn stub(
    outline: &Outline,
    attributes: &Attributes,
    krate: &TokenStream,
    span: &dyn Fn(Range) -> Span,
) -> TokenStream {
    let Some(written) = &outline.name else {
        return TokenStream::new();
    };
    let defined = ident(&written.text, span(written.span));
    let of_struct = attributes.of_struct(&["Clone", "Debug"]);
    let name = alias();
    let docs = &outline.docs;
    let visibility = visibility(&outline.visibility);
    let (input, output) = (outline.input(), outline.output());
    let [inputs, outputs] = [Side::In, Side::Out].map(|side| Ports::known(outline, krate, side));
    let constants = [("INPUT", input, &inputs), ("OUTPUT", output, &outputs)];
    let [input_constant, output_constant] = constants.map(|(name, shape, ports)| match ports {
        Some(_) => {
            let name = format_ident!("{name}S");
            quote!(pub const #name: &'static [rt::Port] = &[];)
        }
        None => shape_constant(name, shape),
    });
    let exposed = outline.exposed.iter().map(|(label, shape)| {
        let [one, batch] = ["predict", "predict_batch"].map(|name| format_ident!("{name}_{label}"));
        let (generic, of_one) = known_or("V", shape.as_ref(), None);
        let dimension = batch_type(shape.as_ref());
        quote! {
            pub fn #one<I, #generic>(&self, input: I) -> #of_one { ::core::unreachable!() }
            pub fn #batch<I>(
                &self,
                inputs: I,
            ) -> ::core::result::Result<rt::ndarray::Array<f32, #dimension>, rt::Error> {
                ::core::unreachable!()
            }
        }
    });
    let of_items = attributes.of_items();
    let structs = [&inputs, &outputs].map(|ports| ports.as_ref().map(|of| of.structs(&of_items)));
    // An unknown input takes any type, an unknown output becomes what the caller expects.
    let unsized_type = || Some(quote!(: ?::core::marker::Sized));
    let (input_generic, input_type) = match &inputs {
        Some(ports) => (None, ports.one_type()),
        None => {
            let (generic, of_one) = known_or("I", input, unsized_type());
            (generic, quote!(&#of_one))
        }
    };
    let ((output_generic, output_type), (output_into, _)) = match &outputs {
        Some(ports) => ((None, ports.one_type()), (None, TokenStream::new())),
        None => (
            known_or("O", output, None),
            known_or("O", output, unsized_type()),
        ),
    };
    let batch_in = match &inputs {
        Some(ports) => ports.batch_parameter().0,
        None => {
            let dimension = batch_type(input);
            quote!(impl ::core::convert::Into<rt::ndarray::ArrayView<'a, f32, #dimension>>)
        }
    };
    let batch_out = match &outputs {
        Some(ports) => ports.batch_result().0,
        None => {
            let dimension = batch_type(output);
            quote!(rt::ndarray::Array<f32, #dimension>)
        }
    };
    let mut names = HashSet::new();
    let layers = outline.layers.iter();
    let layers = layers.filter(|layer| names.insert(&layer.name));
    let layers = layers.map(|layer| View {
        name: layer.name.clone(),
        span: Span::call_site(),
        docs: Vec::new(),
        kind: layer.view,
        tensors: (0, 0),
    });
    let layers: Vec<_> = layers.collect();
    let views = views::views(&layers, &[], &TokenStream::new(), span);
    let (layers, groups) = (views.methods, views.structs);
    let items = quote! {
            use ::core::primitive::{f32, str, u64, usize};
            impl #name {
                #input_constant
                #output_constant
                pub const PARAMETERS: usize = 0;
                pub const FLOPS: u64 = 0;
                pub const WORKSPACE: usize = 0;
                pub const WORKSPACE_BYTES: usize = 0;
                pub const TENSORS: &'static [rt::Tensor] = rt::Tensor::UNKNOWN;
                pub const LAYERS: &'static [rt::Layer] = &[];
                pub const SUMMARY: &'static str = "";
                pub const PLAN: &'static str = "";
                pub fn infer<P: ?::core::marker::Sized, #input_generic W: ?::core::marker::Sized, #output_generic>(
                    parameters: &P,
                    input: #input_type,
                    workspace: &mut W,
                ) -> #output_type {
                    ::core::unreachable!()
                }
                pub fn infer_into<P: ?::core::marker::Sized, #input_generic W: ?::core::marker::Sized, #output_into>(
                    parameters: &P,
                    input: #input_type,
                    output: &mut #output_type,
                    workspace: &mut W,
                ) {
                    ::core::unreachable!()
                }
            }
            #krate::__with_std! {
                impl #name {
                    pub fn new(seed: u64) -> Self { ::core::unreachable!() }
                    pub fn predict<#input_generic #output_generic>(&self, input: #input_type) -> #output_type {
                        ::core::unreachable!()
                    }
                    pub fn predict_slice(&self, input: &[f32], output: &mut [f32]) -> ::core::result::Result<(), rt::Error> {
                        ::core::unreachable!()
                    }
                    pub fn predict_dataset(
                        &self,
                        examples: &dyn rt::Dataset,
                    ) -> ::core::result::Result<#batch_out, rt::Error> {
                        ::core::unreachable!()
                    }
                    pub fn predict_batch<'a>(
                        &self,
                        inputs: #batch_in,
                    ) -> ::core::result::Result<#batch_out, rt::Error> {
                        ::core::unreachable!()
                    }
                    pub fn fit(&mut self, examples: &dyn rt::Dataset) -> ::core::result::Result<rt::History, rt::Error> {
                        ::core::unreachable!()
                    }
                    pub fn trainer(&mut self) -> rt::Trainer<'_, Self> { ::core::unreachable!() }
                    pub fn evaluate(&self, examples: &dyn rt::Dataset) -> ::core::result::Result<rt::Scores, rt::Error> {
                        ::core::unreachable!()
                    }
                    pub fn confusion_matrix(
                        &self,
                        examples: &dyn rt::Dataset,
                    ) -> ::core::result::Result<rt::ConfusionMatrix, rt::Error> {
                        ::core::unreachable!()
                    }
                    pub fn freeze(&mut self, layer: &str) -> ::core::result::Result<(), rt::Error> {
                        ::core::unreachable!()
                    }
                    pub fn unfreeze(&mut self, layer: &str) -> ::core::result::Result<(), rt::Error> {
                        ::core::unreachable!()
                    }
                    pub fn trainable_parameters(&self) -> usize { ::core::unreachable!() }
                    pub fn save(&self, path: impl ::core::convert::AsRef<rt::Path>) -> ::core::result::Result<(), rt::Error> {
                        ::core::unreachable!()
                    }
                    pub fn load(path: impl ::core::convert::AsRef<rt::Path>) -> ::core::result::Result<Self, rt::Error> {
                        ::core::unreachable!()
                    }
                    pub fn from_bytes(bytes: &[::core::primitive::u8]) -> ::core::result::Result<Self, rt::Error> {
                        ::core::unreachable!()
                    }
                    pub fn from_parameters<P: ?::core::marker::Sized>(parameters: &P) -> Self { ::core::unreachable!() }
                    pub fn parameters(&self) -> &[f32] { ::core::unreachable!() }
                    pub fn tensors(&self) -> impl ::core::iter::Iterator<Item = (&'static str, rt::ndarray::ArrayViewD<'_, f32>)> {
                        ::core::iter::empty()
                    }
                    pub fn tensors_mut(&mut self) -> impl ::core::iter::Iterator<Item = (&'static str, rt::ndarray::ArrayViewMutD<'_, f32>)> {
                        ::core::iter::empty()
                    }
                    #layers
                    #(#exposed)*
                }
                #groups
                rt::inspect_method! {
                    #name
                    pub fn inspect<#input_generic>(&self, input: #input_type) -> rt::Inspection { ::core::unreachable!() }
                }
                impl rt::Network for #name {
                    fn spec() -> &'static rt::Spec { ::core::unreachable!() }
                    fn from_model(model: rt::Model) -> Self { ::core::unreachable!() }
                    fn model(&self) -> &rt::Model { ::core::unreachable!() }
                    fn model_mut(&mut self) -> &mut rt::Model { ::core::unreachable!() }
                }
            }
    };
    let items = hidden(
        attributes,
        krate,
        &ident(&written.text, Span::call_site()),
        &items,
    );
    quote! {
        #(#[doc = #docs])*
        #of_struct
        #[allow(missing_docs)]
        #visibility struct #defined {}
        #(#structs)*
        #[allow(missing_docs, unused, clippy::all, clippy::pedantic)]
        #items
    }
}

fn shape_constant(name: &str, shape: Option<&Shape>) -> TokenStream {
    let name = format_ident!("{name}");
    let axes = shape.map_or(&[][..], |shape| &shape.0);
    let (rank, axes) = (
        literal(axes.len() as u64),
        tokens(&array(axes.iter().copied())),
    );
    quote!(pub const #name: [usize; #rank] = #axes;)
}

/// The array type of a known shape, else a type parameter.
fn known_or(
    parameter: &str,
    shape: Option<&Shape>,
    bound: Option<TokenStream>,
) -> (Option<TokenStream>, TokenStream) {
    let parameter = format_ident!("{parameter}");
    match shape {
        Some(shape) => (None, array_type(shape)),
        None => (Some(quote!(#parameter #bound,)), quote!(#parameter)),
    }
}

fn batch_type(shape: Option<&Shape>) -> TokenStream {
    let dimension = shape.map_or(format_ident!("IxDyn"), |s| {
        format_ident!("Ix{}", s.0.len() + 1)
    });
    quote!(rt::ndarray::#dimension)
}
