"""The timed networks, as `examples/bench/networks.rs` has them, for all peers that Python drives.

A network is an input shape (height, width, channels) and a row of layers. Convolutions and all
dense layers but the last end in relu; the last gives the logits, which a softmax follows.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file


@dataclass(frozen=True)
class Conv:
    filters: int
    kernel: int
    strides: int = 1
    padding: str = "valid"


@dataclass(frozen=True)
class MaxPool:
    size: int


@dataclass(frozen=True)
class AvgPool:
    size: int


@dataclass(frozen=True)
class Flatten:
    pass


@dataclass(frozen=True)
class Dense:
    units: int
    relu: bool = True


LOGITS = Dense(10, relu=False)

NETWORKS = {
    "tutorial": (
        (28, 28, 1),
        [Conv(32, 3), MaxPool(2), Conv(64, 3), MaxPool(2), Flatten(), Dense(64), LOGITS],
    ),
    "lenet5": (
        (28, 28, 1),
        [
            Conv(6, 5, padding="same"),
            MaxPool(2),
            Conv(16, 5),
            MaxPool(2),
            Flatten(),
            Dense(120),
            Dense(84),
            LOGITS,
        ],
    ),
    "vgg": (
        (32, 32, 3),
        [
            Conv(32, 3, padding="same"),
            Conv(32, 3, padding="same"),
            MaxPool(2),
            Conv(64, 3, padding="same"),
            Conv(64, 3, padding="same"),
            MaxPool(2),
            Conv(128, 3, padding="same"),
            Conv(128, 3, padding="same"),
            MaxPool(2),
            Flatten(),
            Dense(128),
            LOGITS,
        ],
    ),
    "mlp": ((784,), [Dense(512), Dense(512), LOGITS]),
    "pointwise": (
        (32, 32, 3),
        [
            Conv(32, 3, strides=2, padding="same"),
            Conv(64, 1),
            Conv(64, 1),
            MaxPool(2),
            Conv(128, 1),
            Conv(128, 1),
            AvgPool(8),
            Flatten(),
            LOGITS,
        ],
    ),
}


@dataclass(frozen=True)
class Placed:
    """A layer with its name, as the crate numbers them, and the shapes around it."""

    layer: object
    name: str
    input: tuple
    output: tuple

    @property
    def pads(self) -> tuple[int, int]:
        """Rows (and columns) that a convolution adds before and after; TensorFlow's `same`."""
        if self.layer.padding == "valid":
            return 0, 0
        total = max(
            (self.output[0] - 1) * self.layer.strides + self.layer.kernel - self.input[0], 0
        )
        return total // 2, total - total // 2


def layers(network: str) -> list[Placed]:
    shape, row = NETWORKS[network]
    placed, counts = [], {}
    for layer in row:
        match layer:
            case Conv(filters, kernel, strides, padding):
                side = shape[0] if padding == "same" else shape[0] - kernel + 1
                side = -(-side // strides)
                kind, output = "conv2d", (side, side, filters)
            case MaxPool(size):
                kind = "max_pool2d"
                output = (shape[0] // size, shape[1] // size, shape[2])
            case AvgPool(size):
                kind = "avg_pool2d"
                output = (shape[0] // size, shape[1] // size, shape[2])
            case Flatten():
                kind, output = "flatten", (int(np.prod(shape)),)
            case Dense(units, _):
                kind, output = "dense", (units,)
        counts[kind] = counts.get(kind, 0) + 1
        placed.append(Placed(layer, f"{kind}_{counts[kind]}", shape, output))
        shape = output
    return placed


def input_shape(network: str) -> tuple:
    return NETWORKS[network][0]


def random_weights(network: str, seed: int) -> dict[str, np.ndarray]:
    """Glorot uniform kernels, and biases that are not zero, so that a lost one is seen.

    Kernels of convolutions are `[height, width, in, out]`, of dense layers `[in, out]`.
    """
    random = np.random.default_rng(seed)
    weights = {}
    for placed in layers(network):
        match placed.layer:
            case Conv(filters, kernel, _, _):
                shape = (kernel, kernel, placed.input[-1], filters)
            case Dense(units, _):
                shape = (placed.input[0], units)
            case _:
                continue
        fan = np.prod(shape[:-2]) * (shape[-2] + shape[-1])
        limit = np.sqrt(6 / fan)
        weights[f"{placed.name}.kernel"] = random.uniform(-limit, limit, shape)
        weights[f"{placed.name}.bias"] = random.uniform(-0.05, 0.05, shape[-1])
    return {name: value.astype(np.float32) for name, value in weights.items()}


def channels_first_rows(placed: Placed, kernel: np.ndarray, flattened: tuple | None):
    """The rows of a dense kernel in the order of a flattened `[channels, height, width]`.

    `flattened` is the shape before the `flatten` that stands in front of the layer, if any.
    """
    if flattened is None or len(flattened) != 3:
        return kernel
    rows = kernel.reshape(*flattened, placed.layer.units).transpose(2, 0, 1, 3)
    return np.ascontiguousarray(rows.reshape(kernel.shape))


def pictures(network: str, digits: np.ndarray) -> np.ndarray:
    """`digits` `[N, 28, 28, 1]` in the network's shape; in colours where it takes 32x32x3.

    As `examples/bench/pictures.rs` does, which says why it is no noise.
    """
    shape = input_shape(network)
    if np.prod(shape) == 784:
        return digits.reshape(-1, *shape)
    height, width, channels = shape
    rows, columns = (height - 28) // 2, (width - 28) // 2
    ink = np.pad(digits, ((0, 0), (rows, rows), (columns, columns), (0, 0)))
    index = np.arange(len(digits))[:, None] * 37 + np.arange(channels)[None, :] * 91
    behind = ((index % 128) / 256).astype(np.float32)[:, None, None, :]
    return np.ascontiguousarray(behind + (1 - behind) * ink)


def description(network: str) -> dict:
    """The network for peers that are not written in Python."""
    row = []
    for placed in layers(network):
        layer = {"name": placed.name, "kind": type(placed.layer).__name__, **asdict(placed.layer)}
        if isinstance(placed.layer, Conv):
            layer["pads"] = placed.pads
        row.append(layer)
    return {"input": input_shape(network), "layers": row}


def write_folder(folder: Path, network: str, digits: np.ndarray, labels: np.ndarray):
    """Writes what `load` reads: weights, images, labels, and the layers as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "network.json").write_text(json.dumps(description(network)))
    save_file(random_weights(network, 0), folder / "weights.safetensors")
    pictures(network, digits).astype("<f4").tofile(folder / "images.f32")
    labels.astype(np.uint8).tofile(folder / "labels.u8")
