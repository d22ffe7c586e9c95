"""A timed network as an ONNX file of one batch size: inference, with the outputs of a prediction."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

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

ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh"}


def write(network: str, weights: dict, batch: int, path: Path):
    """Images are `[batch, channels, height, width]`, as ONNX has them."""
    nodes, tensors = [], []
    flattened = None
    # The values by the names of their lines: with an activation, that of the activation.
    values = {networks.INPUT: "input"}

    def add(operation, name, inputs, **attributes):
        nodes.append(helper.make_node(operation, inputs, [name], name, **attributes))
        return name

    def constant(name, array=None):
        array = weights[name] if array is None else array
        tensors.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    for placed in networks.layers(network):
        name, activation = placed.name, None
        reads = [values[read] for read in placed.reads]
        match placed.layer:
            case Conv(_, kernel, strides, _, activation) | DepthwiseConv(
                kernel, strides, _, activation
            ):
                (top, bottom), (left, right) = placed.pads
                depthwise = isinstance(placed.layer, DepthwiseConv)
                order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
                weight = constant(f"{name}.kernel", weights[f"{name}.kernel"].transpose(order))
                value = add(
                    "Conv",
                    name,
                    [*reads, weight, constant(f"{name}.bias")],
                    kernel_shape=list(networks.pair(kernel)),
                    strides=[strides, strides],
                    pads=[top, left, bottom, right],
                    group=placed.input[-1] if depthwise else 1,
                )
            case BatchNormalization(activation):
                names = ("gamma", "beta", *networks.STATE)
                tensor_names = [constant(f"{name}.{tensor}") for tensor in names]
                value = add("BatchNormalization", name, [*reads, *tensor_names], epsilon=1e-3)
            case Add(activation):
                value = add("Add", name, reads)
            case MaxPool(size):
                value = add("MaxPool", name, reads, kernel_shape=[size] * 2, strides=[size] * 2)
            case AvgPool(size):
                value = add("AveragePool", name, reads, kernel_shape=[size] * 2, strides=[size] * 2)
            case GlobalAvgPool():
                value = add("GlobalAveragePool", f"{name}.image", reads)
                value = add("Flatten", name, [value], axis=1)
            case Flatten():
                flattened = placed.input
                value = add("Flatten", name, reads, axis=1)
            case Dense(_, activation):
                kernel = networks.channels_first_rows(placed, weights[f"{name}.kernel"], flattened)
                flattened = None
                weight = constant(f"{name}.kernel", kernel)
                value = add("Gemm", name, [*reads, weight, constant(f"{name}.bias")])
        if activation:
            value = add(ACTIVATIONS[activation], f"{name}.{activation}", [value])
        values[name] = value
    if networks.NETWORKS[network].softmax:
        add("Softmax", "output", [value], axis=1)
    else:
        add("Identity", "output", [value])

    shape = networks.input_shape(network)
    shape = (batch, shape[2], shape[0], shape[1]) if len(shape) == 3 else (batch, *shape)
    output = (batch, networks.outputs(network))
    graph = helper.make_graph(
        nodes,
        network,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, output)],
        tensors,
    )
    # An old version of both formats, so that every reader knows it.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, path)


def channels_first(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)) if images.ndim == 4 else images
