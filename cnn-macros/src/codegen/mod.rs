//! A checked network and its plan as Rust.
//!
//! Each file writes one part: `constants` the operations and the description that the runtime reads,
//! `stages` the unrolled forward and training passes, `interface` the struct with its public constants and
//! methods, `stub` the same interface after an error, `hover` what an editor shows over a layer; `text`
//! makes tokens of what is written as text. Nothing here knows one layer from another: a step is its
//! operation, printed by its `Debug` form, and one uniform call. Everything but the struct stands in one
//! `const _` block, so no helper's name can meet a name of the user's.

mod constants;
pub mod hover;
mod interface;
mod stages;
mod stub;
mod text;

use cnn_dsl::graph::{Network, Shape};
use cnn_dsl::plan::{Plan, Step};
use cnn_dsl::syntax::Span as Range;
use cnn_ir::operation::Pass;
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

pub use stub::stub;

/// What every part of the generator reads.
pub struct Context<'a> {
    /// The checked network.
    pub network: &'a Network,
    /// How it is run.
    pub plan: &'a Plan,
    /// The path of the facade crate: `$crate` of the wrapping macro.
    pub krate: &'a TokenStream,
    /// The token at a place of the description.
    pub span: &'a dyn Fn(Range) -> Span,
}

/// All items of a network.
pub fn network(context: &Context<'_>) -> TokenStream {
    let krate = context.krate;
    // Said several times, made once.
    let summary = text::table(&context.network.summary());
    let structure = interface::structure(context, &summary);
    let layers = constants::layers(context);
    let sizes = constants::sizes(context);
    let spec = constants::spec(context);
    let forward = stages::forward(context);
    let train = stages::train(context);
    let constants = interface::constants(context, &summary);
    let methods = interface::methods(context);
    quote! {
        #structure
        const _: () = {
            use #krate::runtime::generated as rt;
            // The user's module may give these names to something else.
            use ::core::primitive::{f32, str, u64, usize};
            #[allow(unused_imports)]
            use #krate::runtime::generated::Execute as _;
            /// What each step computes, named after its layer.
            #[allow(unused_imports)]
            mod layers {
                use #krate::runtime::generated::*;
                #layers
            }
            #sizes
            #forward
            #constants
            #krate::__with_std! {
                #spec
                #train
                #methods
            }
        };
    }
}

impl Context<'_> {
    fn struct_name(&self) -> Ident {
        Ident::new(&self.network.name.text, Span::call_site())
    }

    /// The name of the layer that a step computes.
    fn name(&self, step: &Step) -> &str {
        &self.network.nodes[step.node].name
    }

    /// The constant of a step's operation: `layers::CONV2D_1`.
    fn constant(&self, step: &Step) -> String {
        format!("layers::{}", self.name(step).to_uppercase())
    }

    /// The constant of a step's operation as a value of the enum.
    fn operation(&self, step: &Step) -> String {
        let kind = step.operation.kind();
        format!("rt::Operation::{kind}({})", self.constant(step))
    }

    /// The steps that want their first tensor in the form of a pass.
    fn packed(&self, pass: Pass) -> impl Iterator<Item = &Step> {
        let steps = self.plan.steps.iter();
        steps.filter(move |step| is_packed(step, pass))
    }
}

/// Whether a step wants its first tensor in the form of a pass.
fn is_packed(step: &Step, pass: Pass) -> bool {
    step.operation.facts().packs(pass, step.wanted())
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
