"""Filling the FIFOs of pipes: one small process for each, forked by the shim, outside the sandbox, gone with the shim.

A FIFO lies where user code may put anything in its place, so it is looked at before it is opened, and its folder is
held from before the user's process starts. A feeder never ends by itself; the shim ends it with the instance.
"""

import contextlib
import fcntl
import json
import os
import signal
import stat

from clary.runtime.shim import kernel, processes
from clary.runtime.shim.spec import Pipe
from clary.runtime.shim.streams import BadStream, Stream

FAILED = "pipes.failed"
"""In the instance's folder: why no more data comes, as `{cause, message}`."""
CAPACITY = 1024 * 1024
"""Of a FIFO, where the kernel allows it: the fewer turns between writer and reader."""
LOCK = 3


class Feeders:
    """The feeders of one instance."""

    def __init__(self, folder: str, pipes: list[Pipe]) -> None:
        """When it returns, the first FIFO of each pipe is there."""
        self._folder = folder
        self._pids = [_start(folder, pipe) for pipe in pipes]

    def trouble(self) -> tuple[str, str] | None:
        """Cause and message, once data cannot be delivered."""
        if not self._pids:
            return None
        with contextlib.suppress(FileNotFoundError), open(f"{self._folder}/{FAILED}") as file:
            told = json.load(file)
            return told["cause"], told["message"]
        for pid in self._pids:
            if os.waitpid(pid, os.WNOHANG)[0]:
                self._pids.remove(pid)
                return "platform", "The process that filled a pipe was killed."
        return None

    def end(self) -> None:
        processes.signal_all(self._pids)
        for pid in self._pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._pids = []


def _start(folder: str, pipe: Pipe) -> int:
    place = os.open(pipe["folder"], os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    # What stands there already is looked at when it is opened.
    with contextlib.suppress(FileExistsError):
        os.mkfifo(f"{pipe['name']}_0", 0o644, dir_fd=place)
    shim = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _stand_alone(shim, place)
            _feed(pipe, place)
        except BadStream as error:
            _tell(folder, "data", str(error))
        except BaseException as error:
            _tell(folder, "platform", f"A pipe could not be filled: {error!r}")
        finally:
            os._exit(1)
    os.close(place)
    return pid


def _stand_alone(shim: int, place: int) -> None:
    """Without the shim's descriptors, its lock above all, without privileges, and no longer than the shim lives."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.closerange(LOCK, place)
    os.closerange(place + 1, 256)
    kernel.drop_privileges()
    kernel.die_with_parent(signal.SIGKILL)
    if os.getppid() != shim:
        os._exit(1)


def _feed(pipe: Pipe, place: int) -> None:
    stream, epoch = Stream(pipe), 0
    while True:
        name, following = f"{pipe['name']}_{epoch}", f"{pipe['name']}_{epoch + 1}"
        out = opened(name, place)
        # A reader that leaves early has had enough of this pass.
        with contextlib.suppress(BrokenPipeError):
            stream.write(epoch, out)
        # The next one first: who has read this one to its end finds it.
        _make(following, place)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=place)
        os.close(out)
        epoch += 1


def _make(name: str, place: int) -> None:
    try:
        os.mkfifo(name, 0o644, dir_fd=place)
    except FileExistsError:
        raise BadStream(f"Data download failed: something else stands in the place of the named pipe {name}") from None
    except FileNotFoundError:
        raise BadStream(f"Data download failed: the folder of the named pipe {name} was removed") from None


def opened(name: str, place: int) -> int:
    """The FIFO, once somebody reads it."""
    try:
        found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
    except FileNotFoundError:
        raise BadStream(f"Data download failed: the named pipe {name} was removed") from None
    if not stat.S_ISFIFO(os.fstat(found).st_mode):
        raise BadStream(f"Data download failed: something else stands in the place of the named pipe {name}")
    out = os.open(f"/proc/self/fd/{found}", os.O_WRONLY | os.O_CLOEXEC)
    os.close(found)
    with contextlib.suppress(OSError):
        fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, CAPACITY)
    return out


def _tell(folder: str, cause: str, message: str) -> None:
    """Have the shim end the instance. The FIFO stays open: its end would look like the end of the data."""
    fresh = f"{folder}/{FAILED}.{os.getpid()}"
    with open(fresh, "w") as file:
        json.dump({"cause": cause, "message": message}, file)
    # The shim is told of every name that appears in the folder.
    os.rename(fresh, f"{folder}/{FAILED}")
    while True:
        signal.pause()
