"""Keras on TensorFlow: a step and a prediction as one compiled `tf.function` each.

That is faster than `train_on_batch` and `predict_on_batch`, which add Python around the same graph.
"""

import os

# First, because it says what Keras runs on.
import keras_model  # isort: skip
import keras
import tensorflow as tf

import networks
from peer import Peer, serve

XLA = os.environ.get("PEER_COMPILE") == "1"

LOSSES = {
    networks.CROSS_ENTROPY: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    networks.MEAN_SQUARED_ERROR: keras.losses.MeanSquaredError(),
}


def specification(batches: list) -> tf.TensorSpec:
    return tf.TensorSpec(batches[0].shape, batches[0].dtype)


class Keras(Peer):
    def __init__(self, threads):
        super().__init__(threads)
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)

    def version(self):
        return f"{keras.__version__} on TensorFlow {tf.__version__}"

    def load(self, network, folder, weights, images, targets):
        self.weights, self.images, self.targets = weights, images, targets
        self.model = keras_model.build(network, weights)
        self.softmax = networks.NETWORKS[network].softmax
        self.loss = LOSSES[networks.NETWORKS[network].loss]
        self.compiled = {}

    def batches(self, values, batch):
        count = len(values) // batch
        return [tf.constant(values[i * batch : (i + 1) * batch]) for i in range(count)]

    def infer_step(self, batch):
        model, softmax, images = self.model, self.softmax, self.batches(self.images, batch)

        @tf.function(jit_compile=XLA)
        def predict(images):
            output = model(images, training=False)
            return tf.nn.softmax(output) if softmax else output

        # Training changes the model's weights.
        keras_model.set_weights(model, self.weights)
        predict = predict.get_concrete_function(specification(images))
        return lambda i: predict(images[i])

    def train_step(self, batch, optimizer):
        keras_model.set_weights(self.model, self.weights)
        images, targets = self.batches(self.images, batch), self.batches(self.targets, batch)
        if (batch, optimizer) not in self.compiled:
            step, rule = self.compile_step(optimizer)
            step = step.get_concrete_function(specification(images), specification(targets))
            self.compiled[batch, optimizer] = step, rule
        step, rule = self.compiled[batch, optimizer]
        for variable in rule.variables:
            if variable is not rule.learning_rate:
                variable.assign(tf.zeros_like(variable.value))
        return lambda i: step(images[i], targets[i])

    def compile_step(self, optimizer):
        if optimizer == "sgd":
            rule = keras.optimizers.SGD(0.1)
        else:
            rule = keras.optimizers.RMSprop(1e-3, rho=0.9, epsilon=1e-7)
        model, loss_of = self.model, self.loss
        rule.build(model.trainable_variables)

        @tf.function(jit_compile=XLA)
        def step(images, targets):
            with tf.GradientTape() as tape:
                loss = loss_of(targets, model(images, training=True))
            gradients = tape.gradient(loss, model.trainable_variables)
            rule.apply(gradients, model.trainable_variables)
            return loss

        return step, rule

    def parameters(self):
        return {
            name: value
            for layer in keras_model.trained_layers(self.model)
            for name, value in zip(keras_model.names(layer, self.weights), layer.get_weights())
        }


if __name__ == "__main__":
    serve(Keras)
