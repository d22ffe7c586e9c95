//! Batches to predict: arrays of inputs with a batch axis.

use ndarray::{ArrayBase, ArrayView, ArrayViewD, Data, Ix2, Ix3, Ix4, IxDyn};

/// A batch of inputs with `AXES` axes, the batch axis among them: an `ndarray` view or a reference to an array
/// of `f32`, or a reference to a slice, an array or a `Vec` of inputs as `predict` takes them.
///
/// Arrays of a dynamic number of axes are batches, too. How long the axes are is checked when the batch is used.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no batch of inputs",
    label = "expected an `ndarray` view, or a reference to an array, of `f32` with {AXES} axes, the first of which counts the examples",
    note = "write `&array` or `array.view()`; `.mapv(|value| value as f32)` makes an array of `f32` of one of other numbers",
    note = "`Array::from_shape_vec((n, …), vec)` makes an array of a `Vec`; `.insert_axis(Axis(0))` gives one input a batch axis",
    note = "arrays are those of `cnn::ndarray`; another version of `ndarray` has other types of the same names"
)]
pub trait IntoBatch<'a, const AXES: usize> {
    /// The inputs, `[N, …]`.
    fn into_batch(self) -> ArrayViewD<'a, f32>;
}

macro_rules! views {
    ($([$($generics:tt)*] $axes:tt $dimension:ty),+) => {
        $(
            #[diagnostic::do_not_recommend]
            impl<'a, $($generics)*> IntoBatch<'a, $axes> for ArrayView<'a, f32, $dimension> {
                fn into_batch(self) -> ArrayViewD<'a, f32> {
                    self.into_dyn()
                }
            }

            #[diagnostic::do_not_recommend]
            impl<'a, S: Data<Elem = f32>, $($generics)*> IntoBatch<'a, $axes>
                for &'a ArrayBase<S, $dimension>
            {
                fn into_batch(self) -> ArrayViewD<'a, f32> {
                    self.view().into_dyn()
                }
            }
        )+
    };
}

views!([] 2 Ix2, [] 3 Ix3, [] 4 Ix4, [const AXES: usize] AXES IxDyn);

/// Inputs as nested arrays: `[[[f32; channels]; width]; height]`.
macro_rules! nested {
    ($([$($axis:ident),+] $axes:literal $input:ty, $flat:expr;)+) => {
        $(
            #[diagnostic::do_not_recommend]
            impl<'a, $(const $axis: usize),+> IntoBatch<'a, $axes> for &'a [$input] {
                fn into_batch(self) -> ArrayViewD<'a, f32> {
                    let flat: fn(&[$input]) -> &[f32] = $flat;
                    let view = ArrayViewD::from_shape(&[self.len(), $($axis),+][..], flat(self));
                    view.expect("a value for each place of the shape")
                }
            }

            #[diagnostic::do_not_recommend]
            impl<'a, const N: usize, $(const $axis: usize),+> IntoBatch<'a, $axes> for &'a [$input; N] {
                fn into_batch(self) -> ArrayViewD<'a, f32> {
                    self.as_slice().into_batch()
                }
            }

            #[diagnostic::do_not_recommend]
            impl<'a, $(const $axis: usize),+> IntoBatch<'a, $axes> for &'a Vec<$input> {
                fn into_batch(self) -> ArrayViewD<'a, f32> {
                    self.as_slice().into_batch()
                }
            }
        )+
    };
}

nested! {
    [C] 2 [f32; C], |batch| batch.as_flattened();
    [W, C] 3 [[f32; C]; W], |batch| batch.as_flattened().as_flattened();
    [H, W, C] 4 [[[f32; C]; W]; H], |batch| batch.as_flattened().as_flattened().as_flattened();
}
