"""ncnn, from a `.param` and a `.bin` file written here.

ncnn takes one image at a time; a batch is its images one after the other.
"""

from pathlib import Path

import ncnn
import numpy as np

import networks
import onnx_model
from networks import AvgPool, Conv, Dense, Flatten, MaxPool
from peer import Peer, serve

# Numbers of the parameters of layers, in ncnn's `docs/developer-guide/operators.md`.
RELU = "9=1"


def write(network: str, weights: dict, param: Path, binary: Path):
    if not networks.is_sequence(network):
        raise ValueError("only sequences are written for it")
    lines, blob, flattened = [], "input", None
    shape = networks.input_shape(network)
    sizes = [shape[1], shape[0], shape[2]] if len(shape) == 3 else shape
    sizes = " ".join(f"{key}={size}" for key, size in enumerate(sizes))
    lines.append(f"Input input 0 1 input {sizes}")
    with binary.open("wb") as file:

        def tensor(array, tagged):
            if tagged:
                # The tag says that plain f32 follow.
                file.write(np.uint32(0).tobytes())
            file.write(np.ascontiguousarray(array, "<f4").tobytes())

        def add(kind, name, parameters):
            nonlocal blob
            lines.append(f"{kind} {name} 1 1 {blob} {name} {parameters}")
            blob = name

        for placed in networks.layers(network):
            name = placed.name
            match placed.layer:
                case Conv(filters, kernel, strides, _, True):
                    before, after = placed.pads[0]
                    weight = weights[f"{name}.kernel"]
                    add(
                        "Convolution",
                        name,
                        f"0={filters} 1={kernel} 3={strides} 4={before} 15={after} 14={before} "
                        f"16={after} 5=1 6={weight.size} {RELU}",
                    )
                    tensor(weight.transpose(3, 2, 0, 1), True)
                    tensor(weights[f"{name}.bias"], False)
                case MaxPool(size):
                    add("Pooling", name, f"0=0 1={size} 2={size} 5=1")
                case AvgPool(size):
                    add("Pooling", name, f"0=1 1={size} 2={size} 5=1")
                case Flatten():
                    flattened = placed.input
                    add("Flatten", name, "")
                case Dense(units, relu):
                    kernel = networks.channels_first_rows(
                        placed, weights[f"{name}.kernel"], flattened
                    )
                    flattened = None
                    parameters = f"0={units} 1=1 2={kernel.size}"
                    add("InnerProduct", name, f"{parameters} {RELU}" if relu else parameters)
                    tensor(kernel.T, True)
                    tensor(weights[f"{name}.bias"], False)
                case layer:
                    raise ValueError(f"{type(layer).__name__} is not written for it")
        add("Softmax", "output", "0=0 1=1")
    text = "\n".join(["7767517", f"{len(lines)} {len(lines)}", *lines])
    param.write_text(text + "\n")


class Ncnn(Peer):
    def version(self):
        return ncnn.__version__

    def load(self, network, folder, weights, images, labels):
        param, binary = folder / "model.param", folder / "model.bin"
        write(network, weights, param, binary)
        self.net = ncnn.Net()
        options = self.net.opt
        options.num_threads = self.threads
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
                    _, output = extractor.extract("output")
                    outputs.append(np.array(output))
            return outputs

        return step


if __name__ == "__main__":
    serve(Ncnn)
