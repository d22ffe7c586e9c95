"""A library that is compared, as a process; `peer.py` says what it answers."""

import json
import os
import select
import signal
import subprocess
from pathlib import Path

#: Seconds after which an answer is not waited for.
PATIENCE = 600


class Unsupported(Exception):
    """The library has no such work."""


class Failed(Exception):
    """The library did not answer, or not with a result."""


class Library:
    """A library's process. It is stopped unless it is asked for something."""

    def __init__(self, name: str, command: list[str], environment: dict, threads: int, log: Path):
        if not Path(command[0]).exists():
            raise Failed(f"`{command[0]}` does not exist; README.md says how to build it")
        count = str(threads)
        # OpenMP, rayon and others read their number of threads when they start.
        environment = {
            **os.environ,
            **environment,
            "PEER_THREADS": count,
            "OMP_NUM_THREADS": count,
            "MKL_NUM_THREADS": count,
            "RAYON_NUM_THREADS": count,
        }
        self.log = log / f"{name}-{threads}.log"
        with self.log.open("w") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
            )

    def ask(self, *words) -> dict:
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
                self.close()
                raise Failed(f"no answer within {PATIENCE} s")
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.close()
            raise Failed(self.last_words())
        # Threads that wait for work would take time from the next.
        self.process.send_signal(signal.SIGSTOP)
        reply = json.loads(line)
        if "unsupported" in reply:
            raise Unsupported(reply["unsupported"])
        if "error" in reply:
            raise Failed(reply["error"])
        return reply

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"ended with status {self.process.returncode}"

    def ended(self) -> bool:
        return self.process.poll() is not None

    def close(self):
        # A stopped process dies of this signal too.
        self.process.kill()
        self.process.wait()
