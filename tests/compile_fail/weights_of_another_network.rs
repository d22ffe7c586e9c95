//! Every tensor that differs is named, at the path.

cnn::network! {
    network Wide {
        input(2);
        dense(16, activation = tanh);
        out: dense(1, activation = sigmoid);
    }
}

static WEIGHTS: &[f32; Wide::PARAMETERS] = cnn::weights!(Wide, "../weights/xor.safetensors");

fn main() {}
