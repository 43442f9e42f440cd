"""The actor of one instance: it starts the shim on its node, and says what it sees there. Ray runs it on a node.

It keeps nothing in memory that matters: an actor that was restarted on its node goes on, one that was restarted on
another finds nothing there, and says so.
"""

import contextlib
import os
import socket
import stat
import threading
import time
from pathlib import Path
from typing import Any, Literal

import msgspec

from clary.runtime import places, shims
from clary.runtime.archive import BadArchive, entries, open_file
from clary.runtime.cluster import parcel
from clary.runtime.cluster.download import CannotFetch
from clary.runtime.cluster.unpacking import lay_out
from clary.runtime.environments import BuildFailed
from clary.runtime.images import UnknownImage
from clary.runtime.local import LocalBackend
from clary.runtime.workload import InstanceState

PIECE = 4 * 1024 * 1024
"""Most bytes of a log that one answer holds."""
SHORT, LONG = 0.02, 0.25
"""Seconds between looks at the log."""
ACCEPTED, DONE, TROUBLE, LOG = "parcel.json", "laid", "trouble.json", "log"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the controller has already, and what it wants: `stop` and `kill`."""

    log: int = 0
    metrics: int = 0
    wait: float = 0.0
    requests: tuple[str, ...] = ()
    state: InstanceState | None = None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is new. `state` is `None` on a node that has no such instance."""

    node: str
    state: InstanceState | None = None
    log: bytes = b""
    metrics: bytes = b""
    more: bool = False
    """There is more of the log or the metrics."""


class Found(msgspec.Struct, frozen=True, array_like=True):
    """Something in an output folder. `mode` includes the file type; `link`: where a link points."""

    path: str
    mode: int
    size: int
    changed: int
    link: str = ""


def home() -> Path:
    """Where this node keeps instances and environments."""
    return Path(os.environ.get("CLARY_NODE_HOME", Path.home() / ".clary/node"))


def environments() -> Path | None:
    found = os.environ.get("CLARY_ENVIRONMENTS")
    return Path(found) if found else None


class Seat:
    """One instance. Every call may be repeated."""

    def __init__(self, workload_id: str, host: str) -> None:
        import ray

        self._context = ray.get_runtime_context()
        self.id, self.host = workload_id, host
        self.local = LocalBackend(home(), environments=environments(), slots=1_000_000)
        self.job = self.local.jobs / workload_id
        self.folder = self.job / host
        self._guard = threading.Lock()
        self._work: threading.Thread | None = None
        self._progress = ""
        self._name = f"\0clary-{os.getpid()}-{workload_id}-{host}"
        self._wake = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._wake.bind(self._name)
        threading.Thread(target=self._sweep, daemon=True).start()
        if (self.job / ACCEPTED).exists():
            self._go_on()

    def where(self) -> bytes:
        """Node and address."""
        import ray

        return msgspec.json.encode([self._context.get_node_id(), ray.util.get_node_ip_address()])

    def begin(self, told: bytes) -> None:
        """Accept the instance: from now on it runs, once, unless the node is lost."""
        with self._guard:
            if not (self.job / ACCEPTED).exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                self.job.chmod(0o700)
                shims.replace(self.job / ACCEPTED, told)
        self._go_on()

    def tell(self, question: bytes) -> bytes:
        """What is new since; waits for it at most as long as asked."""
        asked = msgspec.json.decode(question, type=Asked)
        self._obey(asked.requests)
        end, pause = time.monotonic() + asked.wait, SHORT
        while True:
            told = self._look(asked)
            if told.log or told.metrics or told.state != asked.state or time.monotonic() >= end:
                return msgspec.json.encode(told)
            self._rest(min(pause, end - time.monotonic()))
            pause = min(pause * 1.5, LONG)

    def survey(self, folder: str) -> bytes:
        """Everything in an output folder, parents first."""
        place = places.named(self.folder, folder)
        found = []
        with contextlib.suppress(BadArchive):
            for entry in entries(place):
                with contextlib.suppress(OSError):
                    told = entry.lstat()
                    link = str(entry.readlink()) if entry.is_symlink() else ""
                    name = str(entry.relative_to(place))
                    found.append(
                        Found(
                            os.fsencode(name).hex(),
                            told.st_mode,
                            told.st_size,
                            told.st_mtime_ns,
                            os.fsencode(link).hex(),
                        )
                    )
        return msgspec.json.encode(found)

    def read(self, folder: str, wanted: list[tuple[str, int, int]]) -> list[bytes]:
        """Parts of files: path, start and length of each. What is gone meanwhile is empty."""
        place = places.named(self.folder, folder)
        return [
            self._part(place, place / os.fsdecode(bytes.fromhex(path)), start, count) for path, start, count in wanted
        ]

    def close(self) -> None:
        """End and forget the instance."""
        with self._guard:
            (self.job / ACCEPTED).unlink(missing_ok=True)
        if self._work:
            self.local.kill(self.id)
            self._work.join()
        self.local.destroy(self.id)

    # -- on the node

    def _go_on(self) -> None:
        with self._guard:
            if self._work is None:
                self._work = threading.Thread(target=self._run, daemon=True)
                self._work.start()

    def _run(self) -> None:
        import ray

        try:
            if shims.status(self.folder) is None:
                told = parcel.unpack((self.job / ACCEPTED).read_bytes())
                self._await_environment(told.workload.image, told.workload.limits.gpus)
                workload = lay_out(told, self.job / "brought")
                (instance,) = workload.instances
                own = msgspec.structs.replace(instance, log=str(self.job / LOG))
                workload = msgspec.structs.replace(workload, instances=(own,), wake=self._name)
                self.local.launch(workload, [int(number) for number in ray.get_gpu_ids()])
        except (CannotFetch, BuildFailed, UnknownImage, OSError, ValueError) as error:
            cause: Literal["data", "platform"] = "data" if isinstance(error, CannotFetch) else "platform"
            state = InstanceState(
                host=self.host, phase="exited", message=str(error), ended=time.time(), exit_code=1, cause=cause
            )
            shims.replace(self.job / TROUBLE, msgspec.json.encode(state))

    def _await_environment(self, image: str, gpus: int) -> None:
        while progress := self.local.prepare(image, gpus):
            self._progress = progress
            time.sleep(0.2)
        self._progress = ""

    def _sweep(self) -> None:
        """Remove what this node still holds, or runs, of workloads that were given up while it was away."""
        import ray

        here = {file.parent.name for file in self.local.jobs.glob(f"*/{ACCEPTED}")} - {self.id}
        if here:
            names = ray.util.list_named_actors(all_namespaces=True)
            for workload in here - {one["name"].partition("/")[0] for one in names}:
                self.local.destroy(workload)

    def _obey(self, requests: tuple[str, ...]) -> None:
        if self.folder.is_dir():
            for name in requests:
                shims.request(self.folder, name)

    def _rest(self, seconds: float) -> None:
        self._wake.settimeout(max(0.001, seconds))
        with contextlib.suppress(TimeoutError, BlockingIOError):
            self._wake.recv(1024)

    def _look(self, asked: Asked) -> Told:
        # The state first: what an ended process wrote is all there by then.
        state = self._state()
        log, more = _since(self.job / LOG, asked.log)
        metrics, many = _since(self.folder / "metrics.jsonl", asked.metrics)
        return Told(node=self._context.get_node_id(), state=state, log=log, metrics=metrics, more=more or many)

    def _state(self) -> InstanceState | None:
        if not (self.job / ACCEPTED).exists():
            return None
        if (self.job / TROUBLE).exists():
            return msgspec.json.decode((self.job / TROUBLE).read_bytes(), type=InstanceState)
        seen = self.local.observe(self.id).instances
        return seen[0] if seen else InstanceState(host=self.host, phase="preparing", message=self._progress)

    def _part(self, place: Path, file: Path, start: int, count: int) -> bytes:
        try:
            fd = open_file(place, file)
        except OSError:
            return b""
        try:
            return os.pread(fd, count, start) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
        finally:
            os.close(fd)


def _since(file: Path, start: int) -> tuple[bytes, bool]:
    try:
        with file.open("rb") as source:
            source.seek(start)
            data = source.read(PIECE)
            return data, bool(source.peek(1)) if hasattr(source, "peek") else False
    except FileNotFoundError:
        return b"", False


def answer(told: bytes) -> Told:
    return msgspec.json.decode(told, type=Told)


def question(**asked: Any) -> bytes:
    return msgspec.json.encode(Asked(**asked))
