//! The tensors of a model: by name, in order, and by their place in the specification.

use ndarray::{
    ArrayView, ArrayView1, ArrayView2, ArrayView4, ArrayViewD, ArrayViewMutD, Dimension,
};

use super::Model;

impl Model {
    /// Every tensor of parameters with its name, in order.
    pub fn tensors(&self) -> impl Iterator<Item = (&'static str, ArrayViewD<'_, f32>)> {
        self.spec
            .parameters
            .iter()
            .enumerate()
            .map(|(index, parameter)| {
                let values = self.tensor_slice(index);
                let view = ArrayViewD::from_shape(parameter.shape, values);
                (
                    parameter.name,
                    view.expect("the slice has the shape's size"),
                )
            })
    }

    /// Every tensor of parameters with its name, in order, to be written to.
    pub fn tensors_mut(&mut self) -> impl Iterator<Item = (&'static str, ArrayViewMutD<'_, f32>)> {
        let spec = self.spec;
        let mut rest = self.parameters_mut();
        spec.parameters.iter().map(move |parameter| {
            let (values, behind) = std::mem::take(&mut rest).split_at_mut(parameter.len());
            rest = behind;
            let view = ArrayViewMutD::from_shape(parameter.shape, values);
            (
                parameter.name,
                view.expect("the slice has the shape's size"),
            )
        })
    }

    /// The tensor called `name`, as `conv2d_1.kernel`.
    pub fn tensor(&self, name: &str) -> Option<ArrayViewD<'_, f32>> {
        let mut tensors = self.tensors();
        tensors
            .find(|(other, _)| *other == name)
            .map(|(_, view)| view)
    }

    /// The tensor called `name`, to be written to.
    pub fn tensor_mut(&mut self, name: &str) -> Option<ArrayViewMutD<'_, f32>> {
        let mut tensors = self.tensors_mut();
        tensors
            .find(|(other, _)| *other == name)
            .map(|(_, view)| view)
    }

    /// Tensor `index` of the specification, which has one axis: a bias.
    ///
    /// # Panics
    ///
    /// When there is no such tensor, or it has another number of axes.
    #[doc(hidden)]
    pub fn array1(&self, index: usize) -> ArrayView1<'_, f32> {
        self.array(index)
    }

    /// Tensor `index` of the specification, which has two axes: the kernel of a dense layer, inputs
    /// x units.
    ///
    /// # Panics
    ///
    /// When there is no such tensor, or it has another number of axes.
    #[doc(hidden)]
    pub fn array2(&self, index: usize) -> ArrayView2<'_, f32> {
        self.array(index)
    }

    /// Tensor `index` of the specification, which has four axes: the kernel of a convolution, HWIO.
    ///
    /// # Panics
    ///
    /// When there is no such tensor, or it has another number of axes.
    #[doc(hidden)]
    pub fn array4(&self, index: usize) -> ArrayView4<'_, f32> {
        self.array(index)
    }

    fn array<D: Dimension>(&self, index: usize) -> ArrayView<'_, f32, D> {
        let shape = self.spec.parameters[index].shape;
        ArrayViewD::from_shape(shape, self.tensor_slice(index))
            .expect("the slice has the shape's size")
            .into_dimensionality()
            .expect("the caller knows the number of axes")
    }

    fn tensor_slice(&self, index: usize) -> &[f32] {
        &self.parameters[self.spec.parameters[index].range()]
    }
}
