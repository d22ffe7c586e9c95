//! Two-dimensional convolution, image by image as a matrix product.
//!
//! Forward: `Y = columns * K`, then bias and activation in one pass while the image's output is
//! in cache. Backward: `dK += columnsᵀ * dY`, and `dcolumns = dY * Kᵀ` scattered back to `dX`.

use super::Activation;
use super::dense::add_rows;
use super::matmul::{Matrix, MatrixMut, gemm};

/// The geometry of a two-dimensional convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2d {
    /// Height, width and channels of the input.
    pub input: [usize; 3],
    /// Height, width and filters of the output.
    pub output: [usize; 3],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// The step down and across.
    pub strides: [usize; 2],
    /// Zeros above and left of the image; those below and right follow from the output's size.
    pub padding: [usize; 2],
    /// Distance of neighbouring kernel rows and columns.
    pub dilation: [usize; 2],
    /// Applied to the result.
    pub activation: Activation,
    /// How it is computed.
    pub algorithm: ConvAlgorithm,
}

/// How a convolution becomes a matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvAlgorithm {
    /// By copying the patches of each image into a matrix; always possible.
    Im2col,
    /// The batch is the matrix, as it lies: a 1x1 kernel with strides 1 and no padding.
    Pointwise,
}

impl Conv2d {
    /// The scratch memory that every pass needs, in floats, whatever the number of examples.
    pub const fn scratch(&self) -> usize {
        match self.algorithm {
            ConvAlgorithm::Im2col => self.cells() * self.patch(),
            ConvAlgorithm::Pointwise => 0,
        }
    }

    /// `y = activation(x * kernel + bias)`.
    ///
    /// `x` is `[n, ..input]`, `kernel` `[height, width, channels, filters]`, `bias` `[filters]`
    /// or empty, `y` `[n, ..output]` and overwritten; `scratch` holds at least
    /// [`Conv2d::scratch`] floats.
    ///
    /// # Panics
    /// If a slice is of another length.
    pub fn forward(
        &self,
        n: usize,
        x: &[f32],
        kernel: &[f32],
        bias: &[f32],
        y: &mut [f32],
        scratch: &mut [f32],
    ) {
        self.check(n, x.len(), kernel.len(), y.len());
        let filters = self.output[2];
        let kernel = Matrix::new(kernel, self.patch(), filters);
        for (x, y) in self
            .images(x)
            .zip(y.chunks_exact_mut(self.cells() * filters))
        {
            let patches = self.patches(x, scratch);
            gemm(
                1.0,
                patches,
                kernel,
                0.0,
                MatrixMut::new(y, self.cells(), filters),
            );
            self.activation.forward_with_bias(filters, bias, y);
        }
    }

    /// Adds the gradients of kernel and bias.
    ///
    /// The zeros of the padding are multiplied like all values, so a NaN in `dy` also reaches
    /// taps that see nothing else.
    ///
    /// `dy`, `[n, ..output]`, is the gradient with respect to the result before the activation;
    /// the others are laid out as in [`Conv2d::forward`]; an empty `bias_gradient` means no bias.
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
        scratch: &mut [f32],
    ) {
        self.check(n, x.len(), kernel_gradient.len(), dy.len());
        let filters = self.output[2];
        for (x, dy) in self.images(x).zip(dy.chunks_exact(self.cells() * filters)) {
            let patches = self.patches(x, scratch);
            let dy = Matrix::new(dy, self.cells(), filters);
            let gradient = MatrixMut::new(kernel_gradient, self.patch(), filters);
            gemm(1.0, patches.transposed(), dy, 1.0, gradient);
        }
        add_rows(filters, dy, bias_gradient);
    }

    /// The gradient with respect to the input, `[n, ..input]`, from `dy` as in
    /// [`Conv2d::backward_parameters`]. Overwrites `dx`.
    ///
    /// # Panics
    /// If a slice is of another length.
    pub fn backward_input(
        &self,
        n: usize,
        dy: &[f32],
        kernel: &[f32],
        dx: &mut [f32],
        scratch: &mut [f32],
    ) {
        self.check(n, dx.len(), kernel.len(), dy.len());
        let [cells, patch, filters] = [self.cells(), self.patch(), self.output[2]];
        let kernel = Matrix::new(kernel, patch, filters).transposed();
        let image = self.input.iter().product();
        let images = dx.chunks_exact_mut(image);
        for (dy, dx) in dy.chunks_exact(cells * filters).zip(images) {
            let dy = Matrix::new(dy, cells, filters);
            match self.algorithm {
                ConvAlgorithm::Im2col => {
                    gemm(1.0, dy, kernel, 0.0, MatrixMut::new(scratch, cells, patch));
                    dx.fill(0.0);
                    self.col2im(scratch, dx);
                }
                ConvAlgorithm::Pointwise => {
                    gemm(1.0, dy, kernel, 0.0, MatrixMut::new(dx, cells, patch))
                }
            }
        }
    }

    /// Cells of one output image: the rows of the product.
    const fn cells(&self) -> usize {
        self.output[0] * self.output[1]
    }

    fn images<'a>(&self, x: &'a [f32]) -> impl Iterator<Item = &'a [f32]> {
        x.chunks_exact(self.input.iter().product())
    }

    /// The patches of one image as a matrix, `[cells, patch]`.
    fn patches<'a>(&self, image: &'a [f32], scratch: &'a mut [f32]) -> Matrix<'a> {
        let columns = match self.algorithm {
            ConvAlgorithm::Im2col => {
                self.im2col(image, scratch);
                scratch
            }
            ConvAlgorithm::Pointwise => image,
        };
        Matrix::new(columns, self.cells(), self.patch())
    }

    fn check(&self, n: usize, x: usize, kernel: usize, y: usize) {
        assert_eq!(
            x,
            n * self.input.iter().product::<usize>(),
            "values of a convolution's input"
        );
        assert_eq!(
            kernel,
            self.patch() * self.output[2],
            "values of a convolution's kernel"
        );
        assert_eq!(
            y,
            n * self.output.iter().product::<usize>(),
            "values of a convolution's output"
        );
    }
}
