//! A checked network and its plan as Rust.
//!
//! Each file writes one part: `attributes` those of the user's, `constants` the operations and the description that the
//! runtime reads, `stages` the unrolled forward and training passes, `sums` what they sum up over a batch, `interface`
//! the struct with its public constants and methods, `ports` the types of what flows in and out, `views` the methods
//! that lead to a layer's tensors, `stub` the same interface after an error, `hover` what an editor shows over a layer,
//! `words` what it completes; `text` makes tokens of what is written as text. Nothing here knows one layer from
//! another: a step is its operation, printed by its `Debug` form, and one uniform call.
//!
//! Items have no hygiene: a name of the user's and one of the generator's are the same name. So everything
//! but the struct stands in a `const _` block, whose names shadow those around it, and the one name around it
//! that is needed there, the struct's, has another one in the block: [`ALIAS`], which users cannot take.
//!
//! Neither have local variables where the user's program has a constant of their name: `seed` is then a pattern that
//! compares. So what has many of them stands in a module within the block, `plan`, which sees nothing around it; the
//! names of the methods' parameters are those of functions in the block, which variables may shadow.

pub mod attributes;
mod constants;
pub mod hover;
mod interface;
mod ports;
mod stages;
mod stub;
mod sums;
pub mod text;
mod views;
pub mod words;

use cnn_dsl::graph::{Network, Shape};
use cnn_dsl::plan::{Plan, Step};
use cnn_dsl::syntax::Span as Range;
use cnn_ir::operation::Pass;
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use std::collections::{HashMap, HashSet};

use attributes::Attributes;
pub use stub::stub;

/// The module of the constants of a network's steps.
const LAYERS: &str = "layers";

/// The same of the steps of prediction, where these are others than those of training.
const PREDICTION_LAYERS: &str = "prediction_layers";

/// The struct, where its own name may mean something else: a network may be called `rt` or `f32`.
const ALIAS: &str = "__CnnNetwork";

/// What every part of the generator reads.
#[derive(Clone)]
pub struct Context<'a> {
    /// The checked network.
    pub network: &'a Network,
    /// How it is run.
    pub plan: &'a Plan,
    /// The module of the constants of the plan's steps.
    layers: &'a str,
    /// The attributes in front of it.
    pub attributes: &'a Attributes,
    /// The description as it was written; empty for the network of an exposed value.
    pub description: &'a str,
    /// The path of the facade crate: `$crate` of the wrapping macro.
    pub krate: &'a TokenStream,
    /// The token at a place of the description.
    pub span: &'a dyn Fn(Range) -> Span,
    /// The identifiers of the layers and steps whose names have dots.
    identifiers: HashMap<&'a str, String>,
}

impl<'a> Context<'a> {
    /// Finds an identifier for each layer, and for each step that has a name of its own.
    pub fn new(
        network: &'a Network,
        plan: &'a Plan,
        attributes: &'a Attributes,
        description: &'a str,
        krate: &'a TokenStream,
        span: &'a dyn Fn(Range) -> Span,
    ) -> Self {
        let names = || {
            let layers = network.nodes.iter().map(|node| node.name.as_str());
            let steps = plan.steps.iter();
            let steps = steps.filter(|step| step.name != network.nodes[step.node].name);
            layers.chain(steps.map(|step| step.name.as_str()))
        };
        let mut taken: HashSet<String> = names().map(str::to_owned).collect();
        let mut identifiers = HashMap::new();
        for (place, name) in names().enumerate().filter(|(_, name)| name.contains('.')) {
            let mut identifier = name.replace('.', "_");
            if taken.contains(&identifier) {
                // No label has two underscores within.
                identifier += &format!("__{place}");
            }
            taken.insert(identifier.clone());
            identifiers.insert(name, identifier);
        }
        Self {
            network,
            plan,
            layers: LAYERS,
            attributes,
            description,
            krate,
            span,
            identifiers,
        }
    }
}

/// All items of a network. `exposed` are the networks that end in its exposed values.
pub fn network(context: &Context<'_>, exposed: &[Context<'_>]) -> TokenStream {
    let krate = context.krate;
    // Said several times, made once.
    let summary = text::table(&context.network.summary());
    let table = text::table(&context.plan.table(context.network));
    let structure = interface::structure(context, &summary);
    let layers = layers(context);
    let sizes = constants::sizes(context);
    let tables = constants::tables(context, &summary, &table);
    let spec = constants::spec(context);
    let forward = stages::forward(context);
    let train = stages::train(context);
    let constants = interface::constants(context, &table);
    let methods = interface::methods(context, exposed);
    let (alias, names) = (alias(), interface::names(context));
    let exposed = exposed.iter().map(exposed_plan);
    let items = quote! {
        /// How the network runs. A module of its own sees no name of the program around it.
        mod plan {
            use #krate::runtime::generated as rt;
            #[allow(unused_imports)]
            use #krate::runtime::generated::Execute as _;
            #layers
            #sizes
            #tables
            #forward
            #krate::__with_std! {
                #spec
                #train
                #(#exposed)*
            }
        }
        // The user's module may give these names to something else.
        use ::core::primitive::{f32, str, u64, usize};
        #constants
        #krate::__with_std! {
            #methods
        }
        #krate::__needs_std! { #alias #names }
    };
    let hidden = hidden(context.attributes, krate, &context.struct_name(), &items);
    quote!(#structure #hidden)
}

/// How an exposed value is computed, in a module of its own.
fn exposed_plan(context: &Context<'_>) -> TokenStream {
    let krate = context.krate;
    let port = &context.network.outputs[0];
    let docs = format!("How the value of `{}` is computed.", port.name);
    let name = Ident::new(&exposed_module(&port.name), Span::call_site());
    let layers = layers(context);
    let sizes = constants::sizes(context);
    let spec = constants::spec(context);
    let forward = stages::forward(context);
    quote! {
        #[doc = #docs]
        mod #name {
            use super::LAYERS;
            use #krate::runtime::generated as rt;
            #[allow(unused_imports)]
            use #krate::runtime::generated::Execute as _;
            #layers
            #sizes
            #forward
            #spec
        }
    }
}

/// The module of an exposed value.
fn exposed_module(label: &str) -> String {
    format!("up_to_{label}")
}

/// The modules of constants: what each step computes, of training and of prediction.
fn layers(context: &Context<'_>) -> TokenStream {
    let krate = context.krate;
    let module = |context: &Context<'_>| {
        let name = Ident::new(context.layers, Span::call_site());
        let layers = constants::layers(context);
        quote! {
            /// What each step computes, named after its layer.
            #[allow(unused_imports)]
            mod #name {
                use #krate::runtime::generated::*;
                #layers
            }
        }
    };
    let prediction = (context.plan.prediction.is_some()).then(|| module(&context.for_prediction()));
    let layers = module(context);
    quote!(#layers #prediction)
}

/// Items that belong to the struct, in a block of their own, where it is called [`ALIAS`].
fn hidden(
    attributes: &Attributes,
    krate: &TokenStream,
    name: &Ident,
    items: &TokenStream,
) -> TokenStream {
    let (attributes, of_uses) = (attributes.of_items(), attributes.of_uses());
    let alias = alias();
    quote! {
        #attributes
        #of_uses
        const _: () = {
            type #alias = #name;
            const _: () = {
                use #krate::runtime::generated as rt;
                // A constant of the user's that is called `seed` would be meant by a parameter of this name.
                #[allow(unused_imports)]
                use #krate::runtime::generated::parameters::*;
                #items
            };
        };
    }
}

fn alias() -> Ident {
    Ident::new(ALIAS, Span::call_site())
}

impl<'a> Context<'a> {
    fn struct_name(&self) -> Ident {
        text::ident(&self.network.name.text, Span::call_site())
    }

    /// The shapes of what flows in and out, of several values as a row.
    fn input_and_output(&self) -> [&Shape; 2] {
        let network = self.network;
        [network.input, network.output].map(|id| &network.nodes[id].shape)
    }

    /// The identifier of a step: of the layer that it computes, or of its own name.
    fn name(&self, step: &'a Step) -> &str {
        self.identifier(&step.name)
    }

    /// The name of a layer or of a step as an identifier: `stage2_conv2d_1` for `stage2.conv2d_1`.
    fn identifier(&self, layer: &'a str) -> &str {
        self.identifiers.get(layer).map_or(layer, String::as_str)
    }

    /// What is said of the plan by which predictions run.
    fn for_prediction(&self) -> Self {
        match &self.plan.prediction {
            Some(prediction) => Self {
                plan: prediction,
                layers: PREDICTION_LAYERS,
                ..self.clone()
            },
            None => self.clone(),
        }
    }

    /// The name of the constant of what a layer or a step computes: `CONV2D_1`.
    fn constant_name(&self, name: &'a str) -> String {
        self.identifier(name).to_uppercase()
    }

    /// That constant in its module: `layers::CONV2D_1`.
    fn constant_of(&self, name: &'a str) -> String {
        format!("{}::{}", self.layers, self.constant_name(name))
    }

    /// The constant of a step's operation.
    fn constant(&self, step: &'a Step) -> String {
        self.constant_of(&step.name)
    }

    /// What a step of prediction calls: its operation, or that with what is folded into it.
    fn inference(&self, step: &Step) -> String {
        let operation = self.constant(step);
        match &step.folded {
            Some(folded) => {
                let normalization = self.constant_of(&self.network.nodes[folded.node].name);
                format!("rt::Folded {{ operation: {operation}, normalization: {normalization} }}")
            }
            None => operation,
        }
    }

    /// The constant of a step's operation as a value of the enum.
    fn operation(&self, step: &Step) -> String {
        let kind = step.operation.kind();
        format!("rt::Operation::{kind}({})", self.constant(step))
    }

    /// Whether a step of the plan has something folded into it.
    fn folds(&self) -> bool {
        self.plan.steps.iter().any(|step| step.folded.is_some())
    }

    /// The steps that want their tensors in the form of a pass.
    fn packed(&self, pass: Pass) -> impl Iterator<Item = &Step> {
        let steps = self.plan.steps.iter();
        steps.filter(move |step| step.packs(pass))
    }
}

/// The tensors of a layer in the form of a pass: `conv2d_2_packed_forward`.
fn packed_tensor_name(layer: &str, pass: Pass) -> String {
    match pass {
        Pass::Inference => format!("{layer}_packed_inference"),
        Pass::Forward => format!("{layer}_packed_forward"),
        Pass::Backward => format!("{layer}_packed_backward"),
    }
}

/// The nested array of one example: `[[[f32; 1]; 28]; 28]`.
fn array_type(shape: &Shape) -> TokenStream {
    shape.0.iter().rev().fold(quote!(f32), |inner, &size| {
        let size = text::literal(size as u64);
        quote!([#inner; #size])
    })
}

/// A zeroed nested array.
fn array_of_zeros(shape: &Shape) -> TokenStream {
    shape.0.iter().rev().fold(quote!(0.0), |inner, &size| {
        let size = text::literal(size as u64);
        quote!([#inner; #size])
    })
}
