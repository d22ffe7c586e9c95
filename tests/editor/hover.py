#!/usr/bin/env python3
"""Asks a real rust-analyzer what it shows in a `network!` block.

    tests/editor/hover.py RUST_ANALYZER [--std LIBRARY] [--root REPOSITORY] [--verbose]

Opens two examples as an editor does, over the language server protocol on stdin and stdout,
and checks that

- hovering a layer, a label, the network's name or a call shows shapes and parameters,
- "go to definition" of a layer or a label stays in the description,
- mistakes, made in the open document only, are errors at the right word,
- an unfinished word is completed by what may stand in its place.

Ends with 1 after the list of everything that differs. LIBRARY is the `library` folder of Rust's
sources, for toolchains without the component `rust-src`; without the sources the server does not
know `compile_error!` and shows no mistake. Needs nothing but Python 3.9 and a rust-analyzer not
older than the toolchain, whose macro server it talks to.
"""

import argparse
import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

MNIST = "examples/mnist.rs"
LENET5 = "examples/lenet5.rs"

# Where a labelled network is looked at: edits of `MNIST`.
LABELLED = [
    ("conv2d(32,", "stem: conv2d(32,"),
    ("        flatten;", "        flat: flatten;"),
    ("net.predict(image)", "{ net.stem(); net.predict(image) }"),
]

# And one with a mistake.
UNFLATTENED = [("        flatten;\n", "")]

POOL = "|max_pool2d(2x2);\n        conv2d"
NOT_FLAT = "`dense_1` needs a flat input, but `max_pool2d_2` produces 5x5x64"
NOT_SOFTMAX = "`categorical_crossentropy` needs a softmax output, but `dense_2` ends in `relu`"
TOO_LARGE = "the 30x30 kernel of `conv2d_2` is larger than the 13x13 image from `max_pool2d_1`"

# File, edits, the place (the pointer is at `|`), what the hover must say.
HOVERS = [
    (MNIST, [], "|input(28x28x1)", "`input`: 28x28x1"),
    (MNIST, [], "|conv2d(32,", "`conv2d_1`: 28x28x1 → 26x26x32, 320 parameters"),
    (MNIST, [], POOL, "`max_pool2d_1`: 26x26x32 → 13x13x32, 0 parameters"),
    (MNIST, [], "|conv2d(64,", "`conv2d_2`: 13x13x32 → 11x11x64, 18,496 parameters"),
    (MNIST, [], "|flatten;", "`flatten_1`: 5x5x64 → 1600, 0 parameters"),
    (MNIST, [], "|dense(64,", "`dense_1`: 1600 → 64, 102,464 parameters"),
    (MNIST, [], "|dense(10,", "`dense_2`: 64 → 10, 650 parameters"),
    (MNIST, [], "network |Mnist {", "Total params: 121,930"),
    (MNIST, [], "|Mnist::SUMMARY", "Total params: 121,930"),
    (MNIST, [], "net.|predict(", "The output, `[10]`, for one input, `[28, 28, 1]`."),
    (MNIST, LABELLED, "|stem: conv2d", "`stem`: 28x28x1 → 26x26x32, 320 parameters"),
    (MNIST, LABELLED, "net.|stem()", "`stem`: 28x28x1 → 26x26x32, 320 parameters"),
    (MNIST, LABELLED, "|flat: flatten", "`flat`: 5x5x64 → 1600, 0 parameters"),
    # After a mistake, what is known is still shown.
    (MNIST, UNFLATTENED, "|conv2d(64,", "`conv2d_2`: 13x13x32 → 11x11x64"),
    (MNIST, UNFLATTENED, "network |Mnist {", "The convnet of the Keras MNIST tutorial."),
    (LENET5, [], "|LeNet5::SUMMARY", "Total params: 61,706"),
]

# File, edits, the place asked from, the place of the definition.
DEFINITIONS = [
    (MNIST, [], "|conv2d(64,", "|conv2d(64,"),
    (MNIST, [], "|Mnist::SUMMARY", "network |Mnist {"),
    (MNIST, LABELLED, "net.|stem()", "|stem: conv2d"),
]

# File, edits, the one error: the words it is at, the beginning of its message.
MISTAKES = [
    (MNIST, [], None, None),
    (LENET5, [], None, None),
    (MNIST, UNFLATTENED, "|dense(64,", NOT_FLAT),
    (MNIST, [("conv2d(64,", "conv2D(64,")], "|conv2D(64,", "there is no layer `conv2D`"),
    (MNIST, [("activation = softmax", "activtion = softmax")], "|activtion =", "`dense` has no argument `activtion`"),
    (MNIST, [("conv2d(64, 3x3", "conv2d(64, 30x30")], "|30x30", TOO_LARGE),
    (MNIST, [("rmsprop(", "rmsprob(")], "|rmsprob(", "there is no optimizer `rmsprob`"),
    (MNIST, [("10, activation = softmax", "10, activation = relu")], "|categorical_crossentropy", NOT_SOFTMAX),
]

# An unfinished line in front of the `flatten;`, or other edits.
def unfinished(line):
    return [("        flatten;", f"        {line}\n        flatten;")]


# File, edits, the place, what is offered there among other things, what is not.
COMPLETIONS = [
    (MNIST, unfinished("con"), "con|\n", ["conv2d(…)"], ["strides", "constants"]),
    (MNIST, unfinished("glob"), "glob|\n", ["global_max_pool2d"], []),
    (MNIST, unfinished("con;"), "con|;", ["conv2d(…)"], ["strides"]),
    (MNIST, unfinished("conv2d(8, 3x3, str);"), "str|);", ["strides"], ["conv2d(…)", "epochs"]),
    (MNIST, unfinished("conv2d(8, 3x3, str"), "str|\n", ["strides"], ["conv2d(…)", "epochs"]),
    (MNIST, unfinished("conv2d(8, 3x3, padding = s);"), "padding = s|", ["same"], ["sigmoid"]),
    (MNIST, unfinished("conv2d(8, 3x3, activation = le);"), "le|);", ["leaky_relu"], ["conv2d(…)"]),
    (MNIST, [("rmsprop(learning_rate = 1e-3)", "ad")], "ad|;", ["adam"], ["conv2d(…)"]),
    (MNIST, [("rmsprop(learning_rate", "rmsprop(learn")], "learn| =", ["learning_rate"], ["conv2d(…)"]),
    (MNIST, [("loss = categorical_crossentropy", "loss = cat")], "cat|;", ["categorical_crossentropy"], []),
    (MNIST, [("metrics = [accuracy]", "metrics = [acc]")], "acc|]", ["accuracy"], []),
    (MNIST, [("epochs = 5;", "epo")], "epo|\n", ["epochs"], ["conv2d(…)"]),
]

# The other lines of a description with an unfinished one keep what an editor shows.
HOVERS += [
    (MNIST, unfinished("con"), "|conv2d(64,", "`conv2d_2`: 13x13x32 → 11x11x64, 18,496 parameters"),
    (MNIST, unfinished("con"), "|flatten;", "All axes into one"),
    (MNIST, unfinished("con"), "net.|predict(", "fn predict"),
]


class Server:
    """A language server as a child process."""

    def __init__(self, command, root, settings):
        self.settings = settings
        self.status = {"quiescent": False}
        self.requests = 0
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [command], cwd=root, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
        )
        self.inbox = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        capabilities = {
            "textDocument": {"hover": {"contentFormat": ["markdown"]}, "diagnostic": {}, "completion": {"completionItem": {"snippetSupport": True}}},
            "workspace": {"configuration": True},
            "experimental": {"serverStatusNotification": True},
        }
        parameters = {
            "processId": None,
            "rootUri": root.as_uri(),
            "capabilities": capabilities,
            "initializationOptions": settings,
        }
        answer = self.request("initialize", parameters)
        self.version = " ".join(answer["serverInfo"].values())
        self.notify("initialized", {})

    def _read(self):
        """Each message is `Content-Length: <bytes>`, an empty line, JSON."""
        stream = self.process.stdout
        while line := stream.readline():
            length = int(line.split(b":")[1])
            while stream.readline().strip():
                pass
            self.inbox.put(json.loads(stream.read(length)))
        self.inbox.put(None)

    def _send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _receive(self, deadline):
        """The next answer to a request; everything else is dealt with on the way."""
        while True:
            try:
                message = self.inbox.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                sys.exit(f"no answer in time; last status: {self.status}")
            if message is None:
                sys.exit("the server ended")
            method = message.get("method")
            if method is None:
                return message
            if method == "experimental/serverStatus":
                self.status = message["params"]
                return message
            if "id" in message:
                result = None
                if method == "workspace/configuration":
                    result = [self.settings] * len(message["params"]["items"])
                self._send({"id": message["id"], "result": result})

    def notify(self, method, parameters):
        self._send({"method": method, "params": parameters})

    def request(self, method, parameters, seconds=300):
        deadline = time.monotonic() + seconds
        while True:
            self.requests += 1
            self._send({"id": self.requests, "method": method, "params": parameters})
            answer = {}
            while answer.get("id") != self.requests:
                answer = self._receive(deadline)
            if "error" not in answer:
                return answer["result"]
            # The document changed meanwhile, or the server asks to be asked again.
            if answer["error"]["code"] not in (-32801, -32802):
                sys.exit(f"{method}: {answer['error']['message']}")

    def wait_until_ready(self, seconds=600):
        """Until the workspace is loaded and its macros are built."""
        deadline = time.monotonic() + seconds
        while not self.status["quiescent"]:
            self._receive(deadline)
        if self.status["health"] != "ok":
            print(f"the server says: {self.status['message']}", file=sys.stderr)

    def stop(self):
        self.request("shutdown", None)
        self.notify("exit", None)
        self.process.wait(30)


class Document:
    """A file in the editor, which may differ from the one on disk."""

    def __init__(self, server, path):
        self.server, self.uri, self.version = server, path.as_uri(), 1
        self.original = self.text = path.read_text(encoding="utf-8")
        opened = {"uri": self.uri, "languageId": "rust", "version": 1, "text": self.text}
        server.notify("textDocument/didOpen", {"textDocument": opened})

    def edit(self, edits):
        """Makes the text the file's with these words replaced."""
        text = self.original
        for old, new in edits:
            if old not in text:
                sys.exit(f"{self.uri} has no {old!r}")
            text = text.replace(old, new, 1)
        if text != self.text:
            self.text = text
            self.version += 1
            document = {"uri": self.uri, "version": self.version}
            parameters = {"textDocument": document, "contentChanges": [{"text": text}]}
            self.server.notify("textDocument/didChange", parameters)

    def position(self, place):
        """Line and column, in UTF-16 units, of the `|` in a piece of the text."""
        before, after = place.split("|")
        start = self.text.find(before + after)
        if start < 0:
            sys.exit(f"{self.uri} has no {place!r}")
        lines = self.text[: start + len(before)].split("\n")
        return {"line": len(lines) - 1, "character": len(lines[-1].encode("utf-16-le")) // 2}

    def _ask(self, method, **parameters):
        parameters["textDocument"] = {"uri": self.uri}
        return self.server.request(f"textDocument/{method}", parameters)

    def hover(self, place):
        answer = self._ask("hover", position=self.position(place))
        return answer["contents"]["value"] if answer else ""

    def definitions(self, place):
        """File and start of each."""
        answer = self._ask("definition", position=self.position(place)) or []
        return [(location["uri"], location["range"]["start"]) for location in answer]

    def completions(self, place):
        """The labels of what is offered."""
        answer = self._ask("completion", position=self.position(place)) or []
        items = answer["items"] if isinstance(answer, dict) else answer
        return [item["label"] for item in items]

    def errors(self):
        """Start and message of each error that the server itself finds."""
        found = [item for item in self._ask("diagnostic")["items"] if item["severity"] == 1]
        return [(item["range"]["start"], item["message"]) for item in found]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("server", help="the rust-analyzer to ask")
    parser.add_argument("--std", type=Path, help="the `library` folder of Rust's sources")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[2], help="the repository")
    parser.add_argument("--verbose", action="store_true", help="print what the server shows")
    options = parser.parse_args()

    settings = {"checkOnSave": False, "cachePriming": {"enable": False}}
    if options.std:
        settings["cargo"] = {"sysrootSrc": str(options.std.resolve())}
    root = options.root.resolve()
    server = Server(options.server, root, settings)
    documents = {name: Document(server, root / name) for name in (MNIST, LENET5)}
    server.wait_until_ready()

    failures = []

    def check(good, case, shown):
        mark = "ok" if good else "FAILED"
        if options.verbose or not good:
            print(f"{mark}: {case}\n    {shown}".replace("\n", "\n    "))
        if not good:
            failures.append(case)

    for name, edits, place, expected in HOVERS:
        document = documents[name]
        document.edit(edits)
        shown = document.hover(place)
        check(shown.count(expected) == 1, f"hover {place!r} in {name} {edits}: {expected!r}, once", shown)

    for name, edits, place, target in DEFINITIONS:
        document = documents[name]
        document.edit(edits)
        shown = document.definitions(place)
        expected = [(document.uri, document.position(target))]
        check(shown == expected, f"definition of {place!r} in {name} {edits}: {target!r}", shown)

    for name, edits, place, message in MISTAKES:
        document = documents[name]
        document.edit(edits)
        shown = document.errors()
        if place is None:
            good = not shown
        else:
            starts = [(start, text.startswith(message)) for start, text in shown]
            good = starts == [(document.position(place), True)]
        check(good, f"errors of {name} {edits}: {message!r} at {place!r}", shown)

    for name, edits, place, offered, absent in COMPLETIONS:
        document = documents[name]
        document.edit(edits)
        shown = document.completions(place)
        good = all(label in shown for label in offered) and not any(label in shown for label in absent)
        check(good, f"completion of {place!r} in {name} {edits}: {offered}, not {absent}", shown)

    server.stop()
    cases = len(HOVERS) + len(DEFINITIONS) + len(MISTAKES) + len(COMPLETIONS)
    print(f"{server.version}: {cases - len(failures)} of {cases} cases as they should be")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
