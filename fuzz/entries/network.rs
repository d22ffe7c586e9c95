//! A network for files to be read by, and a place for such files.

use std::path::PathBuf;

use cnn::{Examples, Model, Network as _};

cnn::network! {
    /// That of `tests/golden/xor_training_1.safetensors`.
    pub network Xor {
        input(2);
        dense(8, activation = tanh);
        dense(1, activation = sigmoid);

        train {
            loss = binary_crossentropy;
            optimizer = adam(learning_rate = 0.05);
            metrics = [accuracy];
            epochs = 300;
            batch_size = 4;
        }
    }
}

/// A checkpoint that training has written.
pub const CHECKPOINT: &[u8] = include_bytes!("../../tests/golden/xor_training_1.safetensors");

/// Its weights alone, and the same as another program orders them.
pub const WEIGHTS: &[u8] = include_bytes!("../../tests/weights/xor.safetensors");
pub const SORTED: &[u8] = include_bytes!("../../tests/weights/sorted.safetensors");

/// An untrained network.
pub fn model() -> Model {
    Model::new(Xor::spec(), 1)
}

/// The four cases of exclusive or.
pub fn examples() -> Examples<'static> {
    let inputs = cnn::ndarray::array![[0.0_f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    Examples::labelled(inputs, [0, 1, 1, 0]).expect("inputs and labels are as many")
}

/// The bits of all parameters: NaN equals itself.
pub fn bits(model: &Model) -> Vec<u32> {
    let parameters = model.parameters().iter();
    parameters.map(|value| value.to_bits()).collect()
}

/// The path of a file with these bytes, which the next call overwrites.
pub fn file(bytes: &[u8]) -> PathBuf {
    let name = format!("cnn-fuzz-{}.safetensors", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, bytes).expect("a folder for temporary files");
    path
}
