//! What flows in and out, as Rust types and as rows of floats.
//!
//! A network of one input takes a reference to a nested array, one of several a struct with a reference for each label;
//! so are the outputs. The runtime takes rows: several values lie one behind the other there.

use super::interface::{axes, batch_dimension, visibility};
use super::text::{array, ident, join, literal, number, tokens};
use super::{Context, array_of_zeros, array_type};
use cnn_dsl::Outline;
use cnn_dsl::graph::{Activation, Network, Port, Shape};
use cnn_dsl::plan::Plan;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};

/// Which side.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    In,
    Out,
}

/// The inputs, or the outputs.
pub struct Ports<'a> {
    side: Side,
    /// The name of each with the place of its label, and its shape.
    ports: Vec<(Ident, &'a Shape)>,
    /// The name of the network, and its visibility.
    network: (&'a str, &'a str),
    krate: &'a TokenStream,
}

impl<'a> Ports<'a> {
    pub fn new(context: &Context<'a>, side: Side) -> Self {
        let network = context.network;
        let ports: &[Port] = match side {
            Side::In => &network.inputs,
            Side::Out => &network.outputs,
        };
        let port = |port: &Port| {
            let name = ident(&port.name.replace('.', "_"), (context.span)(port.span));
            (name, &network.nodes[port.node].shape)
        };
        Self {
            side,
            ports: ports.iter().map(port).collect(),
            network: (&network.name.text, &network.visibility),
            krate: context.krate,
        }
    }

    /// Of a network with errors, if there are several values and all shapes are known.
    pub fn known(outline: &'a Outline, krate: &'a TokenStream, side: Side) -> Option<Self> {
        let ports = match side {
            Side::In => &outline.inputs,
            Side::Out => &outline.outputs,
        };
        // Of one value the name may be that of a layer within a block, and two without a label have the same.
        let mut names: Vec<&str> = ports.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if ports.len() < 2 || names.len() < ports.len() {
            return None;
        }
        let port = |(name, shape): &'a (String, Option<Shape>)| {
            Some((ident(name, Span::call_site()), shape.as_ref()?))
        };
        let name = outline.name.as_ref()?;
        Some(Self {
            side,
            ports: ports.iter().map(port).collect::<Option<_>>()?,
            network: (&name.text, &outline.visibility),
            krate,
        })
    }

    pub fn are_several(&self) -> bool {
        self.ports.len() > 1
    }

    /// The shape, where there is one.
    fn shape(&self) -> &'a Shape {
        self.ports[0].1
    }

    /// `input` or `output`.
    fn noun(&self) -> &'static str {
        match self.side {
            Side::In => "input",
            Side::Out => "output",
        }
    }

    fn struct_name(&self, ending: &str) -> Ident {
        format_ident!("{}{ending}", self.network.0)
    }

    /// What an array of all is called: `TwoHeadsOutputs`.
    fn of_one(&self) -> Ident {
        match self.side {
            Side::In => self.struct_name("Inputs"),
            Side::Out => self.struct_name("Outputs"),
        }
    }

    fn of_batch(&self) -> Ident {
        match self.side {
            Side::In => self.struct_name("InputBatch"),
            Side::Out => self.struct_name("OutputBatch"),
        }
    }

    /// The variable of a method: `input` or `inputs`.
    pub fn variable(&self) -> Ident {
        let noun = self.noun();
        match self.are_several() && self.side == Side::In {
            true => format_ident!("{noun}s"),
            false => format_ident!("{noun}"),
        }
    }

    /// The type of a method's parameter, or of its result.
    pub fn one_type(&self) -> TokenStream {
        let of_one = self.of_one();
        match (self.side, self.are_several()) {
            (Side::In, true) => quote!(#of_one<'_>),
            (Side::In, false) => {
                let array = array_type(self.shape());
                quote!(&#array)
            }
            (Side::Out, true) => quote!(#of_one),
            (Side::Out, false) => array_type(self.shape()),
        }
    }

    /// The outputs before anything is computed.
    pub fn zeros(&self) -> TokenStream {
        if !self.are_several() {
            return array_of_zeros(self.shape());
        }
        let of_one = self.of_one();
        let fields = self.ports.iter().map(|(name, shape)| {
            let zeros = array_of_zeros(shape);
            quote!(#name: #zeros)
        });
        quote!(#of_one { #(#fields),* })
    }

    /// The values as flat slices, `&mut` for the outputs.
    pub fn flat(&self) -> Vec<TokenStream> {
        let variable = self.variable();
        let ports = self.ports.iter().map(|(name, shape)| {
            let value = match self.are_several() {
                true => quote!(#variable.#name),
                false => quote!(#variable),
            };
            flattened(&value, shape, self.side)
        });
        ports.collect()
    }

    /// The floats of all, one behind the other.
    pub fn floats(&self) -> usize {
        self.ports.iter().map(|(_, shape)| shape.len()).sum()
    }

    /// The constant of the shapes: `INPUT`, or `INPUTS` with the labels.
    pub fn constant(&self) -> TokenStream {
        let upper = self.noun().to_uppercase();
        if self.are_several() {
            let name = format_ident!("{upper}S");
            let docs = format!(
                "The {}s: their labels and the shapes of one example.",
                self.noun()
            );
            return quote! {
                #[doc = #docs]
                pub const #name: &'static [rt::Port] = plan::#name;
            };
        }
        let shape = self.shape();
        let name = format_ident!("{upper}");
        let rank = literal(shape.0.len() as u64);
        let axes = tokens(&array(shape.0.iter().copied()));
        let docs = format!(
            "The shape of one {}, `{:?}`, without the batch axis.",
            self.noun(),
            shape.0
        );
        quote! {
            #[doc = #docs]
            pub const #name: [usize; #rank] = #axes;
        }
    }

    /// Their shapes for the documentation: `` `[28, 28, 1]` ``, with the labels where there are several.
    pub fn shapes(&self, batch: bool) -> String {
        let shape = |shape: &Shape| match batch {
            true => format!("`[N{}]`", axes(shape)),
            false => format!("`{:?}`", shape.0),
        };
        if !self.are_several() {
            return shape(self.shape());
        }
        let ports = self.ports.iter();
        let ports = ports.map(|(name, of)| format!("`{name}` {}", shape(of)));
        ports.collect::<Vec<_>>().join(", ")
    }

    /// The parameter of `predict_batch`, and its value as a list of views.
    pub fn batch_parameter(&self) -> (TokenStream, TokenStream) {
        if !self.are_several() {
            let rank = literal(self.shape().0.len() as u64 + 1);
            return (
                quote!(impl rt::IntoBatch<'a, #rank>),
                quote!(rt::IntoBatch::into_batch(inputs)),
            );
        }
        let of_batch = self.of_batch();
        let names = self.ports.iter().map(|(name, _)| name);
        (quote!(#of_batch<'a>), quote!(#(inputs.#names.into_dyn()),*))
    }

    /// The type of a batch of outputs, and what makes it of `outputs`, which hands out one after the other.
    pub fn batch_result(&self) -> (TokenStream, TokenStream) {
        if !self.are_several() {
            let dimension = batch_dimension(self.shape());
            return (
                quote!(rt::ndarray::Array<f32, #dimension>),
                quote!(outputs.next()),
            );
        }
        let of_batch = self.of_batch();
        let names = self.ports.iter().map(|(name, _)| name);
        (
            quote!(#of_batch),
            quote!(#of_batch { #(#names: outputs.next()),* }),
        )
    }

    /// The structs of several values: of one example, and of a batch, which needs `std`.
    pub fn structs(&self, attributes: &TokenStream) -> TokenStream {
        if !self.are_several() {
            return TokenStream::new();
        }
        let krate = self.krate;
        let visibility = visibility(self.network.1);
        let (of_one, of_batch) = (self.of_one(), self.of_batch());
        let (network, noun) = (self.network.0, self.noun());
        let docs = [
            format!("The {noun}s of [`{network}`] for one example."),
            format!("The {noun}s of [`{network}`] for a batch of examples."),
        ];
        let [one_docs, batch_docs] = &docs;
        let fields = self.ports.iter().map(|(name, shape)| {
            let docs = format!("`{:?}`.", shape.0);
            let array =
                shape
                    .0
                    .iter()
                    .rev()
                    .fold(quote!(::core::primitive::f32), |inner, &size| {
                        let size = literal(size as u64);
                        quote!([#inner; #size])
                    });
            let borrowed = (self.side == Side::In).then(|| quote!(&'a));
            quote! {
                #[doc = #docs]
                #visibility #name: #borrowed #array
            }
        });
        let batch_fields = self.ports.iter().map(|(name, shape)| {
            let docs = format!("`[N{}]`.", axes(shape));
            let dimension = format_ident!("Ix{}", shape.0.len() + 1);
            let nd = quote!(#krate::runtime::generated::ndarray);
            let array = match self.side {
                Side::In => quote!(#nd::ArrayView<'a, ::core::primitive::f32, #nd::#dimension>),
                Side::Out => quote!(#nd::Array<::core::primitive::f32, #nd::#dimension>),
            };
            quote! {
                #[doc = #docs]
                #visibility #name: #array
            }
        });
        let lifetime = (self.side == Side::In).then(|| quote!(<'a>));
        let copy = (self.side == Side::In).then(|| quote!(::core::marker::Copy,));
        quote! {
            #[doc = #one_docs]
            #attributes
            #[derive(::core::clone::Clone, #copy ::core::fmt::Debug, ::core::cmp::PartialEq)]
            #visibility struct #of_one #lifetime {
                #(#fields,)*
            }
            #krate::__with_std! {
                #[doc = #batch_docs]
                #attributes
                #[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::cmp::PartialEq)]
                #visibility struct #of_batch #lifetime {
                    #(#batch_fields,)*
                }
            }
        }
    }
}

/// `const INPUTS` and `const OUTPUTS`, for the runtime.
pub fn tables(network: &Network, plan: &Plan) -> String {
    let table = |name: &str, ports: &[Port], activation: &dyn Fn(usize) -> Activation| {
        let mut offset = 0;
        let ports = ports.iter().enumerate().map(|(place, port)| {
            let shape = &network.nodes[port.node].shape;
            let (name, at) = (&port.name, number(offset));
            offset += shape.len();
            let (shape, activation) = (array(shape.0.iter().copied()), activation(place));
            format!("rt::Port::new(\"{name}\", &{shape}, {at}, rt::{activation:?})")
        });
        format!("pub const {name}: &[rt::Port] = &[{}];\n", join(ports))
    };
    let inputs = table("INPUTS", &network.inputs, &|_| Activation::Linear);
    let outputs = table("OUTPUTS", &network.outputs, &|place| {
        plan.outputs[place].activation
    });
    inputs + &outputs
}

/// A nested array as a flat slice: `input.as_flattened().as_flattened()`.
fn flattened(value: &TokenStream, shape: &Shape, side: Side) -> TokenStream {
    let axes = shape.0.len();
    let flat = match side {
        Side::In => quote!(as_flattened),
        Side::Out => quote!(as_flattened_mut),
    };
    let calls = (1..axes).map(|_| quote!(.#flat()));
    match (side, axes) {
        (Side::Out, 1) => quote!(&mut #value[..]),
        (Side::In, _) | (Side::Out, _) => quote!(#value #(#calls)*),
    }
}
