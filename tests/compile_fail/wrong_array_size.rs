//! The shape of one example is part of its type.

cnn::network! {
    network Typed {
        input(28x28x1);
        flatten;
        dense(10);
    }
}

fn main() {
    let net = Typed::new(1);
    let _ = net.predict(&[[[0.0; 1]; 27]; 28]);
    let _: [f32; 9] = net.predict(&[[[0.0; 1]; 28]; 28]);
}
