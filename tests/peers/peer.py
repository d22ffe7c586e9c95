"""A peer as a process: commands on standard input, a line of JSON back for each.

    load NETWORK FOLDER            weights.safetensors, images.f32, labels.u8 or targets.f32
    infer BATCH FILE               writes the outputs for the first BATCH images
    step sgd|rmsprop BATCH FILE    one step on them; writes the parameters, answers with the losses
    time train|infer BATCH SECONDS

Every command begins with the weights that were loaded. `sgd` has a learning rate of 0.1, `rmsprop`
one of 1e-3, rho 0.9 and epsilon 1e-7. `examples/bench/serve.rs` and `rust/` speak the same.
A module of a peer makes a subclass of `Peer` and calls `serve`.
"""

import contextlib
import json
import os
import sys
import time
import traceback
from pathlib import Path

import numpy as np

import networks


class Peer:
    """What a peer's module fills in; `self.threads` is set before `load`."""

    #: Where the peer's rmsprop adds epsilon: `inside` the root, as Keras does, or `outside`.
    epsilon = "inside"

    def __init__(self, threads: int):
        self.threads = threads

    def version(self) -> str:
        raise NotImplementedError

    def load(self, network: str, folder: Path, weights: dict, images: np.ndarray, targets):
        """Takes the network with `weights`, images `[N, height, width, channels]`, and the targets of its loss."""
        raise NotImplementedError

    def infer_step(self, batch: int):
        """Returns a function of `i` that computes and returns the outputs for batch `i`."""
        raise NotImplementedError

    def train_step(self, batch: int, optimizer: str):
        """Goes back to the loaded weights, with a new optimizer.

        Returns a function of `i` that makes one step on batch `i` and returns the loss before it,
        which need not be computed until `float` is called.
        """
        raise NotImplementedError(f"{type(self).__name__} does not train")

    def parameters(self) -> dict[str, np.ndarray]:
        """The weights as training left them, named and laid out as they were loaded."""
        raise NotImplementedError


def repeat(step, batches: int, seconds: float) -> dict:
    """Repeats `step` for about `seconds`, after one that does not count."""
    step(0)
    start = time.perf_counter()
    steps = 0
    while True:
        step(steps % batches)
        steps += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return {"steps": steps, "seconds": elapsed}


class Server:
    def __init__(self, peer: Peer):
        self.peer = peer
        self.count = 0
        # Steps by their kind, so that what was compiled for one is kept. Inference only: training
        # begins with the loaded weights each time.
        self.infer = {}

    def answer(self, words: list[str]) -> dict:
        match words:
            case ["load", network, folder]:
                from safetensors.numpy import load_file

                folder = Path(folder)
                images, targets = networks.read_folder(folder, network)
                weights = load_file(folder / "weights.safetensors")
                self.count, self.infer = len(images), {}
                self.peer.load(network, folder, weights, images, targets)
                return {"version": self.peer.version(), "epsilon": self.peer.epsilon}
            case ["infer", batch, file]:
                output = self.infer_step(int(batch))(0)
                output = output.numpy() if hasattr(output, "numpy") else np.asarray(output)
                output.astype("<f4").tofile(file)
                return {}
            case ["step", optimizer, batch, file]:
                from safetensors.numpy import save_file

                step = self.peer.train_step(int(batch), optimizer)
                loss = float(step(0))
                trained = {
                    name: np.ascontiguousarray(value)
                    for name, value in self.peer.parameters().items()
                }
                save_file(trained, file)
                # The loss of the next step is the one after this.
                return {"loss": loss, "loss_after": float(step(0))}
            case ["time", work, batch, seconds]:
                batch = int(batch)
                if work == "train":
                    step = self.peer.train_step(batch, "rmsprop")
                else:
                    step = self.infer_step(batch)
                return repeat(step, self.count // batch, float(seconds))
        raise ValueError(f"no command `{' '.join(words)}`")

    def infer_step(self, batch: int):
        if batch not in self.infer:
            self.infer[batch] = self.peer.infer_step(batch)
        return self.infer[batch]


def serve(peer):
    """Answers commands until the standard input ends. `peer` is made with the number of threads."""
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    server = Server(peer(int(os.environ["PEER_THREADS"])))
    for line in sys.stdin:
        try:
            reply = server.answer(line.split())
        except NotImplementedError as error:
            reply = {"unsupported": str(error)}
        except Exception as error:
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(reply), file=answers, flush=True)
