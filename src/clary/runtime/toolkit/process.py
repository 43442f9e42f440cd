"""Running the user's process: its streams pass through, its last error lines are kept, signals are handed on.

Not by `subprocess`, which takes longer to import than all of this to run.
"""

import contextlib
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from clary.runtime.toolkit import failures

KEPT_BYTES = 16 * 1024
"""How much of the end of stderr is looked at for the error message."""
DRAIN_SECONDS = 2.0
_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)
"""By any interpreter, but not by the processes it starts."""
_OF_AN_INTERPRETER: dict[signal.Signals, Any] = {
    **dict.fromkeys(_IGNORED, signal.SIG_IGN),
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
}


def through(command: list[str], environ: Mapping[str, str]) -> int:
    """Run to the end with our own streams. Its exit code, 128 + signal; 127 when it cannot be executed."""
    sys.stdout.flush()
    with _termination_waits() as mask:
        try:
            pid = os.posix_spawnp(command[0], command, dict(environ), setsigmask=mask, setsigdef=_IGNORED)
        except OSError as error:
            os.write(2, f"Clary: {command[0]}: {error.strerror}\n".encode())
            return 127
        _hand_on_termination(pid)
    code = None
    while code is None:
        code = _collect(pid, 0)
    return code


def forked(call: Callable[[], object]) -> int:
    """Likewise for a function, in a process of its own that takes signals as a fresh interpreter does."""
    with _termination_waits() as mask:
        pid = os.fork()
        if pid == 0:
            _be(call, mask)
        _hand_on_termination(pid)
    ended = None
    while ended is None:
        ended = _collect(pid, 0)
    return ended


def _be(call: Callable[[], object], mask: set[int]) -> NoReturn:
    code = 1
    try:
        for number, action in _OF_AN_INTERPRETER.items():
            signal.signal(number, action)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        call()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(command: list[str], cwd: Path, environ: Mapping[str, str]) -> None:
    """Run to the end. Raises `ExecuteUserScriptError` for any exit but 0."""
    sys.stdout.flush()
    ended, end = os.pipe()
    os.set_blocking(ended, False)
    os.set_blocking(end, False)
    signal.set_wakeup_fd(end, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, _: None)
    with _termination_waits() as mask:
        pid, errors = _start(command, cwd, environ, mask)
        _hand_on_termination(pid)
    code, tail = _follow(pid, errors, ended)
    if code:
        raise failures.ExecuteUserScriptError(" ".join(command), code, message(tail))


def _start(command: list[str], cwd: Path, environ: Mapping[str, str], mask: set[int]) -> tuple[int, int]:
    """The process, and the reading end of its stderr."""
    errors, stderr = os.pipe()
    os.chdir(cwd)
    streams = [(os.POSIX_SPAWN_DUP2, stderr, 2)]
    try:
        pid = os.posix_spawnp(
            command[0], command, dict(environ), file_actions=streams, setsigmask=mask, setsigdef=_IGNORED
        )
    except OSError as error:
        os.write(2, f"{error}\n".encode())
        raise failures.ExecuteUserScriptError(" ".join(command), error.errno or 1, str(error)) from error
    os.close(stderr)
    return pid, errors


@contextlib.contextmanager
def _termination_waits() -> Iterator[set[int]]:
    """SIGTERM is not lost between a process's start and its being handed on. Gives the process's own signal mask."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        yield mask
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _hand_on_termination(pid: int) -> None:
    def hand_on(number: int, _: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    signal.signal(signal.SIGTERM, hand_on)


def _collect(pid: int, options: int) -> int | None:
    """Wait for any child, for where this is the init others' orphans come too. The exit code when it was `pid`."""
    found, status = os.waitpid(-1, options)
    while found and found != pid:
        found, status = os.waitpid(-1, options)
    code = os.waitstatus_to_exitcode(status)
    return None if found != pid else code if code >= 0 else 128 - code


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
                with contextlib.suppress(BlockingIOError):
                    os.read(ended, 4096)
            elif not (speaks := _pass_on(errors, tail)):
                poll.unregister(errors)
        if code is None:
            code = _collect(pid, os.WNOHANG)
            patience = time.monotonic() + DRAIN_SECONDS
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
