"""Runs scripts in the environments of unmodified clients: SDKs through `forking.py`, others as plain processes."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Self

FORKING = Path(__file__).parent / "forking.py"


@dataclass(frozen=True)
class Outcome:
    code: int
    output: str


def alone(python: Path, script: Path, environ: Mapping[str, str], seconds: float) -> Outcome:
    command = [str(python), str(script)]
    ran = subprocess.run(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
    return Outcome(ran.returncode, ran.stdout.decode(errors="replace"))


class Forks:
    """One interpreter that has imported an SDK, and the scripts that were forked from it."""

    def __init__(self, python: Path, modules: tuple[str, ...], environ: Mapping[str, str], folder: Path) -> None:
        command = [str(python), str(FORKING), *modules]
        # A session of its own, to be ended with all that it forked.
        self._process = subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._folder = folder
        self._ends: dict[str, Future[int]] = {}
        self._lock = threading.Lock()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def run(self, script: Path, seconds: float) -> Outcome:
        output = self._folder / f"{script.stem}.txt"
        ended: Future[int] = Future()
        with self._lock:
            self._ends[str(output)] = ended
            assert self._process.stdin
            self._process.stdin.write(f"{script}\t{output}\n")
            self._process.stdin.flush()
        code = ended.result(seconds)
        return Outcome(code, output.read_text(errors="replace"))

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            output, _, code = line.partition("\t")
            self._ends[output].set_result(int(code))
        for left in self._ends.values():
            if not left.done():
                left.set_exception(ConnectionError("the interpreter that forks the journeys has ended"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._listener.join()
        # Waits, and closes the pipes.
        self._process.__exit__(None, None, None)
