"""The models that one worker has loaded. Calls run in one thread, loads in another, so that a hit waits for no load.

Code that models bring is the exception: it is imported and called under one lock, since only one model's modules can be
in place (`modules.py`).
"""

import ctypes
import gc
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from clary.serving.server.config import Config
from clary.serving.server.frameworks import Loaded, load
from clary.serving.server.invocation import Answer, Invocation, Serve
from clary.serving.server.lean import show
from clary.serving.server.multi.modules import Own
from clary.serving.server.multi.register import Register

ML = "/opt/ml"


class NoMemory(Exception):
    """The models together would take more than this worker's share."""


class BadUrl(Exception):
    """The folder of a model is not where the platform says."""


@dataclass(frozen=True, slots=True)
class Model:
    loaded: Loaded
    serve: Serve


class Limits(NamedTuple):
    bytes: int
    """Of all models in each worker: sooner or later all of them are in every one."""
    resident: Callable[[], int]
    """Bytes that this process takes now."""


class Models:
    """`find` is for the event loop; `load` and `drop` are for the loading thread."""

    def __init__(self, config: Config, register: Register, limits: Limits) -> None:
        self._config = config
        self._register = register
        self._limits = limits
        self._known: dict[str, Model] = {}
        self._seen = register.version()
        self._one_at_a_time = threading.Lock()

    def find(self, name: str) -> Model | None:
        """`None` for a model that this worker has not loaded, or that was unloaded by way of another."""
        version = self._register.version()
        if version != self._seen:
            self._seen = version
            self._forget_unloaded()
        return self._known.get(name)

    def load(self, name: str, url: str) -> Model:
        """From now on the container counts it as loaded.

        Raises `NoMemory`, `BadUrl`, or what the model's code raises.
        """
        new = self._register.find(name) is None
        if (known := self._known.get(name)) and not new:
            return known
        folder = self._folder(url)
        if folder.name != "model" or not folder.is_dir():
            raise BadUrl(f"{url} is not the folder of a model")
        size = sum(file.lstat().st_size for file in folder.rglob("*"))
        if new:
            self._check(size)
        before = self._limits.resident()
        loaded, serve = self._loaded(folder)
        cost = max(size, self._limits.resident() - before)
        try:
            if new:
                self._check(cost)
        except NoMemory:
            del loaded, serve
            give_back()
            raise
        self._known[name] = Model(loaded, serve)
        if new:
            self._register.add(name, url, cost)
        return self._known[name]

    def drop(self, name: str) -> None:
        """A call that is using it keeps it until it is answered."""
        if self._known.pop(name, None):
            give_back()

    def _forget_unloaded(self) -> None:
        for name in self._known.keys() - set(self._register.names()):
            del self._known[name]

    def _check(self, more: int) -> None:
        taken = self._register.cost()
        if taken + more > self._limits.bytes:
            raise NoMemory(
                f"{more} bytes for this model and {taken} for those loaded are more than {self._limits.bytes}"
            )

    def _loaded(self, folder: Path) -> tuple[Loaded, Serve]:
        config = self._of(folder)
        if not (folder / "code").is_dir():
            loaded = load(config)
            return loaded, loaded.serve
        own = Own(folder)
        show()
        with self._one_at_a_time, own.in_place():
            loaded = load(config)
        return loaded, self._apart(own, loaded.serve)

    def _folder(self, url: str) -> Path:
        """Where the platform's /opt/ml is elsewhere, so is the model."""
        folder = Path(url)
        return self._config.base / folder.relative_to(ML) if folder.is_relative_to(ML) else folder

    def _of(self, folder: Path) -> Config:
        """Its own script where it brings one, else the one that all models of the container share."""
        shared = "" if (folder / "code").is_dir() else str(self._config.code_dir)
        return replace(self._config, base=folder.parent, code_archive=None, submit_directory=shared)

    def _apart(self, own: Own, serve: Serve) -> Serve:
        def call(given: Invocation) -> Answer:
            with self._one_at_a_time, own.in_place():
                return serve(given)

        return call


def resident() -> int:
    """Bytes of memory that this process takes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def give_back() -> None:
    """What is no longer used goes back to the machine, as far as the allocator can tell."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        return  # a C library without it
