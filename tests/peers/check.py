"""Whether a library computes what ours does; what is wrong raises `Failed`."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import networks
from library import Failed, Library

#: Largest difference of an output: a probability, or a value of about 1.
OUTPUT = 1e-4
#: Of the loss, before and after a step, relative to it.
LOSS = 1e-4
#: Of the change of a tensor in a step of SGD, relative to the largest change in the tensor. Not less, because
#: rounding decides who wins where two values of a pool's window are nearly equal: PyTorch's own step of the
#: VGG-like network's first bias is off by 2e-3 in float32, measured against itself in float64.
STEP = 1e-2
#: Of the change in a step of RMSprop, relative to the learning rate.
RMSPROP_STEP = 2e-2
#: Of the loss of a network whose gradients rounding decides: PyTorch's gradients of the MobileNet's untrained weights in
#: float32 differ by up to half from its own in float64, and its loss by 1e-3. Only the first loss is compared there.
ILL_CONDITIONED = {"mobilenet": 2e-3}
#: How much more `LOSS` and `STEP` allow where batches are normalized: rounding grows with each normalization.
NORMALIZED = 5


def infer(ours: Library, library: Library, batch: int, folder: Path) -> float:
    """Compares the outputs for the first `batch` images; returns the largest difference."""
    outputs = []
    for asked in (ours, library):
        file = folder / "output.f32"
        asked.ask("infer", batch, file)
        outputs.append(np.fromfile(file, "<f4").reshape(batch, -1))
    if outputs[0].shape != outputs[1].shape:
        raise Failed(f"outputs of shape {outputs[1].shape}, ours {outputs[0].shape}")
    difference = float(np.abs(outputs[0] - outputs[1]).max())
    # So written, because NaN is in no order.
    if not difference <= OUTPUT:
        raise Failed(f"an output differs by {difference:.1e}")
    return difference


def train(
    ours: Library, library: Library, network: str, epsilon: str, batch: int, folder: Path
) -> float:
    """Compares a step of SGD with ours, and one of RMSprop with its formula.

    Returns the largest difference in a step of SGD, relative to the largest change in the tensor; of a network that is
    `ILL_CONDITIONED`, that of the loss.
    """
    weights = load_file(folder / "weights.safetensors")

    def step(asked, optimizer):
        file = folder / "step.safetensors"
        reply = asked.ask("step", optimizer, batch, file)
        trained = load_file(file)
        return reply, {name: trained[name] - value for name, value in weights.items()}

    more = NORMALIZED if any(name.endswith(networks.STATE) for name in weights) else 1
    # The gradient of a bias in front of a normalization is zero but for rounding.
    compared = weights.keys() - networks.normalized_biases(network)
    our_losses, our_step = step(ours, "sgd")
    losses, sgd = step(library, "sgd")
    if tolerance := ILL_CONDITIONED.get(network):
        difference = abs(losses["loss"] / our_losses["loss"] - 1)
        if not difference <= tolerance:
            raise Failed(f"the loss is {losses['loss']:.6f}, ours {our_losses['loss']:.6f}")
        return difference
    for key in ("loss", "loss_after"):
        if not abs(losses[key] / our_losses[key] - 1) <= more * LOSS:
            raise Failed(f"{key} is {losses[key]:.6f}, ours {our_losses[key]:.6f}")
    worst = 0.0
    for name in compared:
        difference = np.abs(sgd[name] - our_step[name]).max() / np.abs(our_step[name]).max()
        if not difference <= more * STEP:
            raise Failed(f"the step of `{name}` differs by {difference:.1e} of the largest")
        worst = max(worst, float(difference))

    # The optimizer that is timed, apart from the gradients, which have just been compared: from the
    # library's own, those of a learning rate of 0.1. Ours would not do: epsilon inside the root makes a
    # difference of 1e-5 between small gradients 3e-2 of the rate.
    _, rmsprop = step(library, "rmsprop")
    for name in filter(networks.is_trained, compared):
        gradient = sgd[name] / -0.1
        square = 0.1 * gradient**2
        root = np.sqrt(square + 1e-7) if epsilon == "inside" else np.sqrt(square) + 1e-7
        expected = -1e-3 * gradient / root
        # Rounding decides the sign of a gradient near zero, and so the direction of the step.
        clear = np.abs(gradient) > 1e-2 * np.abs(gradient).max()
        difference = np.abs(rmsprop[name] - expected)[clear].max() / 1e-3
        if not difference <= RMSPROP_STEP:
            raise Failed(f"rmsprop's step of `{name}` differs by {difference:.1e} of the rate")
    return worst
