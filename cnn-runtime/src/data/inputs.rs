//! Arrays of inputs or of target values, as [`Examples`](super::Examples) keep them: flat and in order.

use std::borrow::Cow;

use ndarray::{Array, ArrayBase, ArrayView, Data, Dimension};

/// An array of inputs or of target values, `[N, …]`: what [`IntoInputs`] makes.
pub struct Inputs<'a> {
    pub(super) shape: Vec<usize>,
    pub(super) elements: Elements<'a>,
}

/// Values in order, last axis fastest.
#[derive(Clone)]
pub enum Elements<'a> {
    Floats(Cow<'a, [f32]>),
    Bytes(Cow<'a, [u8]>),
}

impl Elements<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Floats(floats) => floats.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    pub(super) fn into_owned(self) -> Elements<'static> {
        match self {
            Self::Floats(floats) => Elements::Floats(floats.into_owned().into()),
            Self::Bytes(bytes) => Elements::Bytes(bytes.into_owned().into()),
        }
    }
}

/// An `ndarray` array, a view of one, or a reference to either: `[N, …]`, of `f32`, `f64` or `u8`.
///
/// Arrays whose elements do not lie in order in memory are copied, and so are those of `f64`, which are
/// rounded to `f32`. All others are moved or borrowed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no array of examples",
    label = "expected an `ndarray` array or view of `f32`, `f64` or `u8`, `[N, …]`",
    note = "`.mapv(|value| value as f32)` makes an array of `f32` of one of other numbers",
    note = "`Array::from_shape_vec((n, …), vec)` makes an array of a `Vec`, and `arr2(&rows)` of nested arrays",
    note = "arrays are those of `cnn::ndarray`; another version of `ndarray` has other types of the same names"
)]
pub trait IntoInputs<'a> {
    /// The elements in order.
    fn into_inputs(self) -> Inputs<'a>;
}

/// What arrays of examples may hold.
pub trait Element: Clone {
    /// The values as they are kept.
    fn elements(values: Cow<'_, [Self]>) -> Elements<'_>;
}

impl Element for f32 {
    fn elements(values: Cow<'_, [f32]>) -> Elements<'_> {
        Elements::Floats(values)
    }
}

impl Element for u8 {
    fn elements(values: Cow<'_, [u8]>) -> Elements<'_> {
        Elements::Bytes(values)
    }
}

impl Element for f64 {
    fn elements(values: Cow<'_, [f64]>) -> Elements<'_> {
        Elements::Floats(values.iter().map(|&value| value as f32).collect())
    }
}

#[diagnostic::do_not_recommend]
impl<'a> IntoInputs<'a> for Inputs<'a> {
    fn into_inputs(self) -> Inputs<'a> {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<'a, A: Element + 'a, D: Dimension> IntoInputs<'a> for ArrayView<'a, A, D> {
    fn into_inputs(self) -> Inputs<'a> {
        let elements = match self.to_slice() {
            Some(slice) => Cow::Borrowed(slice),
            None => Cow::Owned(self.iter().cloned().collect()),
        };
        Inputs {
            shape: self.shape().to_vec(),
            elements: A::elements(elements),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<'a, A: Element, S: Data<Elem = A>, D: Dimension> IntoInputs<'a> for &'a ArrayBase<S, D> {
    fn into_inputs(self) -> Inputs<'a> {
        self.view().into_inputs()
    }
}

#[diagnostic::do_not_recommend]
impl<'a, A: Element + 'a, D: Dimension> IntoInputs<'a> for Array<A, D> {
    fn into_inputs(self) -> Inputs<'a> {
        Inputs {
            shape: self.shape().to_vec(),
            elements: A::elements(Cow::Owned(into_contiguous(self))),
        }
    }
}

/// The elements of an owned array in order, copied only where they do not lie so already.
fn into_contiguous<A: Clone, D: Dimension>(array: Array<A, D>) -> Vec<A> {
    if !array.is_standard_layout() {
        return array.iter().cloned().collect();
    }
    let len = array.len();
    // The array may be what is left of a larger one.
    let (mut elements, offset) = array.into_raw_vec_and_offset();
    elements.drain(..offset.unwrap_or(0));
    elements.truncate(len);
    elements
}
