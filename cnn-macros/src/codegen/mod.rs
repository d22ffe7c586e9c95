//! A checked network and its plan as Rust.
//!
//! Each file writes one part: `geometry` the constants of the layers and the description
//! that the runtime reads, `passes` the unrolled forward and training passes, `interface` the
//! struct with its public constants and methods, `stub` the same interface after an error,
//! `hover` what an editor shows over a layer. Everything but the struct stands in one `const _`
//! block, so no helper's name can meet a name of the user's.

mod geometry;
pub mod hover;
mod interface;
mod passes;
mod stub;

use cnn_dsl::graph::{Activation, Network, Node, Shape};
use cnn_dsl::plan::{Conv2dAlgorithm, Kernel, Plan, Step};
use cnn_dsl::syntax::Span as Range;
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote};

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
    let structure = interface::structure(context);
    let layers = geometry::layers(context);
    let workspaces = geometry::workspaces(context);
    let spec = geometry::spec(context);
    let forward = passes::forward(context);
    let train = passes::train(context);
    let constants = interface::constants(context);
    let methods = interface::methods(context);
    quote! {
        #structure
        const _: () = {
            use #krate::runtime as rt;
            // The user's module may give these names to something else.
            use ::core::primitive::{f32, str, u64, usize};
            #layers
            #workspaces
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

    /// The steps whose forward pass wants the kernel in another form.
    fn prepared_forward(&self) -> impl Iterator<Item = &Step> {
        let winograd = Kernel::Conv2d(Conv2dAlgorithm::Winograd);
        let steps = self.plan.steps.iter();
        steps.filter(move |step| step.kernel == winograd)
    }

    /// The steps whose backward pass does: convolutions that pass a gradient on.
    fn prepared_backward(&self) -> impl Iterator<Item = &Step> {
        self.plan.steps.iter().filter(|step| {
            matches!(step.kernel, Kernel::Conv2d(_)) && step.input_gradient.is_some()
        })
    }
}

/// The constant of a layer's geometry: `LAYER_CONV2D_1`. The prefix keeps it apart from the
/// other constants of the block, whatever the label.
fn constant(name: &str) -> Ident {
    format_ident!("LAYER_{}", name.to_uppercase())
}

/// `121_930`: the separators are those that clippy asks of a person.
fn number(value: usize) -> Literal {
    number_u64(value as u64)
}

/// The same for 64 bits on every machine.
fn number_u64(value: u64) -> Literal {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && digits.len() > 4 {
            text.push('_');
        }
        text.push(digit);
    }
    text.parse()
        .unwrap_or_else(|_| Literal::u64_unsuffixed(value))
}

/// `[28, 28, 1]`.
fn array(values: &[usize]) -> TokenStream {
    let values = values.iter().map(|&v| number(v));
    quote!([#(#values),*])
}

/// `f32` as the runtime computes: the nearest to what was written.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the runtime computes in f32"
)]
fn float(value: f64) -> Literal {
    Literal::f32_unsuffixed(value as f32)
}

/// `f64`, for the hyperparameters of optimizers.
fn double(value: f64) -> Literal {
    Literal::f64_unsuffixed(value)
}

/// The nested array of one example: `[[[f32; 1]; 28]; 28]`.
fn array_type(shape: &Shape) -> TokenStream {
    shape.0.iter().rev().fold(quote!(f32), |inner, &size| {
        let size = number(size);
        quote!([#inner; #size])
    })
}

/// A zeroed nested array.
fn array_of_zeros(shape: &Shape) -> TokenStream {
    shape.0.iter().rev().fold(quote!(0.0), |inner, &size| {
        let size = number(size);
        quote!([#inner; #size])
    })
}

fn activation(activation: Activation) -> TokenStream {
    let variant = match activation {
        Activation::Linear => quote!(Linear),
        Activation::Relu => quote!(Relu),
        Activation::LeakyRelu { negative_slope } => {
            let slope = float(negative_slope);
            quote!(LeakyRelu { negative_slope: #slope })
        }
        Activation::Sigmoid => quote!(Sigmoid),
        Activation::Tanh => quote!(Tanh),
        Activation::Softmax => quote!(Softmax),
    };
    quote!(rt::kernels::Activation::#variant)
}
