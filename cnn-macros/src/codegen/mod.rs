//! A checked network and its plan as Rust.
//!
//! Each file writes one part: `geometry` the constants of the layers and the description
//! that the runtime reads, `passes` the unrolled forward and training passes, `interface` the
//! struct with its public constants and methods, `stub` the same interface after an error,
//! `hover` what an editor shows over a layer; `text` makes tokens of what is written as text. Everything but the struct stands in one `const _`
//! block, so no helper's name can meet a name of the user's.

mod geometry;
pub mod hover;
mod interface;
mod passes;
mod stub;
mod text;

use cnn_dsl::graph::{Network, Node, Shape};
use cnn_dsl::plan::{Conv2dAlgorithm, Plan, Step, StepKind};
use cnn_dsl::syntax::Span as Range;
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
    let geometry = geometry::constants(context);
    let spec = geometry::spec(context);
    let forward = passes::forward(context);
    let train = passes::train(context);
    let constants = interface::constants(context, &summary);
    let methods = interface::methods(context);
    quote! {
        #structure
        const _: () = {
            use #krate::runtime::generated as rt;
            // The user's module may give these names to something else.
            use ::core::primitive::{f32, str, u64, usize};
            #geometry
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

    fn node(&self, step: &Step) -> &Node {
        &self.network.nodes[step.node]
    }

    /// The steps that want their kernel in this form.
    fn packed(&self, form: Form) -> impl Iterator<Item = &Step> {
        let steps = self.plan.steps.iter();
        steps.filter(move |step| form.is_wanted_by(step))
    }
}

/// The forms of a kernel, each for one pass.
#[derive(Clone, Copy)]
enum Form {
    Inference,
    Forward,
    Backward,
}

impl Form {
    /// Not where the pass takes the kernel as it is.
    fn is_wanted_by(self, step: &Step) -> bool {
        let converts = |kernel| match kernel {
            StepKind::Conv2d(algorithm) => algorithm != Conv2dAlgorithm::Direct,
            _ => false,
        };
        match self {
            Self::Inference => converts(step.kernel) || step.kernel == StepKind::Dense,
            Self::Forward => converts(step.kernel),
            Self::Backward => {
                matches!(step.kernel, StepKind::Conv2d(_)) && step.input_gradient.is_some()
            }
        }
    }

    /// Of the method that tells how long it is.
    fn length(self) -> &'static str {
        match self {
            Self::Inference => "packed_inference",
            Self::Forward => "packed_forward",
            Self::Backward => "packed_backward",
        }
    }
}

/// The constant of a layer's geometry: `LAYER_CONV2D_1`. The prefix keeps it apart from the
/// other constants of the block, whatever the label.
fn constant(name: &str) -> String {
    format!("LAYER_{}", name.to_uppercase())
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
