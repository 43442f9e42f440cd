"""Running the user's process: its streams pass through, its last error lines are kept, signals are handed on."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from clary.runtime.toolkit import failures

KEPT_BYTES = 16 * 1024
"""How much of the end of stderr is looked at for the error message."""
DRAIN_SECONDS = 2.0


def replace(command: list[str], environ: dict[str, str]) -> None:
    """Become this command; does not return."""
    sys.stdout.flush()
    os.execve(command[0], command, environ)


def run(command: list[str], cwd: Path, environ: Mapping[str, str]) -> None:
    """Run to the end. Raises `ExecuteUserScriptError` for any exit but 0."""
    words = " ".join(command)
    sys.stdout.flush()
    try:
        child = subprocess.Popen(command, cwd=cwd, env=dict(environ), stderr=subprocess.PIPE)
    except OSError as error:
        raise failures.ExecuteUserScriptError(words, error.errno or 1, str(error)) from error
    signal.signal(signal.SIGTERM, lambda number, _: child.send_signal(number))
    assert child.stderr is not None
    tail = bytearray()
    reader = threading.Thread(target=_pass_on, args=(child.stderr, tail), daemon=True)
    reader.start()
    code = child.wait()
    # A process left behind may hold the stream open for ever.
    reader.join(DRAIN_SECONDS)
    if code:
        raise failures.ExecuteUserScriptError(words, code if code > 0 else 128 - code, message(bytes(tail)))


def _pass_on(stream: IO[bytes], tail: bytearray) -> None:
    """Copy stderr through to our own; keep the end of it in `tail`."""
    out = sys.stderr.fileno()
    while chunk := os.read(stream.fileno(), 65536):
        left = memoryview(chunk)
        while left:
            left = left[os.write(out, left) :]
        tail += chunk
        del tail[:-KEPT_BYTES]


def message(tail: bytes) -> str:
    """What went wrong: from the last traceback's exception on, else the last line."""
    text = tail.decode("utf-8", "replace").rstrip()
    last = text.rfind("Traceback (most recent call last)")
    lines = text[max(last, 0) :].splitlines()
    if last < 0:
        return lines[-1] if lines else ""
    for number, line in enumerate(lines[1:], 1):
        if line and not line[0].isspace():
            return "\n".join(lines[number:])
    return lines[-1]
