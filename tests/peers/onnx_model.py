"""A timed network as an ONNX file of one batch size: inference, probabilities as its output."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import networks
from networks import AvgPool, Conv, Dense, Flatten, MaxPool


def write(network: str, weights: dict, batch: int, path: Path):
    """Images are `[batch, channels, height, width]`, as ONNX has them."""
    nodes, tensors = [], []
    value, flattened = "input", None

    def add(operation, name, inputs=(), **attributes):
        nonlocal value
        nodes.append(helper.make_node(operation, [value, *inputs], [name], name, **attributes))
        value = name

    def constant(name, array):
        tensors.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    for placed in networks.layers(network):
        name = placed.name
        match placed.layer:
            case Conv(_, kernel, strides, _):
                before, after = placed.pads
                weight = weights[f"{name}.kernel"].transpose(3, 2, 0, 1)
                inputs = [
                    constant(f"{name}.kernel", weight),
                    constant(f"{name}.bias", weights[f"{name}.bias"]),
                ]
                add(
                    "Conv",
                    name,
                    inputs,
                    kernel_shape=[kernel, kernel],
                    strides=[strides, strides],
                    pads=[before, before, after, after],
                )
                add("Relu", f"{name}.relu")
            case MaxPool(size):
                add("MaxPool", name, kernel_shape=[size, size], strides=[size, size])
            case AvgPool(size):
                add("AveragePool", name, kernel_shape=[size, size], strides=[size, size])
            case Flatten():
                flattened = placed.input
                add("Flatten", name, axis=1)
            case Dense(_, relu):
                kernel = networks.channels_first_rows(placed, weights[f"{name}.kernel"], flattened)
                flattened = None
                inputs = [
                    constant(f"{name}.kernel", kernel),
                    constant(f"{name}.bias", weights[f"{name}.bias"]),
                ]
                add("Gemm", name, inputs)
                if relu:
                    add("Relu", f"{name}.relu")
    add("Softmax", "output", axis=1)

    shape = networks.input_shape(network)
    shape = (batch, shape[2], shape[0], shape[1]) if len(shape) == 3 else (batch, *shape)
    graph = helper.make_graph(
        nodes,
        network,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, (batch, 10))],
        tensors,
    )
    # An old version of both formats, so that every reader knows it.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, path)


def channels_first(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)) if images.ndim == 4 else images
