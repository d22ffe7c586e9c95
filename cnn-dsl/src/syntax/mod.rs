//! The syntax tree: what was written, and where.
//!
//! `parse` builds it from text and `resolve` reads it. It keeps the order and the spans of the
//! source and knows nothing of layers or shapes. Whatever the grammar could not read is left
//! out, reported, and marked: a statement that lost something is `damaged`, so that later
//! stages do not complain about the rest of it.

mod definitions;
#[allow(dead_code)] // pest generates more than is called
#[rustfmt::skip]
pub(crate) mod grammar;
pub(crate) mod parse;
mod statements;
mod values;

/// A range of bytes of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// The bytes `start..end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The empty span before byte `offset`.
    pub const fn at(offset: usize) -> Self {
        Self::new(offset, offset)
    }

    /// From the start of `self` to the end of `last`.
    pub const fn to(self, last: Self) -> Self {
        Self::new(self.start, last.end)
    }

    /// The text that the span covers.
    pub fn text(self, source: &str) -> &str {
        &source[self.start..self.end]
    }
}

/// A name and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name: that of `r#type` is `type`.
    pub text: String,
    /// Where it was written, with its `r#`.
    pub span: Span,
}

/// A whole description: one `network`, if the text holds one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// The first network of the text.
    pub network: Option<NetworkSyntax>,
}

/// `pub network Name { … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkSyntax {
    /// The lines of the documentation above, without their markers.
    pub docs: Vec<String>,
    /// Where the other attributes above stand, `#[…]` each.
    pub attributes: Vec<Span>,
    /// `pub`, `pub(crate)`, …, or empty.
    pub visibility: String,
    /// The name of the struct.
    pub name: Option<Name>,
    /// What a message about the network as a whole points at: its name, or its keyword.
    pub head: Span,
    /// What stands between the braces, in source order.
    pub statements: Vec<Statement>,
}

/// One line of a network or of a block.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// A value with a name.
    Constant(ConstantSyntax),
    /// Layers with a name.
    Block(BlockSyntax),
    /// Layers that stand several times.
    Repeat(RepeatSyntax),
    /// A layer, or the call of a block.
    Layer(LayerSyntax),
    /// The `train` block.
    Train(TrainSyntax),
    /// Something that was reported and could not be read as either.
    Invalid,
}

/// `const NAME = value;`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstantSyntax {
    /// The name; none where it was reported.
    pub name: Option<Name>,
    /// The value; `Invalid` where none could be read.
    pub value: Value,
    /// The keyword `const`.
    pub keyword: Span,
}

/// `block name(parameters) { … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockSyntax {
    /// The lines of the documentation above.
    pub docs: Vec<String>,
    /// The name; none where it was reported.
    pub name: Option<Name>,
    /// The keyword `block`.
    pub keyword: Span,
    /// What a call gives, in source order.
    pub parameters: Vec<ParameterSyntax>,
    /// What stands between the braces.
    pub body: Vec<Statement>,
    /// Whether a part of the parameters was reported and left out.
    pub damaged: bool,
}

/// A parameter of a block: `name` or `name = default`.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterSyntax {
    /// The name.
    pub name: Name,
    /// The value where a call gives none; without one, a call has to.
    pub default: Option<Value>,
}

/// `label: repeat count { … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct RepeatSyntax {
    /// The label.
    pub label: Option<Name>,
    /// The lines of the documentation above.
    pub docs: Vec<String>,
    /// The keyword `repeat`.
    pub keyword: Span,
    /// How many times; `Invalid` where it could not be read.
    pub count: Value,
    /// What stands between the braces.
    pub body: Vec<Statement>,
}

/// `label: keyword(arguments);`.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSyntax {
    /// The lines of the documentation above.
    pub docs: Vec<String>,
    /// The label.
    pub label: Option<Name>,
    /// What kind of layer it is.
    pub keyword: Name,
    /// The arguments, in source order.
    pub arguments: Vec<Argument>,
    /// Whether a part of the arguments was reported and left out.
    pub damaged: bool,
}

/// `value` or `name = value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// The name, when one was written.
    pub name: Option<Name>,
    /// The value.
    pub value: Value,
}

impl Argument {
    /// Where the argument stands, its name included.
    pub fn span(&self) -> Span {
        self.name
            .as_ref()
            .map_or(self.value.span, |name| name.span.to(self.value.span))
    }
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// What was written.
    pub kind: ValueKind,
    /// Where it stands.
    pub span: Span,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueKind {
    /// `32`, `-1`, `1_000`; its magnitude fits 64 bits.
    Integer(i128),
    /// `0.5`, `1e-3`; finite.
    Float(f64),
    /// `28x28x1`, `3 x 3`.
    Dims(Vec<u64>),
    /// `relu`, `true`.
    Name(String),
    /// `leaky_relu(0.1)`.
    Call(Call),
    /// `[accuracy, mae]`, `[digit = accuracy]`.
    List(Vec<Argument>),
    /// `-depth`, `WIDTH * 2`, `3 x (n + 1)`.
    Expression(Box<Expression>),
    /// Something that was reported.
    Invalid,
}

/// A value that has to be computed.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// `-value`.
    Negative(Value),
    /// `left operator right`.
    Binary {
        /// What is computed.
        operator: Operator,
        /// Where the operator stands.
        at: Span,
        /// What stands before it.
        left: Value,
        /// What stands behind it.
        right: Value,
    },
}

/// What is computed of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `/`; exact between integers.
    Divide,
    /// `%`.
    Remainder,
    /// `x`, which joins sizes.
    Sizes,
}

/// `name(arguments)` as a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What is called.
    pub name: Name,
    /// The arguments, in source order.
    pub arguments: Vec<Argument>,
    /// Whether a part of the arguments was reported and left out.
    pub damaged: bool,
}

/// `train { … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainSyntax {
    /// The keyword `train`.
    pub keyword: Span,
    /// The settings, in source order.
    pub settings: Vec<Setting>,
    /// Whether a setting was reported and left out.
    pub damaged: bool,
}

/// `name = value;`.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The name.
    pub name: Name,
    /// The value; `Invalid` where none could be read.
    pub value: Value,
}
