"""The MNIST convnet of the Keras tutorial, or ResNet-8 of `examples/resnet.rs`, trained by Keras itself.

    python keras_mnist.py DATA [--network resnet8] [--seed 0] [--epochs 5]

DATA is the folder of the four IDX files, of MNIST or of Fashion-MNIST. Prints the test accuracy after each epoch and,
last, one line of JSON. The backend is TensorFlow unless `KERAS_BACKEND` says otherwise.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers

import mnist


def tutorial() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def resnet8() -> keras.Model:
    def conv_bn(x, filters, strides=1):
        x = layers.Conv2D(filters, 3, strides=strides, padding="same")(x)
        return layers.BatchNormalization()(x)

    def stage(x, filters, strides):
        main = layers.ReLU()(conv_bn(x, filters, strides))
        main = conv_bn(main, filters)
        if strides > 1:
            x = layers.Conv2D(filters, 1, strides=strides, padding="same")(x)
        return layers.ReLU()(layers.Add()([main, x]))

    inputs = keras.Input((28, 28, 1))
    x = layers.ReLU()(conv_bn(inputs, 16))
    x = stage(x, 16, 1)
    x = stage(x, 32, 2)
    x = stage(x, 64, 2)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def optimizer(network: str, steps: int) -> keras.Optimizer:
    """As in `examples/mnist.rs` and `examples/resnet.rs`; `steps` are those of the whole training."""
    if network == "tutorial":
        return keras.optimizers.RMSprop(1e-3)
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps))


class Clock(keras.callbacks.Callback):
    """Prints each epoch's scores, and times the training without the evaluation."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_test_begin(self, logs=None):
        self.seconds.append(time.perf_counter() - self.start)

    def on_epoch_end(self, epoch, logs):
        print(
            f"epoch {epoch + 1}: {self.seconds[-1]:.1f} s, loss {logs['loss']:.4f}, "
            f"accuracy {logs['accuracy']:.4f}, test accuracy {logs['val_accuracy']:.4f}",
            flush=True,
        )


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path, help="folder of the four IDX files")
    options.add_argument("--network", choices=["tutorial", "resnet8"], default="tutorial")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--epochs", type=int, default=5)
    options = options.parse_args()

    keras.utils.set_random_seed(options.seed)
    images, labels = mnist.load(options.data, "train")
    test_images, test_labels = mnist.load(options.data, "test")
    model = {"tutorial": tutorial, "resnet8": resnet8}[options.network]()
    batch = 64
    model.compile(
        loss="categorical_crossentropy",
        optimizer=optimizer(options.network, -(-len(images) // batch) * options.epochs),
        metrics=["accuracy"],
    )
    clock = Clock()
    test_accuracy, test_loss = [], []
    targets = keras.utils.to_categorical(labels)
    random = np.random.default_rng(options.seed)
    for epoch in range(options.epochs):
        # With a seed, Keras' own shuffling on TensorFlow repeats one order in every epoch.
        order = random.permutation(len(images))
        history = model.fit(
            images[order],
            targets[order],
            initial_epoch=epoch,
            epochs=epoch + 1,
            batch_size=batch,
            shuffle=False,
            validation_data=(test_images, keras.utils.to_categorical(test_labels)),
            callbacks=[clock],
            verbose=0,
        ).history
        test_accuracy += history["val_accuracy"]
        test_loss += history["val_loss"]
    print(
        json.dumps(
            {
                "peer": "keras",
                "network": options.network,
                "version": keras.__version__,
                "backend": keras.backend.backend(),
                "seed": options.seed,
                "epochs": options.epochs,
                "test_accuracy": test_accuracy,
                "test_loss": test_loss,
                "seconds_per_epoch": clock.seconds,
            }
        )
    )


if __name__ == "__main__":
    main()
