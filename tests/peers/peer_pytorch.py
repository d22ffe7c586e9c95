"""PyTorch, channels last: eager, or compiled where `PEER_COMPILE` is 1."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

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
from peer import Peer, serve

COMPILE = os.environ.get("PEER_COMPILE") == "1"
# Beyond a number of compilations PyTorch goes on uncompiled and only warns; here that is an error.
torch._dynamo.config.fail_on_recompile_limit_hit = True

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}
LOSSES = {networks.CROSS_ENTROPY: F.cross_entropy, networks.MEAN_SQUARED_ERROR: F.mse_loss}


class ChannelsLastFlatten(nn.Module):
    """In the order height, width, channels: of a channels-last image this is a view."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class Sum(nn.Module):
    def forward(self, a, b):
        return a + b


class Mean(nn.Module):
    """Over all positions of an image."""

    def forward(self, x):
        return x.mean((2, 3))


class Graph(nn.Module):
    """Modules that read values by their names, in order; the last value is the output."""

    def __init__(self, lines: list[tuple[str, tuple[str, ...], nn.Module]]):
        super().__init__()
        self.names = [name for name, _, _ in lines]
        self.reads = [reads for _, reads, _ in lines]
        self.parts = nn.ModuleList(part for _, _, part in lines)

    def forward(self, x):
        values = {networks.INPUT: x}
        for name, reads, part in zip(self.names, self.reads, self.parts):
            values[name] = x = part(*(values[read] for read in reads))
        return x


def module(network: str, weights: dict) -> tuple[nn.Module, dict[str, nn.Module]]:
    """The network, and its layers with weights by their names."""
    lines, trained = [], {}
    for placed in networks.layers(network):
        name, activation, pad = placed.name, None, None
        channels = placed.input[-1]
        match placed.layer:
            case Conv(_, kernel, strides, _, activation) | DepthwiseConv(
                kernel, strides, _, activation
            ):
                (top, bottom), (left, right) = placed.pads
                even = top == bottom and left == right
                if not even:
                    pad = nn.ZeroPad2d((left, right, top, bottom))
                groups = channels if isinstance(placed.layer, DepthwiseConv) else 1
                layer = trained[name] = nn.Conv2d(
                    channels,
                    placed.output[-1],
                    kernel,
                    strides,
                    (top, left) if even else 0,
                    groups=groups,
                )
            case BatchNormalization(activation):
                layer = nn.BatchNorm2d if len(placed.input) == 3 else nn.BatchNorm1d
                # PyTorch's momentum is one minus that of Keras.
                layer = trained[name] = layer(channels, eps=1e-3, momentum=0.01)
            case Add(activation):
                layer = Sum()
            case MaxPool(size):
                layer = nn.MaxPool2d(size)
            case AvgPool(size):
                layer = nn.AvgPool2d(size)
            case GlobalAvgPool():
                layer = Mean()
            case Flatten():
                layer = ChannelsLastFlatten()
            case Dense(units, activation):
                layer = trained[name] = nn.Linear(channels, units)
        reads = placed.reads
        if pad:
            lines.append((f"{name}.pad", reads, pad))
            reads = (f"{name}.pad",)
        if not activation:
            lines.append((name, reads, layer))
        else:
            after = ACTIVATIONS[activation]()
            lines += [(f"{name}.linear", reads, layer), (name, (f"{name}.linear",), after)]
    for name, layer in trained.items():
        set_weights(layer, name, weights)
    if networks.is_sequence(network):
        net = nn.Sequential(*(part for _, _, part in lines))
    else:
        net = Graph(lines)
    return net.to(memory_format=torch.channels_last), trained


def compiled(net: nn.Module) -> nn.Module:
    # Shapes are static for our compiler too.
    return torch.compile(net, dynamic=False) if COMPILE else net


#: What PyTorch calls the tensors of a layer.
TENSORS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def axes(layer: nn.Module, tensor: str) -> tuple[list[int], list[int]]:
    """The order in which PyTorch has the axes of a tensor of ours, and the way back."""
    if tensor != "kernel":
        return [0], [0]
    match layer:
        case nn.Conv2d() if layer.groups > 1:
            return [2, 3, 0, 1], [2, 3, 0, 1]
        case nn.Conv2d():
            return [3, 2, 0, 1], [2, 3, 1, 0]
        case _:
            return [1, 0], [1, 0]


def tensors(layer: nn.Module, name: str, weights: dict):
    """Of each tensor of a layer: our name, PyTorch's value, and the axes."""
    for tensor, theirs in TENSORS.items():
        if f"{name}.{tensor}" in weights:
            yield f"{name}.{tensor}", getattr(layer, theirs), axes(layer, tensor)


@torch.no_grad()
def set_weights(layer: nn.Module, name: str, weights: dict):
    for tensor, value, (there, _) in tensors(layer, name, weights):
        value.copy_(torch.from_numpy(np.ascontiguousarray(weights[tensor].transpose(there))))


class PyTorch(Peer):
    epsilon = "outside"

    def __init__(self, threads):
        super().__init__(threads)
        torch.set_num_threads(threads)

    def version(self):
        return torch.__version__

    def load(self, network, folder: Path, weights, images, targets):
        if COMPILE:
            torch.compiler.reset()
        self.network, self.weights = network, weights
        images = torch.from_numpy(images)
        # A permuted view: channels first by its shape, channels last in memory.
        self.images = images.permute(0, 3, 1, 2) if images.dim() == 4 else images
        self.targets = torch.from_numpy(targets)
        self.loss = LOSSES[networks.NETWORKS[network].loss]
        self.net, self.trained = module(network, weights)
        self.run = compiled(self.net)
        self.initial = {name: value.clone() for name, value in self.net.state_dict().items()}

    def infer_step(self, batch):
        if COMPILE:
            torch.compiler.reset()
        net = compiled(module(self.network, self.weights)[0].eval())
        images = self.images.split(batch)

        softmax = networks.NETWORKS[self.network].softmax

        def step(i):
            with torch.inference_mode():
                output = net(images[i])
                return output.softmax(1) if softmax else output

        return step

    def train_step(self, batch, optimizer):
        self.net.load_state_dict(self.initial)
        if optimizer == "sgd":
            optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)
        else:
            # `foreach` takes all tensors in one call, which is faster where there are many.
            optimizer = torch.optim.RMSprop(
                self.net.parameters(), lr=1e-3, alpha=0.9, eps=1e-7, foreach=True
            )
        images, targets = self.images.split(batch), self.targets.split(batch)

        def step(i):
            optimizer.zero_grad(set_to_none=True)
            loss = self.loss(self.run(images[i]), targets[i])
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step

    def parameters(self):
        return {
            tensor: value.detach().numpy().transpose(back).copy()
            for name, layer in self.trained.items()
            for tensor, value, (_, back) in tensors(layer, name, self.weights)
        }


if __name__ == "__main__":
    serve(PyTorch)
