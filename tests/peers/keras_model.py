"""A timed network as a Keras model whose output is that of the last line, or that of a prediction."""

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


def build(network: str, weights: dict, predicts: bool = False) -> keras.Model:
    first = keras.Input(networks.input_shape(network))
    values = {networks.INPUT: first}
    for placed in networks.layers(network):
        name, activation = placed.name, None
        match placed.layer:
            case Conv(filters, kernel, strides, padding, activation):
                layer = layers.Conv2D(filters, kernel, strides, padding, name=name)
            case DepthwiseConv(kernel, strides, padding, activation):
                layer = layers.DepthwiseConv2D(kernel, strides, padding, name=name)
            case BatchNormalization(activation):
                layer = layers.BatchNormalization(name=name)
            case Add(activation):
                layer = layers.Add(name=name)
            case MaxPool(size):
                layer = layers.MaxPooling2D(size)
            case AvgPool(size):
                layer = layers.AveragePooling2D(size)
            case GlobalAvgPool():
                layer = layers.GlobalAveragePooling2D()
            case Flatten():
                layer = layers.Flatten()
            case Dense(units, activation):
                layer = layers.Dense(units, name=name)
        read = [values[name] for name in placed.reads]
        if activation and hasattr(layer, "activation"):
            layer.activation = keras.activations.get(activation)
        value = layer(read if len(read) > 1 else read[0])
        if activation and not hasattr(layer, "activation"):
            value = layers.Activation(activation)(value)
        values[placed.name] = value
    if predicts and networks.NETWORKS[network].softmax:
        value = layers.Softmax()(value)
    model = keras.Model(first, value)
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
