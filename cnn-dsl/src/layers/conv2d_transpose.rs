//! `conv2d_transpose`: a convolution backwards, which makes images larger.

use super::conv2d::read_window;
use super::window::{self, Padding};
use super::{ACTIVATION, Activation, Layer, LayerKind, Op, TRAINABLE, Takes, Tensor, USE_BIAS};
use super::{
    BIAS_CONSTRAINT, BIAS_INITIALIZER, BIAS_REGULARIZER, KERNEL_CONSTRAINT, KERNEL_INITIALIZER,
    KERNEL_REGULARIZER, TensorSettings,
};
use super::{Parameter, Window, activation_flops, argument};
use crate::check::arguments::{Given, Reader, Reported};
use crate::check::shape::Site;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::Shape;
use crate::syntax::ValueKind;
use cnn_ir::Operation;
use cnn_ir::operation::{self, image};

/// A transposed convolution over an `[H, W, C]` image: each cell adds a multiple of the kernel to the output, at a
/// distance of `strides` from its neighbours.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2dTranspose {
    /// Output channels.
    pub filters: usize,
    /// The kernel, and by what it moves over the output. Padding is what is left out around the output.
    pub window: Window,
    /// Rows and columns that the output has more at its end; by Keras' rule, where nothing was written.
    pub output_padding: Option<[usize; 2]>,
    /// Whether a bias is added.
    pub use_bias: bool,
    /// Whether training changes its parameters.
    pub trainable: bool,
    /// Of the kernel.
    pub kernel: TensorSettings,
    /// Of the bias.
    pub bias: TensorSettings,
    /// Applied to the result.
    pub activation: Activation,
}

const PADDING: Parameter = argument(
    "padding",
    Some("valid"),
    &[
        "`valid`: an output of `(input - 1) * strides + max(kernel, strides)`. `same`: of `input * strides`. Or how many rows and columns to leave out on each side.",
    ],
);

pub(super) const CONV2D_TRANSPOSE: LayerKind = LayerKind {
    name: "conv2d_transpose",
    other_names: &[
        "convtranspose2d",
        "convtranspose",
        "convolution2dtranspose",
        "transposedconv2d",
        "transposeconv2d",
        "deconv2d",
        "deconv",
        "deconvolution2d",
        "deconvolution",
    ],
    docs: "A transposed convolution, which makes an image larger: the gradient of `conv2d` with respect to its input.",
    example: None,
    takes: Takes::Image,
    view: Some("Conv2dTransposeView"),
    parameters: &[
        window::FILTERS,
        window::KERNEL,
        argument(
            "strides",
            Some("1"),
            &["How many times as high and as wide the image becomes."],
        ),
        PADDING,
        argument(
            "output_padding",
            Some("none"),
            &[
                "Rows and columns to add at the end, fewer than the strides. The output is then `(input - 1) * strides + kernel + output_padding`, with `same` `(input - 1) * strides + kernel % 2 + output_padding`.",
            ],
        ),
        window::DILATION,
        ACTIVATION,
        USE_BIAS,
        TRAINABLE,
        KERNEL_INITIALIZER,
        KERNEL_REGULARIZER,
        KERNEL_CONSTRAINT,
        BIAS_INITIALIZER,
        BIAS_REGULARIZER,
        BIAS_CONSTRAINT,
    ],
    read,
};

fn read(reader: &mut Reader<'_, '_>) -> Result<Op, Reported> {
    let filters = reader.count("filters");
    let window = read_window(reader);
    let output_padding = output_padding(reader);
    let activation = reader.activation();
    let use_bias = reader.switch("use_bias");
    let trainable = reader.switch("trainable");
    let kernel = TensorSettings::read(reader, "kernel", 2);
    let bias = TensorSettings::read(reader, "bias", 1);
    let (window, output_padding) = (window?, output_padding?);
    if let Some(padding) = output_padding
        && (0..2).any(|axis| padding[axis] >= window.strides[axis])
    {
        let [down, right] = window.strides;
        let message = format!(
            "`output_padding` has to be smaller than the strides, which are {down}x{right}"
        );
        let diagnostic = Diagnostic::new(Code::OutOfRange, reader.span("output_padding"), message)
            .help(format!("use at most {}x{}", down - 1, right - 1));
        return Err(reader.context.report(diagnostic));
    }
    Ok(Op::Conv2dTranspose(Conv2dTranspose {
        filters: filters?,
        window,
        output_padding,
        use_bias,
        trainable,
        kernel,
        bias,
        activation,
    }))
}

/// Rows and columns, or `none`.
fn output_padding(reader: &mut Reader<'_, '_>) -> Given<[usize; 2]> {
    let value = reader.get("output_padding")?;
    let value =
        value.filter(|value| !matches!(&value.kind, ValueKind::Name(name) if name == "none"));
    reader.context.pair_or_zero("output_padding", Ok(value))
}

impl Conv2dTranspose {
    /// The rows (or columns) that are left out before the output, and how many the output has, as Keras computes them
    /// on all of its backends but PyTorch: those of a convolution from the output to the input. None where nothing is
    /// left of it.
    fn axis(&self, axis: usize, input: usize) -> Option<[usize; 2]> {
        let window = &self.window;
        let (extent, stride) = (window.extent(axis), window.strides[axis] as u64);
        let more = self.output_padding.map(|padding| padding[axis] as u64);
        let apart = (input as u64 - 1).saturating_mul(stride);
        let (before, size) = match (window.padding, more) {
            (Padding::Valid, None) => (0, apart + extent.max(stride)),
            (Padding::Valid, Some(more)) => (0, apart + extent + more),
            (Padding::Same, None) => (extent.saturating_sub(stride) / 2, apart + stride),
            (Padding::Same, Some(more)) => {
                let end = extent % 2 + more;
                (extent.saturating_sub(end) / 2, apart + end)
            }
            (Padding::Number(padding), more) => {
                let whole = apart + extent + more.unwrap_or(0);
                let padding = padding[axis] as u64;
                (padding, whole.saturating_sub(2 * padding))
            }
        };
        let sizes = [before, size].map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        (size > 0).then_some(sizes)
    }

    /// What is left out above and left of the output, and its height and width.
    fn place(&self, [height, width]: [usize; 2]) -> Option<[[usize; 2]; 2]> {
        let [top, height] = self.axis(0, height)?;
        let [left, width] = self.axis(1, width)?;
        Some([[top, left], [height, width]])
    }
}

impl Conv2dTranspose {
    /// Warns of padding that is as large as the kernel.
    fn excess_padding(&self, site: &mut Site<'_, '_>) {
        let Padding::Number(padding) = self.window.padding else {
            return;
        };
        if (0..2).all(|axis| (padding[axis] as u64) < self.window.extent(axis)) {
            return;
        }
        let message = format!(
            "the padding of `{}` is as large as its kernel: some cells of its input reach no output",
            site.name()
        );
        let code = Code::PaddingExceedsKernel;
        let diagnostic = Diagnostic::new(code, site.argument("padding"), message);
        site.report(diagnostic.help("use `padding = same`, or a smaller number"));
    }
}

impl Layer for Conv2dTranspose {
    fn shape(&self, input: &Shape, site: &mut Site<'_, '_>) -> Result<Shape, Reported> {
        let [height, width, _] = image(&input.0);
        let Some([_, [rows, columns]]) = self.place([height, width]) else {
            let message = format!(
                "`{}` leaves nothing of its output: its padding is larger than what {height}x{width} cells fill",
                site.name()
            );
            let diagnostic = Diagnostic::new(Code::EmptyOutput, site.argument("padding"), message);
            let diagnostic = site.explain(diagnostic);
            return Err(site.report(diagnostic.help("use less padding, or a larger kernel")));
        };
        self.excess_padding(site);
        Ok(Shape(vec![rows, columns, self.filters]))
    }

    fn tensors(&self, inputs: &[Shape]) -> Vec<Tensor> {
        let Some(input) = inputs.first() else {
            return Vec::new();
        };
        let [_, _, channels] = image(&input.0);
        let [height, width] = self.window.size;
        // Keras takes the fans from the places of the axes, also where channels come last.
        let kernel = Tensor::kernel(vec![height, width, self.filters, channels], self.kernel);
        let bias = self.use_bias.then(|| Tensor::bias(self.filters, self.bias));
        [kernel].into_iter().chain(bias).collect()
    }

    fn is_trainable(&self) -> bool {
        self.trainable
    }

    /// A multiplication and an addition for each weight and each cell of the input, those that fall into the padding
    /// included.
    fn flops_of_all(&self, inputs: &[Shape], output: &Shape) -> u64 {
        let cells = inputs.first().map_or(0, Shape::len) as u64;
        let patch = self.window.size.iter().product::<usize>() as u64;
        let each = u64::from(self.use_bias) + activation_flops(self.activation);
        (2 * patch)
            .saturating_mul(cells)
            .saturating_mul(self.filters as u64)
            .saturating_add((output.len() as u64).saturating_mul(each))
    }

    fn activation(&self) -> Option<Activation> {
        Some(self.activation)
    }

    fn with_activation(&self, name: &str, activation: &str) -> String {
        format!("give `{name}` an `activation = {activation}`")
    }

    fn operation(&self, inputs: &[Shape], output: &Shape) -> Option<Operation> {
        let input = image(&inputs.first()?.0);
        let [padding, _] = self.place([input[0], input[1]])?;
        let conv = operation::Conv2d {
            strides: self.window.strides,
            padding,
            dilation: self.window.dilation,
            ..operation::Conv2d::new(image(&output.0), self.window.size, input)
        };
        let transpose = operation::Conv2dTranspose {
            conv,
            activation: self.activation,
        };
        Some(transpose.into())
    }
}
