"""The MNIST convnet of the Keras tutorial, trained by PyTorch eager, channels last.

    python pytorch_mnist.py DATA [--threads 1] [--epochs 5] [--seed 0]

DATA is the folder of the four IDX files. Prints a line after each epoch and, last, one
line of JSON. Seconds are those of the training loop alone: shuffling, batching, forward,
backward and update, without reading the files and without the evaluation.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

import mnist

BATCH_SIZE = 64


class Flatten(nn.Module):
    """In the order height, width, channels: of a channels-last image this is a view."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


def network() -> nn.Module:
    """The network with logits as its output, initialised as Keras does."""
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        Flatten(),
        nn.Linear(5 * 5 * 64, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    for layer in net:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return net.to(memory_format=torch.channels_last)


def load(folder: Path, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images `[N, 1, 28, 28]`, stored channels last, and labels `[N]`."""
    images, labels = mnist.load(folder, part)
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)


def train_epoch(net, optimizer, images, labels):
    for batch in torch.randperm(len(images)).split(BATCH_SIZE):
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(images[batch]), labels[batch]).backward()
        optimizer.step()


@torch.inference_mode()
def accuracy(net, images, labels) -> float:
    correct = sum(
        (net(x).argmax(1) == y).sum().item()
        for x, y in zip(images.split(1000), labels.split(1000))
    )
    return correct / len(images)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path, help="folder of the four IDX files")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--epochs", type=int, default=5)
    options.add_argument("--seed", type=int, default=0)
    options = options.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    images, labels = load(options.data, "train")
    test = load(options.data, "test")
    net = network()
    optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)

    seconds, accuracies = [], []
    for epoch in range(options.epochs):
        start = time.perf_counter()
        train_epoch(net, optimizer, images, labels)
        seconds.append(time.perf_counter() - start)
        accuracies.append(accuracy(net, *test))
        print(
            f"epoch {epoch + 1}: {seconds[-1]:.2f} s, "
            f"{len(images) / seconds[-1]:,.0f} images/s, test accuracy {accuracies[-1]:.4f}",
            flush=True,
        )
    print(
        json.dumps(
            {
                "peer": "pytorch",
                "version": torch.__version__,
                "threads": options.threads,
                "seed": options.seed,
                "epochs": options.epochs,
                "test_accuracy": accuracies,
                "seconds_per_epoch": seconds,
                "images_per_second": len(images) / statistics.median(seconds),
            }
        )
    )


if __name__ == "__main__":
    main()
