"""A timed network as a Keras model with logits as its output."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# No GPU is used, and none is looked for.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
from keras import layers

import networks
from networks import (
    Add,
    AvgPool,
    BatchNormalization,
    Conv,
    Dense,
    DepthwiseConv,
    Flatten,
    GlobalAvgPool,
    MaxPool,
)


def build(network: str, weights: dict, softmax: bool = False) -> keras.Model:
    first = keras.Input(networks.input_shape(network))
    values = {networks.INPUT: first}
    for placed in networks.layers(network):
        name, relu = placed.name, False
        match placed.layer:
            case Conv(filters, kernel, strides, padding, relu):
                layer = layers.Conv2D(filters, kernel, strides, padding, name=name)
            case DepthwiseConv(kernel, strides, padding, relu):
                layer = layers.DepthwiseConv2D(kernel, strides, padding, name=name)
            case BatchNormalization(relu):
                layer = layers.BatchNormalization(name=name)
            case Add(relu):
                layer = layers.Add(name=name)
            case MaxPool(size):
                layer = layers.MaxPooling2D(size)
            case AvgPool(size):
                layer = layers.AveragePooling2D(size)
            case GlobalAvgPool():
                layer = layers.GlobalAveragePooling2D()
            case Flatten():
                layer = layers.Flatten()
            case Dense(units, relu):
                layer = layers.Dense(units, name=name)
        read = [values[name] for name in placed.reads]
        if relu and hasattr(layer, "activation"):
            layer.activation = keras.activations.relu
        value = layer(read if len(read) > 1 else read[0])
        if relu and not hasattr(layer, "activation"):
            value = layers.ReLU()(value)
        values[placed.name] = value
    model = keras.Model(first, layers.Softmax()(value) if softmax else value)
    set_weights(model, weights)
    return model


#: The tensors of a layer by the last part of their names, in the order of Keras' `get_weights`.
TENSORS = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")


def trained_layers(model: keras.Model):
    return [layer for layer in model.layers if layer.weights]


def names(layer, weights: dict) -> list[str]:
    """What the crate calls the tensors of `layer`."""
    names = [f"{layer.name}.{tensor}" for tensor in TENSORS]
    return [name for name in names if name in weights]


def set_weights(model: keras.Model, weights: dict):
    for layer in trained_layers(model):
        layer.set_weights([weights[name] for name in names(layer, weights)])
