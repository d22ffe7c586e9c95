//! The shape rule of every layer.
//!
//! Walks the resolved layers from the input on and turns each into a node whose shape is
//! known. A layer in error answers "unknown" and its followers stay silent, until one of them
//! is known by itself, as `dense(10)` is.

use crate::check::arguments::{Context, Reported};
use crate::check::convert::LIMIT;
use crate::check::resolve::Layer;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Activation, Conv2d, Dense, Node, Op, Pool2d, Shape};
use crate::layers::{Padding, Spec, Window};
use crate::syntax::Span;

/// What is known of the layers.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    /// The nodes of the graph that are known without a gap from the input on.
    pub(crate) nodes: Vec<Node>,
    /// Whether these are all the nodes.
    pub(crate) complete: bool,
    /// The shape of each layer, as far as it is known.
    pub(crate) shapes: Vec<Option<Shape>>,
}

/// The layers whose shapes are known without a gap, up to the current one.
#[derive(Debug, Default)]
pub(crate) struct Chain(Vec<(String, Shape)>);

impl Chain {
    fn last(&self) -> Option<(&str, &Shape)> {
        self.0.last().map(|(name, shape)| (name.as_str(), shape))
    }

    /// `input 28x28x1 → conv2d_1 26x26x32 → …`; long chains lose their middle.
    fn note(&self) -> Option<String> {
        if self.0.len() < 2 {
            return None;
        }
        let link = |(name, shape): &(String, Shape)| format!("{name} {shape}");
        let (head, tail) = match self.0.len() {
            0..=6 => (&self.0[..], &self.0[..0]),
            count => (&self.0[..2], &self.0[count - 3..]),
        };
        let mut shown: Vec<_> = head.iter().map(link).collect();
        if !tail.is_empty() {
            shown.push("…".to_owned());
            shown.extend(tail.iter().map(link));
        }
        Some(shown.join(" → "))
    }

    fn explain(&self, diagnostic: Diagnostic) -> Diagnostic {
        match self.note() {
            Some(note) => diagnostic.note(note),
            None => diagnostic,
        }
    }
}

impl Context<'_> {
    /// Finds the shape of every layer.
    pub(crate) fn shapes(&mut self, layers: &[Option<Layer>]) -> Shapes {
        let mut nodes: Vec<Node> = Vec::new();
        let mut shapes = Vec::new();
        let mut chain = Chain::default();
        for layer in layers {
            let (op, shape) = match layer {
                Some(layer) => self.layer(layer, &chain),
                None => (None, None),
            };
            shapes.push(shape.clone());
            let (Some(layer), Some(shape)) = (layer, shape) else {
                chain.0.clear();
                continue;
            };
            // Without a gap so far, the line above is the last node.
            if let Some(op) = op
                && nodes.len() + 1 == shapes.len()
            {
                let previous = nodes.last().filter(|_| op != Op::Input);
                nodes.push(Node {
                    name: layer.name.clone(),
                    label: layer.label,
                    keyword: layer.keyword.clone(),
                    docs: layer.docs.clone(),
                    inputs: previous.map(|_| nodes.len() - 1).into_iter().collect(),
                    input_shapes: previous
                        .map(|node| node.shape.clone())
                        .into_iter()
                        .collect(),
                    op,
                    shape: shape.clone(),
                    trainable: layer.spec.trainable(),
                });
            }
            chain.0.push((layer.name.clone(), shape));
        }
        let complete = nodes.len() == layers.len() && self.parameters_of_all(&nodes).is_ok();
        Shapes {
            nodes,
            complete,
            shapes,
        }
    }

    /// What a layer computes and how large its output is, each if known.
    fn layer(&mut self, layer: &Layer, chain: &Chain) -> (Option<Op>, Option<Shape>) {
        match &layer.spec {
            Spec::Unknown => (None, None),
            Spec::Input(shape) => (shape.as_ref().map(|_| Op::Input), shape.clone()),
            Spec::Dense {
                units,
                use_bias,
                activation,
                ..
            } => {
                let input = self.flat(layer, chain);
                let op = self.dense(layer, *units, *use_bias, *activation, input);
                (op.ok(), units.map(|units| Shape(vec![units])))
            }
            Spec::Conv2d {
                filters,
                window,
                use_bias,
                activation,
                ..
            } => {
                let Some(image) = self.image(layer, chain) else {
                    return (None, None);
                };
                let (Some(filters), Some(window)) = (*filters, window) else {
                    return (None, None);
                };
                let Ok((padding, [height, width])) = self.place(layer, window, image, chain) else {
                    return (None, None);
                };
                self.lint_strides(layer, window, image, padding);
                let shape = Shape(vec![height, width, filters]);
                let op = Op::Conv2d(Conv2d {
                    filters,
                    kernel: window.size,
                    strides: window.strides,
                    padding,
                    dilation: window.dilation,
                    use_bias: *use_bias,
                    activation: activation.unwrap_or(Activation::Linear),
                });
                let fan_in = product(&[window.size[0], window.size[1], image[2]]);
                let checked = self
                    .elements(
                        &shape,
                        layer.keyword.span,
                        &format!("the output of `{}`", layer.name),
                    )
                    .and_then(|()| self.parameters(layer, fan_in, filters, *use_bias));
                match checked {
                    Ok(()) => (activation.map(|_| op), Some(shape)),
                    Err(Reported) => (None, None),
                }
            }
            Spec::Pool2d { kind, window } => {
                let Some(image) = self.image(layer, chain) else {
                    return (None, None);
                };
                let Some(window) = window else {
                    return (None, None);
                };
                let Ok((padding, [height, width])) = self.pool(layer, window, image, chain) else {
                    return (None, None);
                };
                let pool = Pool2d {
                    kind: *kind,
                    size: window.size,
                    strides: window.strides,
                    padding,
                };
                let shape = Shape(vec![height, width, image[2]]);
                match self.elements(
                    &shape,
                    layer.keyword.span,
                    &format!("the output of `{}`", layer.name),
                ) {
                    Ok(()) => (Some(Op::Pool2d(pool)), Some(shape)),
                    Err(Reported) => (None, None),
                }
            }
            Spec::Flatten => {
                let Some((_, shape)) = chain.last() else {
                    return (None, None);
                };
                (Some(Op::Flatten), Some(Shape(vec![shape.len()])))
            }
            Spec::Dropout { rate } => {
                let Some((_, shape)) = chain.last() else {
                    return (None, None);
                };
                (rate.map(|rate| Op::Dropout { rate }), Some(shape.clone()))
            }
            Spec::Activation(activation) => {
                let Some((_, shape)) = chain.last() else {
                    return (None, None);
                };
                (activation.map(Op::Activation), Some(shape.clone()))
            }
        }
    }

    /// The number of values of a flat input; `None` where it is unknown or not flat.
    fn flat(&mut self, layer: &Layer, chain: &Chain) -> Option<usize> {
        let (previous, shape) = chain.last()?;
        if shape.is_flat() {
            return Some(shape.len());
        }
        let message = format!(
            "`{}` needs a flat input, but `{previous}` produces {shape}",
            layer.name
        );
        let diagnostic = Diagnostic::new(Code::NotFlat, layer.keyword.span, message);
        let help = format!(
            "insert `flatten;` before this line ({shape} → {})",
            shape.len()
        );
        self.report(chain.explain(diagnostic).help(help));
        None
    }

    fn dense(
        &mut self,
        layer: &Layer,
        units: Option<usize>,
        use_bias: bool,
        activation: Option<Activation>,
        input: Option<usize>,
    ) -> Result<Op, Reported> {
        let units = units.ok_or(Reported)?;
        let input = input.ok_or(Reported)?;
        self.parameters(layer, product(&[input]), units, use_bias)?;
        let activation = activation.ok_or(Reported)?;
        Ok(Op::Dense(Dense {
            units,
            use_bias,
            activation,
        }))
    }

    /// Height, width and channels of the input, if it is an image.
    fn image(&mut self, layer: &Layer, chain: &Chain) -> Option<[usize; 3]> {
        let (previous, shape) = chain.last()?;
        if let Some(image) = shape.image() {
            return Some(image);
        }
        let message = format!(
            "`{}` needs an image of height x width x channels, but `{previous}` produces {shape}",
            layer.name
        );
        let only_input = chain.0.len() == 1;
        let help = if shape.0.len() == 2 {
            Some(format!("write `input({shape}x1)` for a grayscale image"))
        } else if only_input && shape.len().isqrt().pow(2) == shape.len() {
            let side = shape.len().isqrt();
            Some(format!(
                "write `input({side}x{side}x1)` if the input is a grayscale image"
            ))
        } else if previous.starts_with("flatten") {
            Some(format!("move `{}` in front of `{previous}`", layer.name))
        } else {
            None
        };
        let diagnostic = Diagnostic::new(Code::NotAnImage, layer.keyword.span, message);
        self.report(chain.explain(diagnostic).maybe_help(help));
        None
    }

    /// The padding around an image, and how often the window fits.
    fn place(
        &mut self,
        layer: &Layer,
        window: &Window,
        image: [usize; 3],
        chain: &Chain,
    ) -> Result<([[usize; 2]; 2], [usize; 2]), Reported> {
        let rows = axis(window, image, 0);
        let columns = axis(window, image, 1);
        if let (Some((top, height)), Some((left, width))) = (rows, columns) {
            return Ok(([top, left], [height, width]));
        }
        Err(self.too_large(layer, window, image, chain))
    }

    fn too_large(
        &mut self,
        layer: &Layer,
        window: &Window,
        image: [usize; 3],
        chain: &Chain,
    ) -> Reported {
        let [height, width, _] = image;
        let [rows, columns] = window.size;
        let dilated = match window.dilation {
            [1, 1] => String::new(),
            [vertical, horizontal] => format!(" with dilation {vertical}x{horizontal}"),
        };
        let part = if matches!(layer.spec, Spec::Conv2d { .. }) {
            "kernel"
        } else {
            "window"
        };
        let previous = chain.last().map_or("the input", |(name, _)| name);
        let padded = match window.padding {
            Padding::Number([vertical, horizontal]) if vertical + horizontal > 0 => {
                format!(", padded by {vertical}x{horizontal}")
            }
            _ => String::new(),
        };
        let message = format!(
            "the {rows}x{columns} {part} of `{}`{dilated} is larger than the {height}x{width} image from `{previous}`{padded}",
            layer.name
        );
        let help = if height == 1 && width == 1 && part == "window" {
            "remove this line: there is nothing left to pool".to_owned()
        } else if window.padding == Padding::Same {
            "use a smaller kernel or dilation".to_owned()
        } else {
            let largest = [0, 1].map(|axis| {
                let padding = match window.padding {
                    Padding::Number(padding) => 2 * padding[axis] as u64,
                    Padding::Valid | Padding::Same => 0,
                };
                let room = image[axis] as u64 + padding;
                ((room - 1) / window.dilation[axis] as u64 + 1).min(window.size[axis] as u64)
            });
            format!(
                "use a {part} of at most {}x{}, or `padding = same`",
                largest[0], largest[1]
            )
        };
        let diagnostic = Diagnostic::new(Code::WindowTooLarge, window.size_span, message);
        self.report(chain.explain(diagnostic).help(help))
    }

    fn pool(
        &mut self,
        layer: &Layer,
        window: &Window,
        image: [usize; 3],
        chain: &Chain,
    ) -> Result<([[usize; 2]; 2], [usize; 2]), Reported> {
        if let Padding::Number(padding) = window.padding
            && (padding[0] >= window.size[0] || padding[1] >= window.size[1])
        {
            let message = format!(
                "the padding of `{}` must be smaller than its {}x{} window",
                layer.name, window.size[0], window.size[1]
            );
            let diagnostic = Diagnostic::new(Code::PaddingTooLarge, window.padding_span, message)
                .note("a window that lies in the padding alone has no value");
            return Err(self.report(diagnostic));
        }
        let placed = self.place(layer, window, image, chain)?;
        self.skipped_input(layer, window, placed.1);
        Ok(placed)
    }

    fn skipped_input(&mut self, layer: &Layer, window: &Window, output: [usize; 2]) -> bool {
        let skips =
            |axis: usize| output[axis] > 1 && window.strides[axis] as u64 > extent(window, axis);
        let skipped = match [skips(0), skips(1)] {
            [false, false] => return false,
            [true, false] => "rows",
            [false, true] => "columns",
            [true, true] => "rows and columns",
        };
        let message = format!(
            "`{}` moves by {}x{} but reads {}x{}: {skipped} between are never read",
            layer.name,
            window.strides[0],
            window.strides[1],
            extent(window, 0),
            extent(window, 1),
        );
        self.report(
            Diagnostic::new(Code::SkippedInput, window.strides_span, message)
                .help("use strides that are at most as large as the window"),
        );
        true
    }

    /// Warns of rows and columns that a convolution never reads.
    fn lint_strides(
        &mut self,
        layer: &Layer,
        window: &Window,
        image: [usize; 3],
        padding: [[usize; 2]; 2],
    ) {
        let output = [0, 1].map(|axis| {
            let padded = (image[axis] + padding[axis][0] + padding[axis][1]) as u64;
            ((padded - extent(window, axis)) / window.strides[axis] as u64 + 1) as usize
        });
        if let Padding::Number(number) = window.padding {
            let beyond = |axis: usize| number[axis] as u64 >= extent(window, axis);
            if beyond(0) || beyond(1) {
                let message = format!(
                    "the padding of `{}` is as large as its kernel: some outputs see nothing but zeros",
                    layer.name
                );
                self.report(
                    Diagnostic::new(Code::PaddingExceedsKernel, window.padding_span, message)
                        .help("use `padding = same`, or a smaller number"),
                );
            }
        }
        if self.skipped_input(layer, window, output) {
            return;
        }
        let dropped = [0, 1].map(|axis| {
            let padded = (image[axis] + padding[axis][0] + padding[axis][1]) as u64;
            let unread = (padded - extent(window, axis)) % window.strides[axis] as u64;
            unread.saturating_sub(padding[axis][1] as u64)
        });
        let count = |count: u64, noun: &str| match count {
            0 => None,
            1 => Some(format!("the last {noun}")),
            _ => Some(format!("the last {count} {noun}s")),
        };
        let lines: Vec<_> = [count(dropped[0], "row"), count(dropped[1], "column")]
            .into_iter()
            .flatten()
            .collect();
        if lines.is_empty() {
            return;
        }
        let message = format!(
            "`{}` never reads {} of its {}x{} image",
            layer.name,
            lines.join(" and "),
            image[0],
            image[1],
        );
        self.report(
            Diagnostic::new(Code::DroppedInput, window.strides_span, message)
                .help("use `padding = same`, or strides and a kernel that fit the image"),
        );
    }

    /// Checks that a shape is not too large.
    pub(crate) fn elements(
        &mut self,
        shape: &Shape,
        span: Span,
        what: &str,
    ) -> Result<(), Reported> {
        let count = product(&shape.0);
        if count <= u128::from(LIMIT) {
            return Ok(());
        }
        let message = format!("{what} has {count} values ({shape}); the limit is {LIMIT}");
        Err(self.report(Diagnostic::new(Code::ShapeTooLarge, span, message)))
    }

    fn parameters(
        &mut self,
        layer: &Layer,
        fan_in: u128,
        units: usize,
        use_bias: bool,
    ) -> Result<(), Reported> {
        let units = units as u128;
        let count = fan_in
            .saturating_mul(units)
            .saturating_add(if use_bias { units } else { 0 });
        if count <= u128::from(LIMIT) {
            return Ok(());
        }
        let message = format!(
            "`{}` has {count} parameters; the limit is {LIMIT}",
            layer.name
        );
        Err(self.report(Diagnostic::new(
            Code::TooManyParameters,
            layer.keyword.span,
            message,
        )))
    }

    /// Checks that all layers together do not have too many parameters.
    fn parameters_of_all(&mut self, nodes: &[Node]) -> Result<(), Reported> {
        let mut count = 0;
        for node in nodes {
            count += node.parameter_count() as u64;
            if count > LIMIT {
                let message = format!(
                    "up to `{}` the network has {count} parameters; the limit is {LIMIT}",
                    node.name
                );
                return Err(self.report(Diagnostic::new(
                    Code::TooManyParameters,
                    node.keyword.span,
                    message,
                )));
            }
        }
        Ok(())
    }
}

/// The rows (or columns) that a window covers: `(size - 1) * dilation + 1`.
fn extent(window: &Window, axis: usize) -> u64 {
    (window.size[axis] as u64 - 1) * window.dilation[axis] as u64 + 1
}

/// Padding before and behind along one axis, and the size of the output, as TensorFlow counts
/// them; `None` where the window does not fit.
fn axis(window: &Window, image: [usize; 3], axis: usize) -> Option<([usize; 2], usize)> {
    let input = image[axis] as u64;
    let (extent, stride) = (extent(window, axis), window.strides[axis] as u64);
    if extent > LIMIT {
        return None;
    }
    let (before, behind) = match window.padding {
        Padding::Valid => (0, 0),
        Padding::Number(padding) => (padding[axis] as u64, padding[axis] as u64),
        Padding::Same => {
            let output = input.div_ceil(stride);
            let total = ((output - 1) * stride + extent).saturating_sub(input);
            (total / 2, total - total / 2)
        }
    };
    let room = (input + before + behind).checked_sub(extent)?;
    let size = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    Some(([size(before), size(behind)], size(room / stride + 1)))
}

/// The product of sizes, each at most [`LIMIT`]; of up to four it cannot overflow.
fn product(sizes: &[usize]) -> u128 {
    sizes
        .iter()
        .map(|&size| size as u128)
        .fold(1, u128::saturating_mul)
}
