//! Trains, evaluates, predicts, and says that there are no files: everything that a program can ask of a network on
//! `wasm32-unknown-unknown`, which has neither clock nor threads nor files. `run.mjs` calls it.

#[path = "../../no_std/src/network.rs"]
mod inference;

use cnn::{Error, Examples, History};

cnn::network! {
    /// Two bits in, their exclusive or out.
    network Xor {
        input(2);
        dense(8, activation = tanh);
        dropout(0.0625);
        dense(1, activation = sigmoid);
        train {
            loss = binary_crossentropy;
            optimizer = adam(learning_rate = 0.05);
            metrics = [accuracy];
            epochs = 200;
            batch_size = 4;
        }
    }
}

/// Why something is not as it should be; 0 if all is.
#[unsafe(no_mangle)]
pub extern "C" fn run() -> i32 {
    match all() {
        Ok(()) => 0,
        Err(number) => number,
    }
}

fn all() -> Result<(), i32> {
    let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let examples = Examples::labelled(&inputs, [0, 1, 1, 0]).map_err(|_| 1)?;
    let mut net = Xor::new(1);
    let mut epochs = 0;
    let mut history = History::default();
    // More threads than there are do not matter.
    let trainer = net.trainer().threads(4).validation(&examples);
    let trainer = trainer.history(&mut history).on_epoch(|_, _| epochs += 1);
    trainer.fit(&examples).map_err(|_| 2)?;
    let last = history.epochs.last().ok_or(3)?;
    if epochs != 200 || last.seconds != 0.0 {
        return Err(4);
    }
    let scores = net.evaluate(&examples).map_err(|_| 5)?;
    if scores.accuracy() != Some(1.0) {
        return Err(6);
    }
    let outputs = net.predict_batch(&inputs).map_err(|_| 7)?;
    let [probability] = net.predict(&[0.0, 1.0]);
    if probability < 0.9 || outputs[[1, 0]] != probability {
        return Err(8);
    }
    let error = net.save("xor.safetensors");
    if !matches!(error, Err(Error::Io { .. })) {
        return Err(9);
    }
    let mut workspace = [f32::NAN; inference::Tiny::WORKSPACE_BYTES / 4];
    let output = inference::Tiny::infer(
        &inference::PARAMETERS,
        &inference::image(),
        &mut workspace,
    );
    if (output.iter().sum::<f32>() - 1.0).abs() > 1e-6 {
        return Err(10);
    }
    Ok(())
}
