//! The catalogue of diagnostics: every code once, with its severity and what it means.
//!
//! The message of a diagnostic names what was written, so it is made where the mistake is
//! found; what is the same for every occurrence stands here. Each code has at least one case
//! in `tests/diagnostics`.

use crate::diagnostic::Severity;

macro_rules! catalogue {
    ($($severity:ident { $($(#[doc = $meaning:literal])+ $variant:ident = $name:literal,)+ })+) => {
        /// What a diagnostic is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($($(#[doc = $meaning])+ $variant,)+)+
        }

        impl Code {
            /// Every code, in the order of the catalogue.
            pub const ALL: &'static [Code] = &[$($(Code::$variant,)+)+];

            /// The name that messages show in brackets: `not_flat`.
            pub const fn name(self) -> &'static str {
                match self {
                    $($(Code::$variant => $name,)+)+
                }
            }

            /// Whether the description is refused.
            pub const fn severity(self) -> Severity {
                match self {
                    $($(Code::$variant => Severity::$severity,)+)+
                }
            }

            /// What the code means, in a sentence or two.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $($(Code::$variant => concat!($($meaning),+).trim_ascii(),)+)+
                }
            }
        }
    };
}

catalogue! {
    Error {
        // The text as a whole.
        /// The text holds no network.
        NoNetwork = "no_network",
        /// A description holds one network; here is another one.
        SeveralNetworks = "several_networks",
        /// A body in braces whose keyword is not `network`.
        ExpectedNetwork = "expected_network",
        /// Layers or settings that no network encloses.
        OutsideNetwork = "outside_network",
        /// A network without a name.
        MissingName = "missing_name",
        /// A name that Rust would not take for a struct or a method.
        InvalidName = "invalid_name",
        /// Something in brackets after `pub` that is no visibility.
        InvalidVisibility = "invalid_visibility",
        /// An attribute that cannot stand here: a layer or setting takes documentation only.
        UnsupportedAttribute = "unsupported_attribute",
        /// Documentation with nothing below it.
        DanglingDocs = "dangling_docs",

        // Punctuation and values.
        /// Text that belongs to nothing.
        UnexpectedText = "unexpected_text",
        /// A label without a layer.
        MissingLayer = "missing_layer",
        /// A statement or setting does not end in `;`.
        MissingSemicolon = "missing_semicolon",
        /// Two arguments without `,` between them.
        MissingComma = "missing_comma",
        /// A `,` with nothing before it.
        UnexpectedComma = "unexpected_comma",
        /// An opening brace is missing.
        MissingOpenBrace = "missing_open_brace",
        /// A bracket or brace is not closed.
        Unclosed = "unclosed",
        /// A block comment is not closed.
        UnterminatedComment = "unterminated_comment",
        /// Brackets stand in brackets too many times.
        NestedTooDeeply = "nested_too_deeply",
        /// A name and a value are joined by something else than `=`, or a label by something else than `:`.
        WrongAssignment = "wrong_assignment",
        /// A name, but no value.
        MissingValue = "missing_value",
        /// A string where a name belongs.
        QuotedName = "quoted_name",
        /// Something that begins like a number and is none.
        InvalidNumber = "invalid_number",
        /// A number that no setting could hold.
        NumberTooLarge = "number_too_large",
        /// Arithmetic without a value: a division that leaves a rest, or by zero, or an unknown sign.
        Arithmetic = "arithmetic",
        /// Several values in parentheses.
        ParenthesisedValue = "parenthesised_value",
        /// A path where a plain name belongs.
        PathedName = "pathed_name",

        // Constants, blocks, repeats.
        /// The name of a constant, block or parameter means something already.
        NameTaken = "name_taken",
        /// A name in arithmetic that is no constant and no parameter.
        UnknownConstant = "unknown_constant",
        /// A constant that is defined by itself, or a block that calls itself.
        Recursion = "recursion",
        /// A block or repeat without layers.
        EmptyBody = "empty_body",
        /// A line that cannot stand here: an input or `train` in a block, a definition behind a layer.
        MisplacedStatement = "misplaced_statement",
        /// More layers than the compiler handles.
        TooManyLayers = "too_many_layers",

        // Names of layers, labels.
        /// A layer that does not exist.
        UnknownLayer = "unknown_layer",
        /// A layer or construct that the language does not have yet.
        Unsupported = "unsupported",
        /// A network without an input.
        NoInput = "no_input",
        /// A network with nothing but an input.
        NoLayers = "no_layers",
        /// A layer stands before the input.
        InputNotFirst = "input_not_first",
        /// Several inputs, of which one has no label.
        SeveralInputs = "several_inputs",
        /// A line that reads the line above, which is one of several inputs.
        AmbiguousInput = "ambiguous_input",
        /// A network has one line of outputs; here is another one.
        SeveralOutputs = "several_outputs",
        /// Two layers have the same name.
        DuplicateLabel = "duplicate_label",
        /// A label with capitals or `__`: it becomes a method, and those are snake_case.
        LabelNotSnakeCase = "label_not_snake_case",
        /// A reference to a layer that does not exist.
        UnknownLabel = "unknown_label",
        /// A reference to a line that comes later, or to the line itself.
        LaterLabel = "later_label",
        /// A reference to a layer by the name that the compiler gave it.
        AutomaticName = "automatic_name",
        /// A label that the generated struct or the language uses for something else.
        ReservedLabel = "reserved_label",

        // Arguments.
        /// An argument or setting that does not exist.
        UnknownArgument = "unknown_argument",
        /// An argument or setting is given twice.
        DuplicateArgument = "duplicate_argument",
        /// Arguments of which only one can be given.
        ConflictingArguments = "conflicting_arguments",
        /// An argument without a name after one with a name.
        PositionalAfterNamed = "positional_after_named",
        /// More arguments than the layer takes.
        TooManyArguments = "too_many_arguments",
        /// An argument or setting that must be given is not.
        MissingArgument = "missing_argument",
        /// A value of another kind than the argument takes.
        WrongType = "wrong_type",
        /// A number outside of the range that makes sense.
        OutOfRange = "out_of_range",
        /// A size of zero.
        ZeroSize = "zero_size",
        /// The sizes of an input or a shape as separate arguments.
        SeparateSizes = "separate_sizes",
        /// An input or a shape with more axes than height, width and channels.
        TooManyAxes = "too_many_axes",
        /// A name that is none of those that belong here.
        UnknownName = "unknown_name",

        // Shapes.
        /// A layer that reads a flat vector stands behind one that produces several axes.
        NotFlat = "not_flat",
        /// A layer that reads an image stands behind one that produces none.
        NotAnImage = "not_an_image",
        /// A window is larger than the image that it moves over.
        WindowTooLarge = "window_too_large",
        /// A pooling window could lie in the padding alone.
        PaddingTooLarge = "padding_too_large",
        /// A cropping that leaves no row or no column.
        CroppingTooLarge = "cropping_too_large",
        /// A reshape to another number of values.
        ReshapeMismatch = "reshape_mismatch",
        /// Values of shapes that do not go together are joined.
        JoinMismatch = "join_mismatch",
        /// Groups that do not divide the channels or the filters.
        UnequalGroups = "unequal_groups",
        /// Padding that leaves nothing of the output.
        EmptyOutput = "empty_output",
        /// Strides and dilation together, which Keras refuses too.
        DilatedStrides = "dilated_strides",
        /// A shape holds more values than the compiler handles.
        ShapeTooLarge = "shape_too_large",
        /// A layer or network has more parameters than the compiler handles.
        TooManyParameters = "too_many_parameters",

        // Training.
        /// A network has one `train` block; here is another one.
        SeveralTrainBlocks = "several_train_blocks",
        /// A layer stands behind the `train` block.
        LayerAfterTrain = "layer_after_train",
        /// Losses and outputs that do not go together: one loss for several outputs, an output without a loss.
        LossOfOutputs = "loss_of_outputs",
        /// The loss and the last layer do not fit.
        LossMismatch = "loss_mismatch",
        /// A metric is not of such outputs.
        MetricMismatch = "metric_mismatch",
        /// An augmentation does not fit the input, an output or its loss.
        AugmentMismatch = "augment_mismatch",
    }
    Warning {
        /// A constant that nothing reads, or a block that nothing calls.
        UnusedDefinition = "unused_definition",
        /// A product of numbers where sizes are joined by `x`.
        ProductOfSizes = "product_of_sizes",
        /// Strides larger than the window: some rows or columns are never read.
        SkippedInput = "skipped_input",
        /// An input whose channels seem to stand first: images are height x width x channels.
        ChannelsFirst = "channels_first",
        /// The strides do not divide the image: more than a third of its rows or columns are never read.
        DroppedInput = "dropped_input",
        /// Some windows lie in the padding alone.
        PaddingExceedsKernel = "padding_exceeds_kernel",
        /// A softmax that is not the output.
        SoftmaxInTheMiddle = "softmax_in_the_middle",
        /// A softmax over one value, which is always 1.
        SoftmaxOfOne = "softmax_of_one",
        /// A layer that changes nothing.
        NoEffect = "no_effect",
        /// A layer whose value nothing reads.
        UnreadValue = "unread_value",
        /// The output of the network is a dropout.
        DropoutLast = "dropout_last",
        /// A metric is given twice.
        DuplicateMetric = "duplicate_metric",
        /// A `train` block, but no parameters that it could change.
        NothingToTrain = "nothing_to_train",
        /// Nesterov momentum without momentum.
        NesterovWithoutMomentum = "nesterov_without_momentum",
    }
}

impl core::fmt::Display for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}
