//! An output of 3 MiB is not returned by value, and the message says what to call instead.

cnn::network! {
    network Upright {
        input(512x512x3);
        conv2d(3, 3x3, padding = same, activation = sigmoid);
    }
}

fn predict(net: &Upright, image: &[[[f32; 3]; 512]; 512], output: &mut [f32]) {
    let _ = net.predict(image);
    net.predict_slice(image.as_flattened().as_flattened(), output).unwrap();
}

fn main() {}
