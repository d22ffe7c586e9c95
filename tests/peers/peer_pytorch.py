"""PyTorch, channels last: eager, or compiled where `PEER_COMPILE` is 1."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import networks
from networks import AvgPool, Conv, Dense, Flatten, MaxPool
from peer import Peer, serve

COMPILE = os.environ.get("PEER_COMPILE") == "1"
# Beyond a number of compilations PyTorch goes on uncompiled and only warns; here that is an error.
torch._dynamo.config.fail_on_recompile_limit_hit = True


class ChannelsLastFlatten(nn.Module):
    """In the order height, width, channels: of a channels-last image this is a view."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


def module(network: str, weights: dict) -> nn.Module:
    row = []
    for placed in networks.layers(network):
        match placed.layer:
            case Conv(filters, kernel, strides, _):
                before, after = placed.pads
                if before != after:
                    row.append(nn.ZeroPad2d((before, after, before, after)))
                padding = before if before == after else 0
                layer = nn.Conv2d(placed.input[-1], filters, kernel, strides, padding)
                kernel = weights[f"{placed.name}.kernel"].transpose(3, 2, 0, 1)
                row += [set_weights(layer, kernel, weights[f"{placed.name}.bias"]), nn.ReLU()]
            case MaxPool(size):
                row.append(nn.MaxPool2d(size))
            case AvgPool(size):
                row.append(nn.AvgPool2d(size))
            case Flatten():
                row.append(ChannelsLastFlatten())
            case Dense(units, relu):
                layer = nn.Linear(placed.input[0], units)
                kernel = weights[f"{placed.name}.kernel"].T
                row.append(set_weights(layer, kernel, weights[f"{placed.name}.bias"]))
                row += [nn.ReLU()] if relu else []
    return nn.Sequential(*row).to(memory_format=torch.channels_last)


def compiled(net: nn.Module) -> nn.Module:
    # Shapes are static for our compiler too.
    return torch.compile(net, dynamic=False) if COMPILE else net


@torch.no_grad()
def set_weights(layer, kernel, bias):
    layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)))
    layer.bias.copy_(torch.from_numpy(bias))
    return layer


class PyTorch(Peer):
    epsilon = "outside"

    def __init__(self, threads):
        super().__init__(threads)
        torch.set_num_threads(threads)

    def version(self):
        return torch.__version__

    def load(self, network, folder: Path, weights, images, labels):
        if COMPILE:
            torch.compiler.reset()
        self.network, self.weights = network, weights
        images = torch.from_numpy(images)
        # A permuted view: channels first by its shape, channels last in memory.
        self.images = images.permute(0, 3, 1, 2) if images.dim() == 4 else images
        self.labels = torch.from_numpy(labels)
        self.net = module(network, weights)
        self.run = compiled(self.net)
        self.initial = {name: value.clone() for name, value in self.net.state_dict().items()}

    def infer_step(self, batch):
        if COMPILE:
            torch.compiler.reset()
        net = compiled(module(self.network, self.weights).eval())
        images = self.images.split(batch)

        def step(i):
            with torch.inference_mode():
                return net(images[i]).softmax(1)

        return step

    def train_step(self, batch, optimizer):
        self.net.load_state_dict(self.initial)
        if optimizer == "sgd":
            optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)
        else:
            optimizer = torch.optim.RMSprop(self.net.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)
        images, labels = self.images.split(batch), self.labels.split(batch)

        def step(i):
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(self.run(images[i]), labels[i])
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step

    def parameters(self):
        trained = [layer for layer in self.net if isinstance(layer, (nn.Conv2d, nn.Linear))]
        names = [name.removesuffix(".kernel") for name in self.weights if name.endswith(".kernel")]
        parameters = {}
        # The file lists tensors by name, the network by place.
        for placed in networks.layers(self.network):
            if placed.name not in names:
                continue
            layer = trained.pop(0)
            kernel = layer.weight.detach().numpy()
            axes = (2, 3, 1, 0) if kernel.ndim == 4 else (1, 0)
            parameters[f"{placed.name}.kernel"] = kernel.transpose(axes)
            parameters[f"{placed.name}.bias"] = layer.bias.detach().numpy().copy()
        return parameters


if __name__ == "__main__":
    serve(PyTorch)
