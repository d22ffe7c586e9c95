"""The MNIST convnet of the Keras tutorial, trained by Keras itself.

    python keras_mnist.py DATA [--seed 0] [--epochs 5]

DATA is the folder of the four IDX files. Prints the test accuracy after each epoch and,
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


def network() -> keras.Model:
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
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--epochs", type=int, default=5)
    options = options.parse_args()

    keras.utils.set_random_seed(options.seed)
    images, labels = mnist.load(options.data, "train")
    test_images, test_labels = mnist.load(options.data, "test")
    model = network()
    model.compile(
        loss="categorical_crossentropy",
        optimizer=keras.optimizers.RMSprop(1e-3),
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
            batch_size=64,
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
