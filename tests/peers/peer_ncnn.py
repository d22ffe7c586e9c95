"""ncnn, from a `.param` and a `.bin` file written here.

Normalizations are folded into the layers before them, as ncnn's own `ncnnoptimize` does. ncnn takes one image at a time;
a batch is its images one after the other.
"""

from collections import Counter
from pathlib import Path

import ncnn
import numpy as np

import networks
import onnx_model
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
from peer import Peer, serve

#: The layers that an activation is, where it is no parameter of the layer before it.
ACTIVATIONS = {"relu": "ReLU", "tanh": "TanH"}

# Numbers of the parameters of layers, in ncnn's `docs/developer-guide/operators.md`.


class Writer:
    """Writes layers one after the other. A value that several layers read goes through a `Split`."""

    def __init__(self, network: str, weights: dict, binary):
        self.weights, self.binary = weights, binary
        self.placed = networks.layers(network)
        self.readers = Counter(read for placed in self.placed for read in placed.reads)
        self.normalizations = {
            placed.reads[0]: placed
            for placed in self.placed
            if isinstance(placed.layer, BatchNormalization)
        }
        self.lines, self.blobs, self.values = [], 0, {}
        shape = networks.input_shape(network)
        sizes = [shape[1], shape[0], shape[2]] if len(shape) == 3 else shape
        self.define(
            networks.INPUT, self.layer("Input", "input", [], dict(enumerate(map(int, sizes))))
        )

    def layer(self, kind: str, name: str, reads: list[str], parameters: dict, outputs=()) -> str:
        """Adds a layer; returns its first output."""
        outputs = outputs or [name]
        values = " ".join(f"{key}={value}" for key, value in parameters.items())
        names = " ".join([*reads, *outputs])
        self.lines.append(f"{kind} {name} {len(reads)} {len(outputs)} {names} {values}".strip())
        self.blobs += len(outputs)
        return outputs[0]

    def define(self, name: str, blob: str):
        """Says which blob has the value of the line `name`, once for each of its readers."""
        count = self.readers[name]
        blobs = [blob]
        if count > 1:
            blobs = [f"{blob}.{index}" for index in range(count)]
            self.layer("Split", f"{blob}.split", [blob], {}, blobs)
        self.values[name] = blobs

    def read(self, placed: networks.Placed) -> list[str]:
        return [self.values[read].pop() for read in placed.reads]

    def with_weights(self, kind, placed, parameters, kernel, activation):
        """Adds a layer with a kernel, whose first axis is that of the outputs, and a bias."""
        name, bias = placed.name, self.weights[f"{placed.name}.bias"]
        if normalization := self.normalizations.get(name):
            gamma, beta, mean, variance = (
                self.weights[f"{normalization.name}.{tensor}"]
                for tensor in ("gamma", "beta", *networks.STATE)
            )
            scale = gamma / np.sqrt(variance + 1e-3)
            kernel = kernel * scale.reshape(-1, *[1] * (kernel.ndim - 1))
            bias = (bias - mean) * scale + beta
            activation, name = normalization.layer.activation, normalization.name
        if activation == "relu":
            parameters["9"] = 1
        blob = self.layer(kind, placed.name, self.read(placed), parameters)
        # The tag says that plain f32 follow.
        self.binary.write(np.uint32(0).tobytes())
        for array in (kernel, bias):
            self.binary.write(np.ascontiguousarray(array, "<f4").tobytes())
        self.define(name, blob if activation == "relu" else self.activated(blob, activation))

    def activated(self, blob: str, activation: str | None) -> str:
        if activation is None:
            return blob
        return self.layer(ACTIVATIONS[activation], f"{blob}.{activation}", [blob], {})


def write(network: str, weights: dict, param: Path, binary: Path) -> str:
    """Writes both files; returns the name of the output."""
    with binary.open("wb") as file:
        writer, flattened = Writer(network, weights, file), None
        for placed in writer.placed:
            name = placed.name
            match placed.layer:
                case Conv(_, kernel, strides, _, activation) | DepthwiseConv(
                    kernel, strides, _, activation
                ):
                    (height, width), weight = networks.pair(kernel), weights[f"{name}.kernel"]
                    (top, bottom), (left, right) = placed.pads
                    sizes = {"0": placed.output[-1], "1": width, "11": height, "3": strides}
                    pads = {"4": left, "15": right, "14": top, "16": bottom}
                    parameters = {**sizes, **pads, "5": 1, "6": weight.size}
                    if isinstance(placed.layer, Conv):
                        kind, weight = "Convolution", weight.transpose(3, 2, 0, 1)
                    else:
                        kind, weight = "ConvolutionDepthWise", weight.transpose(2, 3, 0, 1)
                        parameters["7"] = placed.input[-1]
                    writer.with_weights(kind, placed, parameters, weight, activation)
                case Dense(units, activation):
                    weight = networks.channels_first_rows(
                        placed, weights[f"{name}.kernel"], flattened
                    )
                    flattened = None
                    parameters = {"0": units, "1": 1, "2": weight.size}
                    writer.with_weights("InnerProduct", placed, parameters, weight.T, activation)
                case BatchNormalization():
                    # It is in the layer before it.
                    pass
                case Add(activation):
                    blob = writer.layer("BinaryOp", name, writer.read(placed), {"0": 0})
                    writer.define(name, writer.activated(blob, activation))
                case MaxPool(size):
                    pool = {"0": 0, "1": size, "2": size, "5": 1}
                    writer.define(name, writer.layer("Pooling", name, writer.read(placed), pool))
                case AvgPool(size):
                    pool = {"0": 1, "1": size, "2": size, "5": 1}
                    writer.define(name, writer.layer("Pooling", name, writer.read(placed), pool))
                case GlobalAvgPool():
                    pool = {"0": 1, "4": 1}
                    writer.define(name, writer.layer("Pooling", name, writer.read(placed), pool))
                case Flatten():
                    flattened = placed.input
                    writer.define(name, writer.layer("Flatten", name, writer.read(placed), {}))
        [output] = writer.values[writer.placed[-1].name]
        if networks.NETWORKS[network].softmax:
            output = writer.layer("Softmax", "output", [output], {"0": 0, "1": 1})
    text = "\n".join(["7767517", f"{len(writer.lines)} {writer.blobs}", *writer.lines])
    param.write_text(text + "\n")
    return output


class Ncnn(Peer):
    def version(self):
        return ncnn.__version__

    def load(self, network, folder, weights, images, targets):
        param, binary = folder / "model.param", folder / "model.bin"
        self.output = write(network, weights, param, binary)
        self.net = ncnn.Net()
        options = self.net.opt
        options.num_threads = self.threads
        # As its own benchmark has them: memory is kept from one layer and image to the next.
        self.allocators = ncnn.UnlockedPoolAllocator(), ncnn.PoolAllocator()
        options.blob_allocator, options.workspace_allocator = self.allocators
        # All of them round to 16 bits somewhere.
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
        options.use_bf16_storage = False
        if self.net.load_param(str(param)) or self.net.load_model(str(binary)):
            raise RuntimeError("ncnn does not read the model")
        self.images = [ncnn.Mat(image).clone() for image in onnx_model.channels_first(images)]

    def infer_step(self, batch):
        def step(i):
            outputs = []
            for image in self.images[i * batch : (i + 1) * batch]:
                with self.net.create_extractor() as extractor:
                    extractor.input("input", image)
                    _, output = extractor.extract(self.output)
                    outputs.append(np.array(output))
            return outputs

        return step


if __name__ == "__main__":
    serve(Ncnn)
