"""A timed network as a Keras model with logits as its output."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# No GPU is used, and none is looked for.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
from keras import layers

import networks
from networks import AvgPool, Conv, Dense, Flatten, MaxPool


def build(network: str, weights: dict, softmax: bool = False) -> keras.Model:
    model = keras.Sequential([keras.Input(networks.input_shape(network))])
    for placed in networks.layers(network):
        match placed.layer:
            case Conv(filters, kernel, strides, padding):
                layer = layers.Conv2D(
                    filters, kernel, strides, padding, activation="relu", name=placed.name
                )
            case MaxPool(size):
                layer = layers.MaxPooling2D(size)
            case AvgPool(size):
                layer = layers.AveragePooling2D(size)
            case Flatten():
                layer = layers.Flatten()
            case Dense(units, relu):
                activation = "relu" if relu else None
                layer = layers.Dense(units, activation=activation, name=placed.name)
        model.add(layer)
    if softmax:
        model.add(layers.Softmax())
    set_weights(model, weights)
    return model


def trained_layers(model: keras.Model):
    return [layer for layer in model.layers if layer.weights]


def set_weights(model: keras.Model, weights: dict):
    for layer in trained_layers(model):
        layer.set_weights([weights[f"{layer.name}.kernel"], weights[f"{layer.name}.bias"]])
