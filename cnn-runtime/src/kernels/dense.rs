//! Fully connected layers: one matrix product over the examples of a lane.

use super::Activation;
use super::matmul::{Matrix, MatrixMut, gemm};

/// The geometry of a fully connected layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dense {
    /// Values that flow in.
    pub inputs: usize,
    /// Values that flow out.
    pub units: usize,
    /// Applied to the result.
    pub activation: Activation,
}

impl Dense {
    /// `y = activation(x * kernel + bias)`.
    ///
    /// `x` is `[n, inputs]`, `kernel` `[inputs, units]`, `bias` `[units]` or empty,
    /// `y` `[n, units]` and overwritten.
    ///
    /// # Panics
    /// If a slice is of another length.
    pub fn forward(&self, n: usize, x: &[f32], kernel: &[f32], bias: &[f32], y: &mut [f32]) {
        self.check(n, x.len(), kernel.len(), y.len());
        let x = Matrix::new(x, n, self.inputs);
        let kernel = Matrix::new(kernel, self.inputs, self.units);
        gemm(1.0, x, kernel, 0.0, MatrixMut::new(y, n, self.units));
        self.activation.forward_with_bias(self.units, bias, y);
    }

    /// Adds the gradients of kernel and bias.
    ///
    /// `dy`, `[n, units]`, is the gradient with respect to the result before the activation;
    /// the others are laid out as in [`Dense::forward`]; an empty `bias_gradient` means no bias.
    ///
    /// # Panics
    /// If a slice is of another length.
    pub fn backward_parameters(
        &self,
        n: usize,
        x: &[f32],
        dy: &[f32],
        kernel_gradient: &mut [f32],
        bias_gradient: &mut [f32],
    ) {
        self.check(n, x.len(), kernel_gradient.len(), dy.len());
        let x = Matrix::new(x, n, self.inputs).transposed();
        let gradient = MatrixMut::new(kernel_gradient, self.inputs, self.units);
        gemm(1.0, x, Matrix::new(dy, n, self.units), 1.0, gradient);
        add_rows(self.units, dy, bias_gradient);
    }

    /// The gradient with respect to the input, `[n, inputs]`, from `dy` as in
    /// [`Dense::backward_parameters`]. Overwrites `dx`.
    ///
    /// # Panics
    /// If a slice is of another length.
    pub fn backward_input(&self, n: usize, dy: &[f32], kernel: &[f32], dx: &mut [f32]) {
        self.check(n, dx.len(), kernel.len(), dy.len());
        let kernel = Matrix::new(kernel, self.inputs, self.units).transposed();
        gemm(
            1.0,
            Matrix::new(dy, n, self.units),
            kernel,
            0.0,
            MatrixMut::new(dx, n, self.inputs),
        );
    }

    fn check(&self, n: usize, x: usize, kernel: usize, y: usize) {
        assert_eq!(x, n * self.inputs, "values of a dense layer's input");
        assert_eq!(
            kernel,
            self.inputs * self.units,
            "values of a dense layer's kernel"
        );
        assert_eq!(y, n * self.units, "values of a dense layer's output");
    }
}

/// Adds the rows of `dy`, `[.., units]`, to the gradient of a bias; an empty one is left alone.
pub(crate) fn add_rows(units: usize, dy: &[f32], bias_gradient: &mut [f32]) {
    if bias_gradient.is_empty() {
        return;
    }
    assert_eq!(bias_gradient.len(), units, "values of a bias gradient");
    for row in dy.chunks_exact(units) {
        bias_gradient.iter_mut().zip(row).for_each(|(b, d)| *b += d);
    }
}
