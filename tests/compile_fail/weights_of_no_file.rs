//! Files that are not there, or not in the format, and arguments that name none.

cnn::network! {
    network Xor {
        input(2);
        dense(8, activation = tanh);
        dense(1, activation = sigmoid);
    }
}

cnn::network! {
    network Wrong {
        input(2x2);
        dense(8);
    }
}

fn main() {
    let _ = cnn::weights!(Xor, "not_there.safetensors");
    let _ = cnn::weights!(Xor, "weights_of_no_file.rs");
    let _ = cnn::weights!("../weights/xor.safetensors");
    let _ = cnn::weights!(Xor, include_bytes!("../weights/xor.safetensors"));
    // Only the network's own mistake is reported.
    let _ = cnn::weights!(Wrong, "../weights/xor.safetensors");
}
