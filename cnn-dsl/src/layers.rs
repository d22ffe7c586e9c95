//! The layers: how each is written, and what its arguments mean.
//!
//! A [`Spec`] is a layer whose arguments are known but whose input is not; `shape` turns it
//! into an `Op`. What was reported is `None`, so that the shape rules stay silent about it.

use crate::check::arguments::{Bound, Context, Reported, Signature};
use crate::diagnostic::suggest::{Hint, Vocabulary, hint};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Activation, PoolKind, Shape};
use crate::syntax::{LayerSyntax, Span, Value, ValueKind};

/// A layer without its input.
#[derive(Clone, Debug)]
pub(crate) enum Spec {
    Input(Option<Shape>),
    Conv2d {
        filters: Option<usize>,
        window: Option<Window>,
        use_bias: bool,
        trainable: bool,
        activation: Option<Activation>,
    },
    Pool2d {
        kind: PoolKind,
        window: Option<Window>,
    },
    Flatten,
    Dense {
        units: Option<usize>,
        use_bias: bool,
        trainable: bool,
        activation: Option<Activation>,
    },
    Dropout {
        rate: Option<f64>,
    },
    Activation(Option<Activation>),
    /// A layer that was reported.
    Unknown,
}

impl Spec {
    /// Whether training changes the layer's parameters, if it has any.
    pub(crate) fn trainable(&self) -> bool {
        match self {
            Self::Conv2d { trainable, .. } | Self::Dense { trainable, .. } => *trainable,
            _ => true,
        }
    }
}

/// A window that moves over an image, and where its parts were written.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) size: [usize; 2],
    pub(crate) strides: [usize; 2],
    pub(crate) padding: Padding,
    pub(crate) dilation: [usize; 2],
    pub(crate) size_span: Span,
    pub(crate) strides_span: Span,
    pub(crate) padding_span: Span,
}

/// What stands around an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    /// Nothing: windows lie inside the image.
    Valid,
    /// As many zeros as make the output `ceil(input / strides)` large.
    Same,
    /// So many rows above and below, and columns left and right.
    Number([usize; 2]),
}

/// The names of the activations, which are layers too.
pub(crate) const ACTIVATIONS: &[&str] =
    &["linear", "relu", "leaky_relu", "sigmoid", "tanh", "softmax"];

const PADDINGS: &[&str] = &["valid", "same"];

const INPUT: Signature = Signature {
    name: "input",
    parameters: &["shape"],
    required: 1,
    usage: "input(28x28x1)",
};
const CONV2D: Signature = Signature {
    name: "conv2d",
    parameters: &[
        "filters",
        "kernel",
        "strides",
        "padding",
        "dilation",
        "activation",
        "use_bias",
        "trainable",
    ],
    required: 2,
    usage: "conv2d(filters, kernel, strides = 1, padding = valid, dilation = 1, activation = linear, use_bias = true, trainable = true)",
};
const MAX_POOL2D: Signature = Signature {
    name: "max_pool2d",
    parameters: &["size", "strides", "padding"],
    required: 0,
    usage: "max_pool2d(size = 2x2, strides = size, padding = valid)",
};
const AVG_POOL2D: Signature = Signature {
    name: "avg_pool2d",
    parameters: &["size", "strides", "padding"],
    required: 0,
    usage: "avg_pool2d(size = 2x2, strides = size, padding = valid)",
};
const FLATTEN: Signature = plain("flatten");
const DENSE: Signature = Signature {
    name: "dense",
    parameters: &["units", "activation", "use_bias", "trainable"],
    required: 1,
    usage: "dense(units, activation = linear, use_bias = true, trainable = true)",
};
const DROPOUT: Signature = Signature {
    name: "dropout",
    parameters: &["rate"],
    required: 1,
    usage: "dropout(rate)",
};
const ACTIVATION: Signature = Signature {
    name: "activation",
    parameters: &["activation"],
    required: 1,
    usage: "activation(relu)",
};
const LEAKY_RELU: Signature = Signature {
    name: "leaky_relu",
    parameters: &["negative_slope"],
    required: 0,
    usage: "leaky_relu(negative_slope = 0.3)",
};
/// `activation = leaky_relu`, whose default is not that of the layer; see
/// [`Activation::LeakyRelu`].
const LEAKY_RELU_FUNCTION: Signature = Signature {
    usage: "leaky_relu(negative_slope = 0.2)",
    ..LEAKY_RELU
};

/// Every layer. The names of activations are layers too, `linear` excepted, which
/// `activation(linear)` covers.
const SIGNATURES: &[&Signature] = &[
    &INPUT,
    &CONV2D,
    &MAX_POOL2D,
    &AVG_POOL2D,
    &FLATTEN,
    &DENSE,
    &DROPOUT,
    &ACTIVATION,
    &const { plain("relu") },
    &LEAKY_RELU,
    &const { plain("sigmoid") },
    &const { plain("tanh") },
    &const { plain("softmax") },
];

/// The signature of a layer without arguments.
const fn plain(name: &'static str) -> Signature {
    Signature {
        name,
        parameters: &[],
        required: 0,
        usage: name,
    }
}

impl Context<'_> {
    /// Reads a layer's keyword and arguments.
    pub(crate) fn spec(&mut self, layer: &LayerSyntax) -> Spec {
        let keyword = &layer.keyword;
        let found = SIGNATURES
            .iter()
            .find(|signature| signature.name == keyword.text);
        let Some(&signature) = found else {
            // What stands behind the keyword was reported already; it is hardly a layer.
            if !layer.damaged {
                self.unknown_layer(layer);
            }
            return Spec::Unknown;
        };
        if signature.name == "input" {
            return Spec::Input(self.input(layer));
        }
        let bound = &self.bind(signature, keyword.span, &layer.arguments, layer.damaged);
        match signature.name {
            "conv2d" => Spec::Conv2d {
                filters: self.count("filters", bound.get("filters")).ok().flatten(),
                window: self.conv_window(keyword.span, bound).ok(),
                use_bias: self.switch("use_bias", bound),
                trainable: self.switch("trainable", bound),
                activation: self.activation_argument(bound),
            },
            "max_pool2d" => Spec::Pool2d {
                kind: PoolKind::Max,
                window: self.pool_window(keyword.span, bound).ok(),
            },
            "avg_pool2d" => Spec::Pool2d {
                kind: PoolKind::Average,
                window: self.pool_window(keyword.span, bound).ok(),
            },
            "flatten" => Spec::Flatten,
            "dense" => Spec::Dense {
                units: self.count("units", bound.get("units")).ok().flatten(),
                use_bias: self.switch("use_bias", bound),
                trainable: self.switch("trainable", bound),
                activation: self.activation_argument(bound),
            },
            "dropout" => Spec::Dropout {
                rate: self
                    .number(
                        "rate",
                        bound.get("rate"),
                        |rate| (0.0..1.0).contains(&rate),
                        "at least 0 and less than 1",
                    )
                    .ok()
                    .flatten(),
            },
            "activation" => Spec::Activation(match bound.get("activation") {
                Ok(Some(value)) => self.activation(value).ok(),
                _ => None,
            }),
            "leaky_relu" => Spec::Activation(self.leaky_relu(bound, 0.3).ok()),
            name => Spec::Activation(parameterless(name)),
        }
    }

    fn unknown_layer(&mut self, layer: &LayerSyntax) {
        let keyword = &layer.keyword;
        if keyword.text == "train" {
            let diagnostic = Diagnostic::new(
                Code::MissingOpenBrace,
                Span::at(keyword.span.end),
                "expected `{` after `train`",
            )
            .help("write `train { loss = mse; }`");
            self.report(diagnostic);
            return;
        }
        let names: Vec<_> = SIGNATURES.iter().map(|signature| signature.name).collect();
        let hint = hint(Vocabulary::Layer, &keyword.text, &names);
        let diagnostic = match hint {
            Some(Hint::Unsupported(_)) => Diagnostic::new(
                Code::Unsupported,
                keyword.span,
                format!("`{}` is not supported yet", keyword.text),
            ),
            _ => Diagnostic::new(
                Code::UnknownLayer,
                keyword.span,
                format!("there is no layer `{}`", keyword.text),
            ),
        };
        let diagnostic = match &hint {
            None => diagnostic.note(format!("there are {}", names.join(", "))),
            Some(hint) => diagnostic.maybe_help(hint.help()),
        };
        self.report(diagnostic);
    }

    fn input(&mut self, layer: &LayerSyntax) -> Option<Shape> {
        let arguments = &layer.arguments;
        let separate: Option<Vec<_>> = arguments
            .iter()
            .map(|argument| match (&argument.name, &argument.value.kind) {
                (None, ValueKind::Integer(size)) => u64::try_from(*size).ok(),
                _ => None,
            })
            .collect();
        if let (Some(sizes), [first, .., last]) = (separate, &arguments[..]) {
            let joined: Vec<_> = sizes.iter().map(u64::to_string).collect();
            let diagnostic = Diagnostic::new(
                Code::SeparateSizes,
                first.span().to(last.span()),
                "the sizes of an input are one value, joined by `x`",
            )
            .help(format!("write `input({})`", joined.join("x")));
            self.report(diagnostic);
            return None;
        }
        let bound = self.bind(&INPUT, layer.keyword.span, arguments, layer.damaged);
        let value = bound.get("shape").ok().flatten()?;
        match &value.kind {
            ValueKind::Integer(size) => {
                let Ok(size) = u64::try_from(*size) else {
                    self.out_of_range("input", "positive", value, None);
                    return None;
                };
                self.size("input", size, value)
                    .ok()
                    .map(|size| Shape(vec![size]))
            }
            ValueKind::Dims(sizes) => self.input_shape(sizes, value).ok(),
            ValueKind::List(_) => {
                let help = Some("write `input(28x28x1)`".to_owned());
                self.wrong_type("input", "sizes, as in `28x28x1`", value, help);
                None
            }
            _ => {
                self.wrong_type("input", "sizes, as in `28x28x1`", value, None);
                None
            }
        }
    }

    fn input_shape(&mut self, sizes: &[u64], value: &Value) -> Result<Shape, Reported> {
        if sizes.len() > 3 {
            let diagnostic = Diagnostic::new(
                Code::TooManyAxes,
                value.span,
                format!("an input has at most 3 axes, found {}", sizes.len()),
            )
            .note("an image is height x width x channels; the batch is not part of it");
            let last: Vec<_> = sizes[sizes.len() - 3..]
                .iter()
                .map(u64::to_string)
                .collect();
            return Err(self.report(diagnostic.help(format!("write `input({})`", last.join("x")))));
        }
        let shape: Result<Vec<_>, _> = sizes
            .iter()
            .map(|&size| self.size("input", size, value))
            .collect();
        let shape = Shape(shape?);
        self.elements(&shape, value.span, "the input")?;
        Ok(shape)
    }

    fn conv_window(&mut self, keyword: Span, bound: &Bound<'_>) -> Result<Window, Reported> {
        let size = self.pair("kernel", bound.get("kernel"));
        let strides = self.pair("strides", bound.get("strides"));
        let padding = self.padding_argument(bound);
        let dilation = self.pair("dilation", bound.get("dilation"));
        let window = Window {
            size: size?.ok_or(Reported)?,
            strides: strides?.unwrap_or([1, 1]),
            padding: padding?,
            dilation: dilation?.unwrap_or([1, 1]),
            size_span: bound.span("kernel").unwrap_or(keyword),
            strides_span: bound.span("strides").unwrap_or(keyword),
            padding_span: bound.span("padding").unwrap_or(keyword),
        };
        let moves = |steps: [usize; 2]| steps.iter().any(|&step| step > 1);
        if moves(window.strides) && moves(window.dilation) {
            let diagnostic = Diagnostic::new(
                Code::DilatedStrides,
                bound.span("dilation").unwrap_or(keyword),
                "strides and dilation cannot both be larger than 1",
            )
            .secondary(window.strides_span, "the strides")
            .help("use one of the two, as in Keras");
            return Err(self.report(diagnostic));
        }
        Ok(window)
    }

    fn pool_window(&mut self, keyword: Span, bound: &Bound<'_>) -> Result<Window, Reported> {
        let size = self.pair("size", bound.get("size"));
        let strides = self.pair("strides", bound.get("strides"));
        let padding = self.padding_argument(bound);
        let size = size?.unwrap_or([2, 2]);
        Ok(Window {
            size,
            strides: strides?.unwrap_or(size),
            padding: padding?,
            dilation: [1, 1],
            size_span: bound.span("size").unwrap_or(keyword),
            strides_span: bound.span("strides").unwrap_or(keyword),
            padding_span: bound.span("padding").unwrap_or(keyword),
        })
    }

    fn padding_argument(&mut self, bound: &Bound<'_>) -> Result<Padding, Reported> {
        let Some(value) = bound.get("padding")? else {
            return Ok(Padding::Valid);
        };
        if !matches!(value.kind, ValueKind::Name(_) | ValueKind::Call(_)) {
            let sizes = self.padding(Ok(Some(value)))?;
            return sizes.map(Padding::Number).ok_or(Reported);
        }
        let word = self.word(
            (Vocabulary::Padding, PADDINGS),
            ("padding", "a padding"),
            value,
        )?;
        self.no_arguments(&word)?;
        Ok(if word.name == "same" {
            Padding::Same
        } else {
            Padding::Valid
        })
    }

    /// What is true unless switched off.
    fn switch(&mut self, parameter: &str, bound: &Bound<'_>) -> bool {
        // A mistake here leaves every shape as it is.
        self.boolean(parameter, bound.get(parameter))
            .ok()
            .flatten()
            .unwrap_or(true)
    }

    fn activation_argument(&mut self, bound: &Bound<'_>) -> Option<Activation> {
        match bound.get("activation") {
            Ok(None) => Some(Activation::Linear),
            Ok(Some(value)) => self.activation(value).ok(),
            Err(Reported) => None,
        }
    }

    /// An activation as a value: `relu`, `leaky_relu(0.1)`.
    fn activation(&mut self, value: &Value) -> Result<Activation, Reported> {
        let vocabulary = (Vocabulary::Activation, ACTIVATIONS);
        let word = self.word(vocabulary, ("activation", "an activation"), value)?;
        if word.name == "leaky_relu" {
            let (arguments, damaged) = match word.call {
                Some(call) => (&call.arguments[..], call.damaged),
                None => (&[][..], false),
            };
            let bound = self.bind(&LEAKY_RELU_FUNCTION, word.span, arguments, damaged);
            return self.leaky_relu(&bound, 0.2);
        }
        self.no_arguments(&word)?;
        parameterless(word.name).ok_or(Reported)
    }

    fn leaky_relu(&mut self, bound: &Bound<'_>, default: f64) -> Result<Activation, Reported> {
        let slope = bound.get("negative_slope");
        let slope = self.number(
            "negative_slope",
            slope,
            |slope| slope >= 0.0,
            "zero or more",
        )?;
        Ok(Activation::LeakyRelu {
            negative_slope: slope.unwrap_or(default),
        })
    }
}

/// An activation that takes no arguments.
fn parameterless(name: &str) -> Option<Activation> {
    Some(match name {
        "linear" => Activation::Linear,
        "relu" => Activation::Relu,
        "sigmoid" => Activation::Sigmoid,
        "tanh" => Activation::Tanh,
        "softmax" => Activation::Softmax,
        _ => return None,
    })
}
