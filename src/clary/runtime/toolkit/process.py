"""Running the user's process: its streams pass through, its last error lines are kept, signals are handed on.

Not by `subprocess`, which takes longer to import than all of this to run.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

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
    sys.stdout.flush()
    ended, end = os.pipe()
    os.set_blocking(end, False)
    signal.set_wakeup_fd(end, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, _: None)
    pid, errors = _start(command, cwd, environ)
    signal.signal(signal.SIGTERM, lambda number, _: os.kill(pid, number))
    code, tail = _follow(pid, errors, ended)
    if code:
        raise failures.ExecuteUserScriptError(" ".join(command), code if code > 0 else 128 - code, message(tail))


def _start(command: list[str], cwd: Path, environ: Mapping[str, str]) -> tuple[int, int]:
    """The process, and the reading end of its stderr."""
    errors, stderr = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(stderr, 2)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.chdir(cwd)
            os.execvpe(command[0], command, dict(environ))
        except OSError as error:
            os.write(2, str(error).encode())
            os._exit(error.errno or 1)
    os.close(stderr)
    return pid, errors


def _follow(pid: int, errors: int, ended: int) -> tuple[int, bytes]:
    """Pass stderr on until the process has ended and said all. Its exit code, and the end of what it said.

    A process that it left behind may hold the stream open for ever, so after the end there is a limit.
    """
    tail = bytearray()
    code: int | None = None
    patience = float("inf")
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(errors, select.POLLIN)
    speaks = True
    while code is None or (speaks and time.monotonic() < patience):
        for fd, _ in poll.poll(None if code is None else 100):
            if fd == ended:
                os.read(ended, 4096)
            elif not (speaks := _pass_on(errors, tail)):
                poll.unregister(errors)
        if code is None:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                code, patience = os.waitstatus_to_exitcode(status), time.monotonic() + DRAIN_SECONDS
    return code, bytes(tail)


def _pass_on(errors: int, tail: bytearray) -> bool:
    """Copy what there is of stderr to our own; keep the end of it in `tail`. False at its end."""
    chunk = os.read(errors, 65536)
    left = memoryview(chunk)
    while left:
        left = left[os.write(2, left) :]
    tail += chunk
    del tail[:-KEPT_BYTES]
    return bool(chunk)


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
