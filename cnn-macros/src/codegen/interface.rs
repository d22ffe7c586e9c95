//! What a user sees: the struct, its constants, its methods.

use super::ports::{Ports, Side};
use super::text::{ident, literal, tokens};
use super::views::{self, View, Views};
use super::{Context, alias};
use cnn_dsl::graph::{Activation, Node, Port, Shape};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};

/// The struct with its documentation.
pub fn structure(context: &Context<'_>, summary: &TokenStream) -> TokenStream {
    let krate = context.krate;
    // The only place of the name: an editor shows the struct once for each.
    let written = &context.network.name;
    let name = ident(&written.text, (context.span)(written.span));
    let visibility = visibility(&context.network.visibility);
    let docs = struct_docs(context, summary);
    let attributes = context.attributes.of_struct(&["Clone", "Debug"]);
    let of_items = context.attributes.of_items();
    let ports = [Side::In, Side::Out].map(|side| Ports::new(context, side).structs(&of_items));
    quote! {
        #docs
        #attributes
        #visibility struct #name {
            model: #krate::runtime::generated::Field,
        }
        #(#ports)*
    }
}

/// The visibility as written.
pub fn visibility(written: &str) -> TokenStream {
    written.parse().unwrap_or_default()
}

/// The user's own lines, then the summary.
fn struct_docs(context: &Context<'_>, summary: &TokenStream) -> TokenStream {
    let network = context.network;
    let own = network.docs.iter();
    let headline = network.docs.is_empty().then(|| {
        let shapes = |ports: &[Port]| {
            let shapes = ports
                .iter()
                .map(|port| network.nodes[port.node].shape.to_string());
            shapes.collect::<Vec<_>>().join(", ")
        };
        let (from, to) = (shapes(&network.inputs), shapes(&network.outputs));
        format!(" A network: {from} → {to}.")
    });
    let headline = headline.iter();
    let untrained = network
        .train
        .is_none()
        .then_some("\nIt has no `train` block: it is for inference, with parameters from a file.");
    let untrained = untrained.iter();
    quote! {
        #(#[doc = #own])*
        #(#[doc = #headline])*
        #(#[doc = #untrained])*
        #[doc = "\n```text"]
        #[doc = #summary]
        #[doc = "```"]
    }
}

/// The most floats of an output that a function returns by value. A debug build copies it twice or thrice, and a thread
/// has 2 MiB for all of its calls.
const RETURNED: usize = 1 << 16;

/// A bound that an output of more floats does not meet, so that a call of `predict` or `infer` says what to call
/// instead. The lifetime keeps the compiler from checking the bound here, where nobody calls the method.
fn returned(outputs: &Ports<'_>) -> Option<TokenStream> {
    (outputs.floats() > RETURNED).then(|| quote!(where for<'a> Self: rt::ReturnsOutput))
}

/// The public constants and inference without `std`.
pub fn constants(context: &Context<'_>, plan: &TokenStream) -> TokenStream {
    let network = context.network;
    let name = alias();
    let [inputs, outputs] = [Side::In, Side::Out].map(|side| Ports::new(context, side));
    let parameters = literal(network.parameter_count() as u64);
    let flops = literal(network.flops());
    let (input_type, output_type) = (inputs.one_type(), outputs.one_type());
    let (input_constant, output_constant) = (inputs.constant(), outputs.constant());
    let (input, zeros) = (inputs.variable(), outputs.zeros());
    let returned = returned(&outputs);
    // Several values are put into a row in the workspace.
    let row = |ports: &Ports<'_>| match ports.are_several() {
        true => ports.floats(),
        false => 0,
    };
    let rows = [row(&inputs), row(&outputs)];
    let [input_row, output_row] = rows.map(|floats| literal(floats as u64));
    let has_rows = rows != [0, 0];
    let beside = has_rows.then(|| quote!(+ rt::floats_of_rows([#input_row, #output_row])));
    let split = has_rows.then(|| {
        quote! {
            let ([input_row, output_row], workspace) =
                rt::split_workspace(workspace, [#input_row, #output_row]);
        }
    });
    let (flat_inputs, flat_outputs) = (inputs.flat(), outputs.flat());
    let (gather, flat_input) = match inputs.are_several() {
        true => (
            Some(quote!(rt::gather(&[#(#flat_inputs),*], input_row);)),
            quote!(input_row),
        ),
        false => (None, quote!(#(#flat_inputs)*)),
    };
    let (scatter, flat_output) = match outputs.are_several() {
        true => (
            Some(quote!(rt::scatter(output_row, [#(#flat_outputs),*]);)),
            quote!(output_row),
        ),
        false => (None, quote!(#(#flat_outputs)*)),
    };
    let mut activations = context.plan.outputs.iter().map(|output| output.activation);
    let finish = activations
        .any(|activation| activation != Activation::Linear)
        .then(|| quote!(rt::finish(plan::OUTPUTS, isa, #flat_output);));
    quote! {
        impl #name {
            #input_constant
            #output_constant
            /// How many numbers the network learns.
            pub const PARAMETERS: usize = #parameters;
            /// Floating-point operations of one prediction; a multiply-add counts as two.
            pub const FLOPS: u64 = #flops;
            /// Floats that one prediction needs beside its input, its output and the parameters.
            pub const WORKSPACE: usize = plan::WORKSPACE.floats(1) #beside;
            /// The same in bytes.
            pub const WORKSPACE_BYTES: usize = Self::WORKSPACE * ::core::mem::size_of::<f32>();
            /// The tensors, as they lie one after the other in the parameters: their names in files, and
            /// their shapes.
            pub const TENSORS: &'static [rt::Tensor] = &rt::tensor_table(&plan::PARAMETERS);
            /// The layers in source order, with their output shapes, parameters and FLOPs.
            pub const LAYERS: &'static [rt::Layer] = plan::LAYERS;
            /// The table of the layers, as Keras prints it: see above.
            pub const SUMMARY: &'static str = plan::SUMMARY;
            /// What runs for each layer, and why.
            ///
            #[doc = "```text"]
            #[doc = #plan]
            #[doc = "```"]
            pub const PLAN: &'static str = plan::PLAN;

            /// The output for one input, with the caller's memory: the parameters ([`Self::TENSORS`]
            /// one after the other) and the workspace (its contents do not matter). It works without
            /// `std` and allocates nothing.
            #[must_use]
            pub fn infer(
                parameters: &[f32; Self::PARAMETERS],
                #input: #input_type,
                workspace: &mut [f32; Self::WORKSPACE],
            ) -> #output_type
            #returned
            {
                let mut output = #zeros;
                Self::infer_into(parameters, #input, &mut output, workspace);
                output
            }

            /// [`Self::infer`] with memory for the output, too: no array lies on the stack.
            pub fn infer_into(
                parameters: &[f32; Self::PARAMETERS],
                #input: #input_type,
                output: &mut #output_type,
                workspace: &mut [f32; Self::WORKSPACE],
            ) {
                let isa = rt::Isa::detect();
                #split
                #gather
                plan::forward(rt::Predict {
                    isa,
                    threads: 1,
                    examples: 1,
                    parameters,
                    packed: &[],
                    input: #flat_input,
                    output: #flat_output,
                    workspace,
                });
                #finish
                #scatter
            }
        }
    }
}

/// The methods that need `std`: predictions, training, files.
pub fn methods(context: &Context<'_>, exposed: &[Context<'_>]) -> TokenStream {
    let name = alias();
    let [inputs, outputs] = [Side::In, Side::Out].map(|side| Ports::new(context, side));
    let (input_type, output_type) = (inputs.one_type(), outputs.one_type());
    let (input, zeros) = (inputs.variable(), outputs.zeros());
    let returned = returned(&outputs);
    let (flat_inputs, flat_outputs) = (inputs.flat(), outputs.flat());
    let are_several = inputs.are_several() || outputs.are_several();
    let predict = match are_several {
        true => quote!(predict_parts(&[#(#flat_inputs),*], &mut [#(#flat_outputs),*])),
        false => quote!(predict(#(#flat_inputs)*, #(#flat_outputs)*)),
    };
    let (batch, views) = inputs.batch_parameter();
    let (batch_output, made) = outputs.batch_result();
    let batch_of = |call: TokenStream| match are_several {
        true => quote! {
            let mut outputs = rt::Network::model(self).#call?;
            ::core::result::Result::Ok(#made)
        },
        false => quote!(rt::Network::model(self).#call),
    };
    let (predict_batch, predict_dataset) = match are_several {
        true => (
            batch_of(quote!(predict_batch_parts(&[#views]))),
            batch_of(quote!(predict_dataset_parts(examples))),
        ),
        false => (
            batch_of(quote!(predict_batch(#views))),
            batch_of(quote!(predict_dataset(examples))),
        ),
    };
    let (in_shape, out_shape) = (inputs.shapes(false), outputs.shapes(false));
    let predict_docs = format!("The output, {out_shape}, for one input, {in_shape}.");
    let (in_batch, out_batch) = (inputs.shapes(true), outputs.shapes(true));
    let batch_docs = format!("The outputs, {out_batch}, for a batch of inputs, {in_batch}.");
    let dataset_docs =
        format!("The outputs, {out_batch}, for all inputs of a dataset. Targets are not read.");
    let in_order = match are_several {
        true => ", those of several values one behind the other",
        false => "",
    };
    let slice_docs = format!(
        "[`Self::predict`] with flat slices: {} floats in, {} out{in_order}.",
        inputs.floats(),
        outputs.floats()
    );
    let exposed = exposed.iter().enumerate();
    let exposed = exposed.map(|(index, of)| exposed_methods(index, of));
    let accessors = accessors();
    let views = layer_views(context);
    let (layers, groups) = (views.methods, views.structs);
    let training = training_methods(context.network.train.is_some());
    let inspect = quote! {
        rt::inspect_method! {
            #name
            /// Every value of the network for one input, layer by layer. It is slow, and for looking inside.
            #[must_use]
            pub fn inspect(&self, #input: #input_type) -> rt::Inspection {
                rt::inspect(rt::Network::model(self), &[#(#flat_inputs),*])
            }
        }
    };
    let trainable = context
        .network
        .train
        .is_some()
        .then(|| quote!(impl rt::Trainable for #name {}));
    quote! {
        impl #name {
            /// A network with fresh parameters, drawn as the initializers say: kernels Glorot uniform and
            /// biases zero where none is written. The same seed gives the same parameters on every machine.
            #[must_use]
            pub fn new(seed: u64) -> Self {
                <Self as rt::Network>::from_model(rt::Model::new(&plan::SPEC, seed))
            }

            #[doc = #predict_docs]
            #[must_use]
            pub fn predict(&self, #input: #input_type) -> #output_type
            #returned
            {
                let mut output = #zeros;
                rt::Network::model(self).#predict;
                output
            }

            #[doc = #slice_docs]
            /// No array lies on the stack.
            ///
            /// # Errors
            ///
            /// When a slice has another length.
            pub fn predict_slice(
                &self,
                input: &[f32],
                output: &mut [f32],
            ) -> ::core::result::Result<(), rt::Error> {
                rt::Network::model(self).predict_slice(input, output)
            }

            #[doc = #batch_docs]
            ///
            /// # Errors
            ///
            /// When the inputs have another shape.
            pub fn predict_batch<'a>(
                &self,
                inputs: #batch,
            ) -> ::core::result::Result<#batch_output, rt::Error> {
                #predict_batch
            }

            #[doc = #dataset_docs]
            ///
            /// # Errors
            ///
            /// When the inputs have another shape.
            pub fn predict_dataset(
                &self,
                examples: &dyn rt::Dataset,
            ) -> ::core::result::Result<#batch_output, rt::Error> {
                #predict_dataset
            }

            #(#exposed)*

            #training

            /// Writes the parameters as safetensors: to a temporary file, synced, then renamed,
            /// so that an older file is replaced whole or not at all.
            ///
            /// # Errors
            ///
            /// When the file cannot be written.
            pub fn save(
                &self,
                path: impl ::core::convert::AsRef<rt::Path>,
            ) -> ::core::result::Result<(), rt::Error> {
                rt::Network::model(self).save(path.as_ref())
            }

            /// Reads parameters that [`Self::save`] wrote.
            ///
            /// # Errors
            ///
            /// When the file cannot be read, is damaged, or holds the tensors of another network.
            pub fn load(
                path: impl ::core::convert::AsRef<rt::Path>,
            ) -> ::core::result::Result<Self, rt::Error> {
                ::core::result::Result::map(rt::Model::load(&plan::SPEC, path.as_ref()), <Self as rt::Network>::from_model)
            }

            /// Reads parameters from the bytes of a file that [`Self::save`] wrote, as `include_bytes!` gives
            /// them.
            ///
            /// # Errors
            ///
            /// When the bytes are damaged, or hold the tensors of another network.
            pub fn from_bytes(bytes: &[::core::primitive::u8]) -> ::core::result::Result<Self, rt::Error> {
                ::core::result::Result::map(rt::Model::from_bytes(&plan::SPEC, bytes), <Self as rt::Network>::from_model)
            }

            /// A network with a copy of these parameters: [`Self::TENSORS`] one after the other, as `weights!`
            /// gives them.
            #[must_use]
            pub fn from_parameters(parameters: &[f32; Self::PARAMETERS]) -> Self {
                <Self as rt::Network>::from_model(rt::Model::from_slice(&plan::SPEC, parameters))
            }

            #layers

            #accessors
        }

        #groups

        #inspect

        impl rt::Network for #name {
            fn spec() -> &'static rt::Spec {
                &plan::SPEC
            }

            fn from_model(model: rt::Model) -> Self {
                Self { model: rt::Field::new(model) }
            }

            fn model(&self) -> &rt::Model {
                rt::Field::get(&self.model)
            }

            fn model_mut(&mut self) -> &mut rt::Model {
                rt::Field::get_mut(&mut self.model)
            }
        }

        #trainable
    }
}

/// The methods that hand out an exposed value.
fn exposed_methods(index: usize, context: &Context<'_>) -> TokenStream {
    let [inputs, outputs] = [Side::In, Side::Out].map(|side| Ports::new(context, side));
    let port = &context.network.outputs[0];
    let [one, batch] = exposed_names(port);
    let (input_type, output_type) = (inputs.one_type(), outputs.one_type());
    let (input, zeros) = (inputs.variable(), outputs.zeros());
    let returned = returned(&outputs);
    let (flat_inputs, flat_outputs) = (inputs.flat(), outputs.flat());
    let index = literal(index as u64);
    let (batch_type, views) = inputs.batch_parameter();
    let (batch_output, made) = outputs.batch_result();
    let predictor = quote!(rt::Network::model(self).exposed(#index));
    let predict = match inputs.are_several() {
        true => quote!(predict_parts(&[#(#flat_inputs),*], &mut [#(#flat_outputs),*])),
        false => quote!(predict(#(#flat_inputs)*, #(#flat_outputs)*)),
    };
    let predict_batch = match inputs.are_several() {
        true => quote! {
            let mut outputs = #predictor.predict_batch_parts(&[#views])?;
            ::core::result::Result::Ok(#made)
        },
        false => quote!(#predictor.predict_batch(#views)),
    };
    let docs = format!(
        "The value of `{}`, {}, for one input, {}. Nothing behind it is computed.",
        port.name,
        outputs.shapes(false),
        inputs.shapes(false)
    );
    let batch_docs = format!(
        "The values of `{}`, {}, for a batch of inputs, {}.",
        port.name,
        outputs.shapes(true),
        inputs.shapes(true)
    );
    quote! {
        #[doc = #docs]
        #[must_use]
        pub fn #one(&self, #input: #input_type) -> #output_type
        #returned
        {
            let mut output = #zeros;
            #predictor.#predict;
            output
        }

        #[doc = #batch_docs]
        ///
        /// # Errors
        ///
        /// When the inputs have another shape.
        pub fn #batch<'a>(
            &self,
            inputs: #batch_type,
        ) -> ::core::result::Result<#batch_output, rt::Error> {
            #predict_batch
        }
    }
}

/// The names of the two methods of an exposed value.
fn exposed_names(port: &Port) -> [Ident; 2] {
    ["predict", "predict_batch"].map(|method| format_ident!("{method}_{}", port.name))
}

/// The names of [`methods`].
pub fn names(context: &Context<'_>) -> TokenStream {
    const NAMES: &str = "new predict predict_slice predict_batch predict_dataset fit trainer evaluate confusion_matrix inspect \
                         freeze unfreeze trainable_parameters save \
                         load from_bytes from_parameters parameters tensors tensors_mut";
    let names = tokens(NAMES);
    let layers = context.network.nodes.iter();
    let layers = layers.filter(|node| node.view().is_some());
    let layers = views::names(layers.map(|node| node.name.as_str()));
    let layers = layers
        .into_iter()
        .map(|name| ident(name, Span::call_site()));
    let exposed = context.network.exposed.iter().flat_map(exposed_names);
    quote!(#names #(#layers)* #(#exposed)*)
}

/// Without a `train` block they are there to say at a call that it is missing.
fn training_methods(train: bool) -> TokenStream {
    let hidden = (!train).then(|| quote!(#[doc(hidden)]));
    // The lifetime keeps the compiler from checking the bound here, where nobody calls the method.
    let bound = (!train).then(|| quote!(where for<'a> Self: rt::Trainable));
    quote! {
        /// Trains as the `train` block says.
        ///
        /// # Errors
        ///
        /// When the data do not fit the network, or the loss stops being a finite number.
        #hidden
        pub fn fit(
            &mut self,
            examples: &dyn rt::Dataset,
        ) -> ::core::result::Result<rt::History, rt::Error>
        #bound
        {
            rt::Network::model_mut(self).fit(examples)
        }

        /// Training with other settings than those of the `train` block:
        /// `net.trainer().epochs(3).validation(&test).fit(&train)`.
        #hidden
        pub fn trainer(&mut self) -> rt::Trainer<'_, Self>
        #bound
        {
            rt::Trainer::new(self)
        }

        /// The loss and the metrics over all examples.
        ///
        /// # Errors
        ///
        /// When the data do not fit the network.
        #hidden
        pub fn evaluate(
            &self,
            examples: &dyn rt::Dataset,
        ) -> ::core::result::Result<rt::Scores, rt::Error>
        #bound
        {
            rt::Network::model(self).evaluate(examples)
        }

        /// Which classes are taken for which; of a network with several outputs,
        /// `net.model().confusion_matrix_of("label", …)`.
        ///
        /// # Errors
        ///
        /// When the data do not fit the network, or it has several outputs.
        #hidden
        pub fn confusion_matrix(
            &self,
            examples: &dyn rt::Dataset,
        ) -> ::core::result::Result<rt::ConfusionMatrix, rt::Error>
        #bound
        {
            rt::Network::model(self).confusion_matrix(examples)
        }

        /// Training leaves a layer, or all layers of a block, as it is from now on: `conv2d_1`, `backbone`. A
        /// `batch_normalization` uses its running statistics then.
        ///
        /// # Errors
        ///
        /// When there is no such layer or block, or it has no tensors.
        #hidden
        pub fn freeze(&mut self, layer: &str) -> ::core::result::Result<(), rt::Error>
        #bound
        {
            rt::Network::model_mut(self).freeze(layer)
        }

        /// Training goes on with what [`Self::freeze`] has frozen.
        ///
        /// # Errors
        ///
        /// When there is no such layer or block, or its description says `trainable = false`.
        #hidden
        pub fn unfreeze(&mut self, layer: &str) -> ::core::result::Result<(), rt::Error>
        #bound
        {
            rt::Network::model_mut(self).unfreeze(layer)
        }

        /// How many numbers training changes: those of layers that are not frozen.
        #hidden
        #[must_use]
        pub fn trainable_parameters(&self) -> usize
        #bound
        {
            rt::Network::model(self).trainable_parameters()
        }
    }
}

/// The layers with parameters.
fn layer_views(context: &Context<'_>) -> Views {
    let nodes = context.network.nodes.iter().enumerate();
    let layers = nodes.filter_map(|(id, node)| {
        let mut tensors = context.plan.parameters.iter().enumerate();
        let first = tensors.position(|(_, tensor)| tensor.node == id)?;
        let span = node.label.map(|label| (context.span)(label));
        Some(View {
            name: node.name.clone(),
            span: span.unwrap_or_else(Span::call_site),
            docs: layer_docs(node),
            kind: node.view()?,
            tensors: (first, node.tensors().len()),
        })
    });
    let model = quote!(rt::Network::model(self));
    views::views(
        &layers.collect::<Vec<_>>(),
        &context.network.groups,
        &model,
        context.span,
    )
}

/// All parameters as one slice, and each tensor.
fn accessors() -> TokenStream {
    quote! {
        /// Every parameter in one slice of [`Self::PARAMETERS`] floats, in the tensors' order.
        #[must_use]
        pub fn parameters(&self) -> &[f32] {
            rt::Network::model(self).parameters()
        }

        /// Every parameter tensor with its name, to read.
        pub fn tensors(&self) -> impl ::core::iter::Iterator<Item = (&'static str, rt::ndarray::ArrayViewD<'_, f32>)> {
            rt::Network::model(self).tensors()
        }

        /// Every parameter tensor with its name, to write.
        pub fn tensors_mut(&mut self) -> impl ::core::iter::Iterator<Item = (&'static str, rt::ndarray::ArrayViewMutD<'_, f32>)> {
            rt::Network::model_mut(self).tensors_mut()
        }
    }
}

/// The documentation of one layer: its shapes, its parameters, the user's own lines.
pub fn layer_docs(node: &Node) -> Vec<String> {
    let mut docs = vec![node.summary()];
    if !node.docs.is_empty() {
        docs.push(String::new());
        docs.extend(node.docs.iter().cloned());
    }
    docs
}

/// `rt::ndarray::Ix4` for images, with the batch axis.
pub fn batch_dimension(shape: &Shape) -> TokenStream {
    let dimension = format_ident!("Ix{}", shape.0.len() + 1);
    quote!(rt::ndarray::#dimension)
}

/// `, 28, 28, 1`.
pub fn axes(shape: &Shape) -> String {
    shape.0.iter().map(|size| format!(", {size}")).collect()
}
