"""Times `cnn` and its peers on the same networks, interleaved in one run.

    python compare.py                                # the usual: see README.md for how long
    python compare.py --networks tutorial --work train --threads 1 --peers pytorch,keras
    python compare.py --from results.json --docs ../../docs/benchmarks.md --svg peers.svg

Each library is a process of its own that waits for commands; while one computes, the others are
stopped. A library whose answers differ from ours is not timed. Prints one table and writes
`results.json`; on demand also the tables of a document, and a chart.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import check
import mnist
import networks
import report
from library import Failed, Library, Unsupported
from report import KEPT, OURS

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

#: Images in memory: `time` goes through them in order, again and again.
IMAGES = 2048

#: The work that is timed unless options say otherwise: (work, batch, threads).
CASES = [
    ("train", 64, 1),
    ("train", 64, 2),
    ("infer", 1, 1),
    ("infer", 1, 2),
    ("infer", 64, 1),
    ("infer", 64, 2),
]

#: The peers unless options say otherwise.
PEERS = ["pytorch", "pytorch+malloc", "keras", "onnxruntime", "litert", "openvino", "ncnn"]

#: glibc gives large blocks back to the system as soon as they are free, so that a library that takes its buffers anew in
#: each step gets them page by page. With these settings a process keeps what it once had.
KEPT_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
    "MALLOC_TOP_PAD_": str(1 << 28),
}


def commands(options, threads: int) -> dict[str, tuple[list[str], dict]]:
    """How each library is started, and what its environment adds."""
    peers = {}

    def python(name: str, module: str, **environment):
        command = [sys.executable, str(HERE / f"{module}.py")]
        peers[name] = command, environment
        peers[name + KEPT] = command, {**environment, **KEPT_MEMORY}

    python("pytorch", "peer_pytorch")
    python("pytorch-compile", "peer_pytorch", PEER_COMPILE="1")
    python("keras", "peer_keras")
    python("keras-xla", "peer_keras", PEER_COMPILE="1")
    python("onnxruntime", "peer_onnxruntime")
    python("litert", "peer_litert")
    python("openvino", "peer_openvino")
    python("ncnn", "peer_ncnn")
    rust = str(options.rust_peers)
    return {
        OURS: ([str(options.bench), "--serve", "--threads", str(threads)], {}),
        **peers,
        "candle": ([rust, "candle"], {}),
        "tract": ([rust, "tract"], {}),
    }


def run(options, cases, folder: Path) -> dict:
    """Runs everything; returns what `results.json` holds."""
    digits, labels = mnist.load(options.data, "test")
    digits, labels = digits[:IMAGES], labels[:IMAGES]
    # So little noise that it is not seen, and no two values in a window of a pool are equal: which of
    # them gets the gradient is open.
    noise = np.random.default_rng(1).uniform(0, 1 / 255, digits.shape)
    digits = (digits + noise).astype(np.float32)
    for network in options.networks:
        networks.write_folder(folder / network, network, digits, labels)
    if "tract" in options.peers:
        write_onnx(options, cases, folder)

    result = {
        "processor": processor(),
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "versions": {},
        "skipped": [],
        "cases": [],
    }

    def skip(library, reason, **where):
        entry = {"library": library, "reason": reason, **where}
        if entry not in result["skipped"]:
            result["skipped"].append(entry)
            place = " ".join(str(value) for value in where.values())
            progress(f"  skipped {library} {place}: {reason}")

    for threads in sorted({threads for _, _, threads in cases}):
        libraries = start(options, cases, threads, folder, skip)
        try:
            if OURS not in libraries:
                raise SystemExit("without our own process there is nothing to compare with")
            for network in options.networks:
                works = [(w, b) for w, b, t in cases if t == threads]
                run_network(options, libraries, network, works, threads, folder, result, skip)
        finally:
            for library in libraries.values():
                library.close()
    return result


def start(options, cases, threads, folder, skip) -> dict:
    libraries = {}
    available = commands(options, threads)
    batches = ",".join(str(batch) for batch in sorted({b for w, b, _ in cases if w == "infer"}))
    for name in [OURS, *options.peers]:
        command, environment = available[name]
        environment = {**environment, "PEER_BATCHES": batches}
        try:
            libraries[name] = Library(name, command, environment, threads, folder)
        except Failed as error:
            skip(name, str(error))
    return libraries


def run_network(options, libraries, network, works, threads, folder, result, skip):
    """Loads, checks and times one network with one number of threads."""
    progress(f"{network}, {threads} {'thread' if threads == 1 else 'threads'}")

    def attempt(name, where, function, *arguments):
        """What `function` returns, or `None` if the library is to be skipped here."""
        try:
            return function(*arguments)
        except Unsupported as error:
            skip(name, str(error), work=where["work"])
        except Failed as error:
            if name == OURS:
                raise SystemExit(f"{OURS}: {error}") from error
            skip(name, str(error), **where)
        if libraries[name].ended():
            del libraries[name]
        return None

    epsilon = {}
    for name, library in list(libraries.items()):
        where = {"network": network, "threads": threads}
        reply = attempt(name, where, library.ask, "load", network, folder / network)
        if reply is not None:
            result["versions"][name] = reply["version"]
            epsilon[name] = reply.get("epsilon", "inside")
    ours = libraries[OURS]

    for work, batch in works:
        where = {"network": network, "work": work, "batch": batch, "threads": threads}
        differences, spent = {}, {}
        for name, library in list(libraries.items()):
            if name not in epsilon:
                continue
            if work == "infer":
                checked = (check.infer, ours, library, batch, folder / network)
            else:
                case = (network, epsilon[name], batch, folder / network)
                checked = (check.train, ours, library, *case)
            difference = attempt(name, where, *checked)
            if difference is None:
                continue
            # What is compiled, is compiled now.
            if first := attempt(name, where, library.ask, "time", work, batch, 0):
                differences[name], spent[name] = difference, first["seconds"]
        samples = {name: [] for name in differences}
        for _ in range(options.rounds):
            for name in [name for name in samples if spent[name] < options.limit]:
                asked = ("time", work, batch, options.seconds)
                if reply := attempt(name, where, libraries[name].ask, *asked):
                    samples[name].append(reply["seconds"] / reply["steps"] * 1e6)
                    spent[name] += reply["seconds"]
                else:
                    del samples[name], differences[name]
        for name in [name for name in samples if not samples[name]]:
            skip(name, f"one step takes more than {options.limit:g} s", **where)
            del samples[name], differences[name]
        entry = {**where, "microseconds_per_step": samples, "largest_difference": differences}
        result["cases"].append(entry)
        progress("  " + report.row(entry))
    options.results.write_text(json.dumps(result, indent=1) + "\n")


def write_onnx(options, cases, folder):
    """For the Rust peers, which do not write ONNX files themselves."""
    try:
        import onnx_model
    except ImportError as error:
        progress(f"  no ONNX files: {error}")
        return
    for network in options.networks:
        weights = load_file(folder / network / "weights.safetensors")
        for batch in {batch for work, batch, _ in cases if work == "infer"}:
            path = folder / network / f"batch-{batch}.onnx"
            onnx_model.write(network, weights, batch, path)


def progress(text: str):
    print(text, file=sys.stderr, flush=True)


def processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.split(':', 1)[1].strip()}, {os.cpu_count()} cores"
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def commit() -> str | None:
    """What is checked out, with a mark if files were changed since."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def parse() -> argparse.Namespace:
    def names(text):
        return [name for name in text.split(",") if name]

    def numbers(text):
        return [int(number) for number in names(text)]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    everything = argparse.Namespace(bench=Path(), rust_peers=Path())
    peers = [name for name in commands(everything, 1) if name != OURS]
    parser.add_argument("--networks", type=names, default=list(networks.NETWORKS))
    parser.add_argument(
        "--peers",
        type=names,
        default=PEERS,
        help=f"some of {', '.join(peers)}; by default {', '.join(PEERS)}",
    )
    parser.add_argument("--work", type=names, help="train, infer")
    parser.add_argument("--batches", type=numbers)
    parser.add_argument("--threads", type=numbers)
    parser.add_argument("--rounds", type=int, default=5, help="of each library; 5")
    parser.add_argument("--seconds", type=float, default=0.2, help="of a round; 0.2")
    parser.add_argument(
        "--limit",
        type=float,
        default=10,
        help="seconds after which a library gets no more rounds of a case; 10",
    )
    parser.add_argument("--data", type=Path, default=ROOT / "examples/data/mnist")
    parser.add_argument(
        "--bench", type=Path, default=ROOT / "target/release/examples/bench", help="our binary"
    )
    parser.add_argument(
        "--rust-peers",
        type=Path,
        default=HERE / "rust/target/release/cnn-peers",
        help="the binary of rust/",
    )
    parser.add_argument("--results", type=Path, default=Path("results.json"))
    parser.add_argument("--svg", type=Path, help="draws the chart there")
    parser.add_argument(
        "--from", dest="source", type=Path, help="earlier results, instead of timing anything"
    )
    parser.add_argument("--docs", type=Path, help="writes the tables into that document")
    options = parser.parse_args()
    for name in options.networks:
        if name not in networks.NETWORKS:
            parser.error(f"no network `{name}`; there are {', '.join(networks.NETWORKS)}")
    for name in options.peers:
        if name not in peers:
            parser.error(f"no peer `{name}`; there are {', '.join(peers)}")
    return options


def choose(options) -> list[tuple[str, int, int]]:
    """The cases to time: the usual ones, or all combinations of what options name."""
    if options.batches:
        works, threads = options.work or ["train", "infer"], options.threads or [1, 2]
        return [(w, b, t) for w in works for b in options.batches for t in threads]
    return [
        (work, batch, threads)
        for work, batch, threads in CASES
        if (not options.work or work in options.work)
        and (not options.threads or threads in options.threads)
    ]


def main():
    options = parse()
    # As Ctrl-C does, so that no stopped process is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    if options.source:
        result = json.loads(options.source.read_text())
    else:
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="cnn-peers-") as folder:
            result = run(options, choose(options), Path(folder))
        progress(f"{time.monotonic() - start:.0f} s")
    print(report.table(result))
    if options.docs:
        report.write_docs(result, options.docs)
    if options.svg:
        import chart

        chart.draw(result, options.svg)


if __name__ == "__main__":
    main()
