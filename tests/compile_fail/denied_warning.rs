//! What is legal but suspicious is a warning, which a strict crate can deny. Strides that do not divide the
//! image are not.
#![deny(warnings)]

cnn::network! {
    pub network Strided {
        input(28x28x1);
        conv2d(8, 3x3, strides = 2);
        max_pool2d(2x2);
        conv2d(8, 3x3, padding = same, strides = 4);
        flatten;
        dense(10);
    }
}

fn main() {
    let _ = Strided::new(1).predict(&[[[0.0; 1]; 28]; 28]);
}
