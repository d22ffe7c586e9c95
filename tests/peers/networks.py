"""The timed networks, as `examples/bench/networks.rs` has them, for all peers that Python drives.

A network is an input shape (height, width, channels), lines, and the loss with its targets. Where nothing else is
said, layers with an activation end in relu. The last line gives logits where the loss is a cross-entropy, and a softmax
follows while predicting; of another loss it gives the output.
"""

import json
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file


@dataclass(frozen=True)
class Conv:
    filters: int
    kernel: int | tuple[int, int]
    strides: int = 1
    padding: str = "valid"
    activation: str | None = "relu"


@dataclass(frozen=True)
class DepthwiseConv:
    kernel: int
    strides: int = 1
    padding: str = "valid"
    activation: str | None = "relu"


@dataclass(frozen=True)
class BatchNormalization:
    activation: str | None = "relu"


@dataclass(frozen=True)
class Add:
    """Of the two values that its line reads."""

    activation: str | None = "relu"


@dataclass(frozen=True)
class MaxPool:
    size: int


@dataclass(frozen=True)
class AvgPool:
    size: int


@dataclass(frozen=True)
class GlobalAvgPool:
    pass


@dataclass(frozen=True)
class Flatten:
    pass


@dataclass(frozen=True)
class Dense:
    units: int
    activation: str | None = "relu"


LOGITS = Dense(10, activation=None)

#: The losses.
CROSS_ENTROPY = "categorical_crossentropy"
MEAN_SQUARED_ERROR = "mean_squared_error"

#: The targets: the class of each image, or the image itself.
LABELS, INPUTS = "labels", "inputs"

#: What the crate calls the layers.
KEYWORDS = {
    Conv: "conv2d",
    DepthwiseConv: "depthwise_conv2d",
    BatchNormalization: "batch_normalization",
    Add: "add",
    MaxPool: "max_pool2d",
    AvgPool: "avg_pool2d",
    GlobalAvgPool: "global_avg_pool2d",
    Flatten: "flatten",
    Dense: "dense",
}

#: The value that a first line reads.
INPUT = "input"


@dataclass(frozen=True)
class Line:
    """A layer, its name, and the names of the values that it reads."""

    layer: object
    name: str
    reads: tuple[str, ...]


@dataclass
class Lines:
    """Lines one after the other, named as the crate names them: numbered by their keyword, within their block."""

    lines: list[Line] = field(default_factory=list)
    scopes: list[tuple[str, Counter]] = field(default_factory=lambda: [("", Counter())])

    @property
    def last(self) -> str:
        return self.lines[-1].name if self.lines else INPUT

    def name(self, keyword: str) -> str:
        prefix, counts = self.scopes[-1]
        counts[keyword] += 1
        return f"{prefix}{keyword}_{counts[keyword]}"

    def add(self, layer, *reads: str, label: str | None = None) -> str:
        """Adds a line that reads `reads`, or the line above; returns its name."""
        name = self.scopes[-1][0] + label if label else self.name(KEYWORDS[type(layer)])
        self.lines.append(Line(layer, name, reads or (self.last,)))
        return name

    @contextmanager
    def block(self, keyword: str, label: str | None = None):
        """What is added meanwhile is in a block; gives the value that flows into it."""
        name = self.scopes[-1][0] + label if label else self.name(keyword)
        self.scopes.append((f"{name}.", Counter()))
        yield self.last
        self.scopes.pop()


def sequence(*layers) -> list[Line]:
    net = Lines()
    for layer in layers:
        net.add(layer)
    return net.lines


def resnet8() -> list[Line]:
    """ResNet-8 of MLPerf Tiny: the projections have no normalization."""
    net = Lines()

    def conv_bn(filters, strides=1, activation="relu", label=None):
        with net.block("conv_bn", label):
            net.add(Conv(filters, 3, strides, "same", activation=None))
            return net.add(BatchNormalization(activation))

    conv_bn(16)
    with net.block("residual") as before:
        conv_bn(16)
        net.add(Add(), conv_bn(16, activation=None), before)
    for filters in (32, 64):
        with net.block("downsample") as before:
            conv_bn(filters, strides=2)
            main = conv_bn(filters, activation=None, label="main")
            projection = Conv(filters, 1, 2, "same", activation=None)
            shortcut = net.add(projection, before, label="shortcut")
            net.add(Add(), main, shortcut)
    net.add(GlobalAvgPool())
    net.add(LOGITS)
    return net.lines


def separable(net: Lines, filters: int, strides: int = 1):
    with net.block("separable"):
        net.add(DepthwiseConv(3, strides, "same", activation=None))
        net.add(BatchNormalization())
        net.add(Conv(filters, 1, activation=None))
        net.add(BatchNormalization())


def ds_cnn() -> list[Line]:
    """The keyword spotter of MLPerf Tiny, without its dropout: libraries drop different units."""
    net = Lines()
    net.add(Conv(64, (10, 4), 2, "same", activation=None))
    net.add(BatchNormalization())
    for _ in range(4):
        separable(net, 64)
    net.add(GlobalAvgPool())
    net.add(Dense(12, activation=None))
    return net.lines


def mobilenet() -> list[Line]:
    """MobileNetV1 0.25 of MLPerf Tiny."""
    net = Lines()
    net.add(Conv(8, 3, 2, "same", activation=None))
    net.add(BatchNormalization())
    widths = [16, 32, 32, 64, 64, *[128] * 6, 256, 256]
    for place, filters in enumerate(widths):
        separable(net, filters, strides=2 if place in (1, 3, 5, 11) else 1)
    net.add(GlobalAvgPool())
    net.add(Dense(2, activation=None))
    return net.lines


def autoencoder() -> list[Line]:
    """The auto-encoder of MLPerf Tiny, which finds machines that sound wrong."""
    net = Lines()
    for units in [*[128] * 4, 8, *[128] * 4]:
        with net.block("dense_bn"):
            net.add(Dense(units, activation=None))
            net.add(BatchNormalization())
    net.add(Dense(640, activation=None))
    return net.lines


@dataclass(frozen=True)
class Network:
    """What is timed; `title` stands in tables and charts."""

    title: str
    input: tuple
    lines: list[Line]
    loss: str = CROSS_ENTROPY
    targets: str = LABELS
    #: No kernel and no choice of one may be tuned for it.
    held_out: bool = False

    @property
    def softmax(self) -> bool:
        """Whether the outputs of a prediction are a softmax of the last line."""
        return self.loss == CROSS_ENTROPY


NETWORKS = {
    "tutorial": Network(
        "MNIST convnet",
        (28, 28, 1),
        sequence(Conv(32, 3), MaxPool(2), Conv(64, 3), MaxPool(2), Flatten(), Dense(64), LOGITS),
    ),
    "lenet5": Network(
        "LeNet-5",
        (28, 28, 1),
        sequence(
            Conv(6, 5, padding="same"),
            MaxPool(2),
            Conv(16, 5),
            MaxPool(2),
            Flatten(),
            Dense(120),
            Dense(84),
            LOGITS,
        ),
    ),
    "vgg": Network(
        "VGG-like, 32x32",
        (32, 32, 3),
        sequence(
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
        ),
    ),
    "mlp": Network("MLP 784-512-512-10", (784,), sequence(Dense(512), Dense(512), LOGITS)),
    "pointwise": Network(
        "1x1 convolutions",
        (32, 32, 3),
        sequence(
            Conv(32, 3, strides=2, padding="same"),
            Conv(64, 1),
            Conv(64, 1),
            MaxPool(2),
            Conv(128, 1),
            Conv(128, 1),
            AvgPool(8),
            Flatten(),
            LOGITS,
        ),
    ),
    "resnet8": Network("ResNet-8", (32, 32, 3), resnet8()),
    "ds_cnn": Network("DS-CNN", (49, 10, 1), ds_cnn()),
    "mobilenet": Network("MobileNetV1 0.25", (96, 96, 3), mobilenet()),
    "odd_widths": Network(
        "odd widths, 48x48",
        (48, 48, 3),
        sequence(
            Conv(24, 3, padding="same"),
            MaxPool(2),
            Conv(37, 3),
            MaxPool(2),
            Conv(51, 3),
            Flatten(),
            Dense(75),
            Dense(7, activation=None),
        ),
        held_out=True,
    ),
    "large_kernels": Network(
        "large kernels, tanh",
        (20, 37, 5),
        sequence(
            Conv(13, 7, strides=3, padding="same", activation="tanh"),
            Conv(26, 5, strides=2, activation="tanh"),
            Flatten(),
            Dense(50, activation="tanh"),
            LOGITS,
        ),
        held_out=True,
    ),
    "large_images": Network(
        "3x3 convolutions, 64x64",
        (64, 64, 3),
        sequence(
            Conv(16, 3, padding="same"),
            MaxPool(2),
            Conv(32, 3, padding="same"),
            MaxPool(2),
            Conv(48, 3, padding="same"),
            MaxPool(2),
            Conv(64, 3, padding="same"),
            GlobalAvgPool(),
            LOGITS,
        ),
        held_out=True,
    ),
    "autoencoder": Network(
        "auto-encoder",
        (640,),
        autoencoder(),
        loss=MEAN_SQUARED_ERROR,
        targets=INPUTS,
        held_out=True,
    ),
}


@dataclass(frozen=True)
class Placed:
    """A layer with its name, what it reads, and the shapes around it."""

    layer: object
    name: str
    reads: tuple[str, ...]
    input: tuple
    output: tuple

    @property
    def pads(self) -> list[tuple[int, int]]:
        """What a convolution adds before and after, of rows and of columns; TensorFlow's `same`."""
        if self.layer.padding == "valid":
            return [(0, 0), (0, 0)]
        pads = []
        for before, after, kernel in zip(self.input, self.output, pair(self.layer.kernel)):
            total = max((after - 1) * self.layer.strides + kernel - before, 0)
            pads.append((total // 2, total - total // 2))
        return pads


def pair(kernel: int | tuple[int, int]) -> tuple[int, int]:
    return kernel if isinstance(kernel, tuple) else (kernel, kernel)


def layers(network: str) -> list[Placed]:
    shapes, placed = {INPUT: input_shape(network)}, []
    for line in NETWORKS[network].lines:
        shape = shapes[line.reads[0]]
        match line.layer:
            case Conv() | DepthwiseConv() as layer:
                sides = [
                    -(-(side if layer.padding == "same" else side - kernel + 1) // layer.strides)
                    for side, kernel in zip(shape, pair(layer.kernel))
                ]
                output = (*sides, layer.filters if isinstance(layer, Conv) else shape[2])
            case MaxPool(size) | AvgPool(size):
                output = (shape[0] // size, shape[1] // size, shape[2])
            case BatchNormalization() | Add():
                output = shape
            case GlobalAvgPool():
                output = (shape[2],)
            case Flatten():
                output = (int(np.prod(shape)),)
            case Dense(units, _):
                output = (units,)
        shapes[line.name] = output
        placed.append(Placed(line.layer, line.name, line.reads, shape, output))
    return placed


def is_sequence(network: str) -> bool:
    """Whether each line reads the one above, and no other."""
    lines = NETWORKS[network].lines
    above = [INPUT, *(line.name for line in lines)]
    return all(line.reads == (name,) for line, name in zip(lines, above))


def outputs(network: str) -> int:
    """How many values a prediction has."""
    return layers(network)[-1].output[0]


def input_shape(network: str) -> tuple:
    return NETWORKS[network].input


def random_weights(network: str, seed: int) -> dict[str, np.ndarray]:
    """Glorot uniform kernels, and biases and statistics that differ from 0 and 1, so that a lost one is seen.

    Kernels of convolutions are `[height, width, in, out]`, depthwise ones `[height, width, channels, 1]`, those of
    dense layers `[in, out]`.
    """
    random = np.random.default_rng(seed)
    weights = {}
    for placed in layers(network):
        name, channels = placed.name, placed.input[-1]
        match placed.layer:
            case Conv(filters, kernel):
                shape = (*pair(kernel), channels, filters)
            case DepthwiseConv(kernel):
                shape = (*pair(kernel), channels, 1)
            case Dense(units, _):
                shape = (channels, units)
            case BatchNormalization():
                weights[f"{name}.gamma"] = random.uniform(0.5, 1.5, channels)
                weights[f"{name}.beta"] = random.uniform(-0.05, 0.05, channels)
                weights[f"{name}.{STATE[0]}"] = random.uniform(-0.05, 0.05, channels)
                weights[f"{name}.{STATE[1]}"] = random.uniform(0.5, 1.5, channels)
                continue
            case _:
                continue
        fan = np.prod(shape[:-2]) * (shape[-2] + shape[-1])
        limit = np.sqrt(6 / fan)
        weights[f"{name}.kernel"] = random.uniform(-limit, limit, shape)
        weights[f"{name}.bias"] = random.uniform(-0.05, 0.05, placed.output[-1])
    return {name: value.astype(np.float32) for name, value in weights.items()}


#: The statistics of a normalization: no gradient changes them.
STATE = ("moving_mean", "moving_variance")


def is_trained(tensor: str) -> bool:
    return not tensor.endswith(STATE)


def normalized_biases(network: str) -> set[str]:
    """The biases of layers that only a normalization reads."""
    return {
        f"{placed.reads[0]}.bias"
        for placed in layers(network)
        if isinstance(placed.layer, BatchNormalization)
    }


def channels_first_rows(placed: Placed, kernel: np.ndarray, flattened: tuple | None):
    """The rows of a dense kernel in the order of a flattened `[channels, height, width]`.

    `flattened` is the shape before the `flatten` that stands in front of the layer, if any.
    """
    if flattened is None or len(flattened) != 3:
        return kernel
    rows = kernel.reshape(*flattened, placed.layer.units).transpose(2, 0, 1, 3)
    return np.ascontiguousarray(rows.reshape(kernel.shape))


def pictures(network: str, digits: np.ndarray) -> np.ndarray:
    """`digits` `[N, 28, 28, 1]` in the network's shape: as they are, or enlarged, in the middle and in colours.

    A row of values gets the digits' rows one after the other, or the middle of them.
    As `examples/bench/pictures.rs` does, which says why it is no noise.
    """
    shape = input_shape(network)
    if np.prod(shape) == 784:
        return digits.reshape(-1, *shape)
    if len(shape) == 1:
        return in_the_middle(digits.reshape(len(digits), -1), 1, shape[0])
    height, width, channels = shape
    times = max(1, min(height, width) // 28)
    ink = digits.repeat(times, axis=1).repeat(times, axis=2)
    ink = in_the_middle(in_the_middle(ink, 1, height), 2, width)
    index = np.arange(len(digits))[:, None] * 37 + np.arange(channels)[None, :] * 91
    behind = ((index % 128) / 256).astype(np.float32)[:, None, None, :]
    return np.ascontiguousarray(behind + (1 - behind) * ink)


def in_the_middle(images: np.ndarray, axis: int, size: int) -> np.ndarray:
    """`images` with zeros around them on `axis`, or cut there, to `size`."""
    missing = size - images.shape[axis]
    if missing < 0:
        return images.take(range(-missing // 2, -missing // 2 + size), axis)
    pads = [(0, 0)] * images.ndim
    pads[axis] = (missing // 2, missing - missing // 2)
    return np.pad(images, pads)


def description(network: str) -> dict:
    """The network for peers that are not written in Python; candle knows sequences alone."""
    row = []
    for placed in layers(network):
        layer = {"name": placed.name, "kind": type(placed.layer).__name__, **asdict(placed.layer)}
        if isinstance(placed.layer, Conv):
            layer["pads"] = placed.pads
        row.append(layer)
    return {"input": input_shape(network), "targets": NETWORKS[network].targets, "layers": row}


def write_folder(folder: Path, network: str, digits: np.ndarray, labels: np.ndarray):
    """Writes what `load` reads: weights, images, labels or targets, and the layers as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "network.json").write_text(json.dumps(description(network)))
    save_file(random_weights(network, 0), folder / "weights.safetensors")
    images = pictures(network, digits).astype("<f4")
    images.tofile(folder / "images.f32")
    if NETWORKS[network].targets == LABELS:
        (labels % outputs(network)).astype(np.uint8).tofile(folder / "labels.u8")
    else:
        images.tofile(folder / "targets.f32")


def read_folder(folder: Path, network: str) -> tuple[np.ndarray, np.ndarray]:
    """The images, and the class of each or its target values, as the loss takes them."""
    images = np.fromfile(folder / "images.f32", "<f4").reshape(-1, *input_shape(network))
    if NETWORKS[network].targets == LABELS:
        return images, np.fromfile(folder / "labels.u8", np.uint8).astype(np.int64)
    targets = np.fromfile(folder / "targets.f32", "<f4")
    return images, targets.reshape(len(images), outputs(network))
