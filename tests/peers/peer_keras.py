"""Keras on TensorFlow: a step and a prediction as one compiled `tf.function` each.

That is faster than `train_on_batch` and `predict_on_batch`, which add Python around the same graph.
"""

# First, because it says what Keras runs on.
import keras_model  # isort: skip
import keras
import tensorflow as tf

from peer import Peer, serve


class Keras(Peer):
    def __init__(self, threads):
        super().__init__(threads)
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)

    def version(self):
        return f"{keras.__version__} on TensorFlow {tf.__version__}"

    def load(self, network, folder, weights, images, labels):
        self.weights, self.images, self.labels = weights, images, labels
        self.model = keras_model.build(network, weights)
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.compiled = {}

    def batches(self, values, batch):
        count = len(values) // batch
        return [tf.constant(values[i * batch : (i + 1) * batch]) for i in range(count)]

    def infer_step(self, batch):
        model, images = self.model, self.batches(self.images, batch)

        @tf.function(input_signature=[tf.TensorSpec(images[0].shape, tf.float32)])
        def predict(images):
            return tf.nn.softmax(model(images, training=False))

        # Training changes the model's weights.
        keras_model.set_weights(model, self.weights)
        predict = predict.get_concrete_function()
        return lambda i: predict(images[i])

    def train_step(self, batch, optimizer):
        keras_model.set_weights(self.model, self.weights)
        if (batch, optimizer) not in self.compiled:
            self.compiled[batch, optimizer] = self.compile_step(batch, optimizer)
        step, rule = self.compiled[batch, optimizer]
        for variable in rule.variables:
            if variable is not rule.learning_rate:
                variable.assign(tf.zeros_like(variable.value))
        images, labels = self.batches(self.images, batch), self.batches(self.labels, batch)
        return lambda i: step(images[i], labels[i])

    def compile_step(self, batch, optimizer):
        if optimizer == "sgd":
            rule = keras.optimizers.SGD(0.1)
        else:
            rule = keras.optimizers.RMSprop(1e-3, rho=0.9, epsilon=1e-7)
        model, loss_of = self.model, self.loss
        rule.build(model.trainable_variables)

        @tf.function
        def step(images, labels):
            with tf.GradientTape() as tape:
                loss = loss_of(labels, model(images, training=True))
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
