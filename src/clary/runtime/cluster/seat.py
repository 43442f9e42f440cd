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
from typing import Literal

import msgspec

from clary.runtime import places, shims
from clary.runtime.archive import BadArchive, entries, open_file
from clary.runtime.cluster import known, parcel
from clary.runtime.cluster.download import CannotFetch
from clary.runtime.cluster.exposing import Exposed
from clary.runtime.cluster.parcel import Parcel, Piece
from clary.runtime.cluster.talk import Asked, Found, Survey, Told, is_alone, read_asked
from clary.runtime.cluster.unpacking import add, lay_out, next_wanted
from clary.runtime.environments import BuildFailed
from clary.runtime.images import UnknownImage
from clary.runtime.local import LocalBackend
from clary.runtime.remote_socket import Address, new_secret
from clary.runtime.workload import InstanceState

PIECE = 4 * 1024 * 1024
"""Most bytes of a log that one answer holds."""
SHORT, LONG = 0.02, 0.25
"""Seconds between looks at the log."""
ACCEPTED, TROUBLE, LOG, BROUGHT, ADDRESS = "parcel.json", "trouble.json", "log", "brought", "address.json"
RUN = "run"
"""Whose the rest is; written last."""
KILLED = 137

_read_address = msgspec.json.Decoder(Address).decode
_read_state = msgspec.json.Decoder(InstanceState).decode


class Stopped(Exception):
    """It was asked to end before there was anything to end."""


def home() -> Path:
    """Where this node keeps instances and environments."""
    return Path(os.environ.get("CLARY_NODE_HOME", Path.home() / ".clary/node"))


def environments() -> Path | None:
    found = os.environ.get("CLARY_ENVIRONMENTS")
    return Path(found) if found else None


class Seat:
    """One instance. Every call may be repeated."""

    def __init__(self, workload_id: str, host: str, run: str) -> None:
        """`run`: no other run of the workload has it. To a seat of another one there is nothing on the node."""
        import ray

        self._context = ray.get_runtime_context()
        self.id, self.host, self.run = workload_id, host, run
        self.local = LocalBackend(home(), environments=environments(), slots=1_000_000)
        self.job = self.local.jobs / workload_id
        self.folder = self.job / host
        self._guard = threading.Lock()
        self._work: threading.Thread | None = None
        self._progress = ""
        self._lacking: Parcel | None = None
        self._missing = ""
        self._arrived = threading.Event()
        self._exposed: Exposed | None = None
        self._left = False
        self._name = f"\0clary-{os.getpid()}-{workload_id}-{host}"
        self._wake = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._wake.bind(self._name)
        if is_alone(run):
            threading.Thread(target=sweep, daemon=True).start()
        if self._is_mine():
            self._go_on()

    def where(self) -> bytes:
        """Node and address."""
        import ray

        return msgspec.json.encode([self._context.get_node_id(), ray.util.get_node_ip_address()])

    def begin(self, told: bytes) -> None:
        """Accept the instance: from now on it runs, once, unless the node is lost. What other runs left is removed."""
        with self._guard:
            if not self._is_mine():
                self.local.destroy(self.id)
                self.folder.mkdir(parents=True, exist_ok=True)
                self.job.chmod(0o700)
                shims.replace(self.job / ACCEPTED, told)
                shims.replace(self.job / RUN, self.run.encode())
        self._go_on()

    def tell(self, question: bytes) -> bytes:
        """What is new since; waits for it at most as long as asked."""
        asked = read_asked(question)
        self._obey(asked.requests)
        if asked.piece:
            self._take(asked.piece)
        end, pause = time.monotonic() + asked.wait, SHORT
        while True:
            told = self._look(asked)
            if told.is_news(asked) or self._left or time.monotonic() >= end:
                return msgspec.json.encode(told)
            self._rest(min(pause, end - time.monotonic()))
            pause = min(pause * 1.5, LONG)

    def survey(self, folder: str) -> bytes:
        """A `Survey` of an output folder."""
        found = self._found(places.named(self.folder, folder)) if self._is_mine() else None
        return msgspec.json.encode(Survey(self._context.get_node_id(), found))

    def read(self, folder: str, wanted: list[tuple[str, int, int]]) -> list[bytes]:
        """Parts of files: path, start and length of each. What is gone meanwhile is empty."""
        place = places.named(self.folder, folder)
        return [
            self._part(place, place / os.fsdecode(bytes.fromhex(path)), start, count) for path, start, count in wanted
        ]

    def close(self) -> None:
        """End and forget the instance."""
        with self._guard:
            if self._whose() not in ("", self.run):
                return
            (self.job / RUN).unlink(missing_ok=True)
        if self._work:
            self.local.kill(self.id)
            self._work.join()
        if self._exposed:
            self._exposed.close()
        self.local.destroy(self.id)

    def leave(self) -> None:
        """Nobody asks any more. A question that still waits is answered."""
        self._left = True
        self._wake.close()

    # -- on the node

    def _is_mine(self) -> bool:
        return self._whose() == self.run

    def _whose(self) -> str:
        try:
            return (self.job / RUN).read_text()
        except FileNotFoundError:
            return ""

    def _go_on(self) -> None:
        with self._guard:
            if self._work is None:
                self._work = threading.Thread(target=self._run, daemon=True)
                self._work.start()

    def _run(self) -> None:
        import ray

        try:
            told = parcel.unpack((self.job / ACCEPTED).read_bytes())
            if told.workload.purpose == "serve":
                self._expose()
            if shims.status(self.folder) is None:
                self._await_pieces(told)
                self._await_environment(told.workload.image, told.workload.limits.gpus)
                workload = lay_out(told, self.job / BROUGHT)
                (instance,) = workload.instances
                own = msgspec.structs.replace(instance, log=str(self.job / LOG))
                workload = msgspec.structs.replace(workload, instances=(own,), wake=self._name)
                self.local.launch(workload, [int(number) for number in ray.get_gpu_ids()])
        except Stopped:
            self._say_trouble("stopped", "", KILLED)
        except (CannotFetch, BuildFailed, UnknownImage, OSError, ValueError) as error:
            self._say_trouble("data" if isinstance(error, CannotFetch) else "platform", str(error), 1)

    def _say_trouble(self, cause: Literal["stopped", "data", "platform"], message: str, code: int) -> None:
        state = InstanceState(
            host=self.host, phase="exited", message=message, ended=time.time(), exit_code=code, cause=cause
        )
        shims.replace(self.job / TROUBLE, msgspec.json.encode(state))
        self._waken()

    def _await_environment(self, image: str, gpus: int) -> None:
        while progress := self.local.prepare(image, gpus):
            self._heed()
            self._progress = progress
            time.sleep(0.2)
        self._progress = ""

    def _await_pieces(self, told: Parcel) -> None:
        self._lacking = told
        self._waken()
        try:
            while next_wanted(told, self.job / BROUGHT):
                self._heed()
                if self._missing:
                    raise CannotFetch(f"What the instance starts from is not there any more: {self._missing}")
                self._arrived.wait(0.2)
                self._arrived.clear()
        finally:
            self._lacking = None

    def _take(self, piece: Piece) -> None:
        with self._guard:
            if (lacking := self._lacking) is not None:
                add(lacking, self.job / BROUGHT, piece)
                self._missing = self._missing or (piece.source if piece.data is None else "")
        self._arrived.set()

    def _heed(self) -> None:
        """Raises `Stopped` where it is to run no more."""
        asked = any((self.folder / name).exists() for name in ("stop", "kill"))
        if asked or not self._is_mine():
            raise Stopped

    def _expose(self) -> None:
        """Let callers in, where they were let in before, if it is the seat that began anew."""
        import ray

        file = self.job / ADDRESS
        try:
            known = _read_address(file.read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            known = Address(ray.util.get_node_ip_address(), 0, new_secret())
        self._exposed = Exposed(self.local.socket(self.id, self.host), known)
        shims.replace(file, msgspec.json.encode(self._exposed.address))
        self._waken()

    def _obey(self, requests: tuple[str, ...]) -> None:
        if self._is_mine():
            for name in requests:
                shims.request(self.folder, name)

    def _waken(self) -> None:
        """Questions wait for what changes."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.sendto(b"", self._name)

    def _rest(self, seconds: float) -> None:
        # Either its time is over, or the socket was closed: the seat was left.
        with contextlib.suppress(OSError):
            self._wake.settimeout(max(0.001, seconds))
            self._wake.recv(1024)

    def _look(self, asked: Asked) -> Told:
        # The state first: what an ended process wrote is all there by then.
        state = self._state()
        log, more = _since(self.job / LOG, asked.log)
        metrics, many = _since(self.folder / "metrics.jsonl", asked.metrics)
        return Told(
            node=self._context.get_node_id(),
            state=state,
            log=log,
            metrics=metrics,
            more=more or many,
            address=self._exposed.address if self._exposed else None,
            wanted=next_wanted(self._lacking, self.job / BROUGHT) if self._lacking else None,
        )

    def _state(self) -> InstanceState | None:
        if not self._is_mine():
            return None
        if (self.job / TROUBLE).exists():
            return _read_state((self.job / TROUBLE).read_bytes())
        seen = self.local.observe(self.id).instances
        return seen[0] if seen else InstanceState(host=self.host, phase="preparing", message=self._progress)

    def _found(self, place: Path) -> list[Found]:
        found = []
        with contextlib.suppress(BadArchive):
            for entry in entries(place):
                with contextlib.suppress(OSError):
                    told = entry.lstat()
                    link = str(entry.readlink()) if entry.is_symlink() else ""
                    name = os.fsencode(entry.relative_to(place)).hex()
                    found.append(Found(name, told.st_mode, told.st_size, told.st_mtime_ns, os.fsencode(link).hex()))
        return found

    def _part(self, place: Path, file: Path, start: int, count: int) -> bytes:
        try:
            fd = open_file(place, file)
        except OSError:
            return b""
        try:
            return os.pread(fd, count, start) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
        finally:
            os.close(fd)


def sweep() -> None:
    """Remove what this node still holds, or runs, of workloads that were given up while it was away."""
    local = LocalBackend(home(), environments=environments())
    here = {file.parent.name for file in local.jobs.glob(f"*/{ACCEPTED}")}
    for workload in here - known.workloads() if here else ():
        local.destroy(workload)


def _since(file: Path, start: int) -> tuple[bytes, bool]:
    try:
        with file.open("rb") as source:
            source.seek(start)
            data = source.read(PIECE)
            return data, bool(source.peek(1)) if hasattr(source, "peek") else False
    except FileNotFoundError:
        return b"", False
