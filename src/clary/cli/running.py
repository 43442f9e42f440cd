"""Is Clary running on this home, and where? `up.json` says so; the lock that `clary up` holds on it says it is true."""

import fcntl
import os
from pathlib import Path
from typing import IO

import msgspec

from clary.cli.failures import AlreadyRunning, NotRunning
from clary.settings import Settings


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What a running `clary up` wrote."""

    pid: int
    url: str


def claim(settings: Settings) -> IO[bytes]:
    """Take the home for this process; it is released when the returned file closes, however that comes about."""
    file = os.fdopen(os.open(_file(settings.home), os.O_RDWR | os.O_CREAT, 0o644), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as taken:
        file.close()
        raise AlreadyRunning(f"Clary already runs on {settings.home}: {url(settings)}") from taken
    file.truncate()
    file.write(msgspec.json.encode(Running(pid=os.getpid(), url=settings.url)))
    file.flush()
    return file


def find(settings: Settings) -> Running | None:
    """The running Clary of this home, if there is one."""
    try:
        with _file(settings.home).open("rb") as file:
            return _read(file)
    except FileNotFoundError:
        return None


def need(settings: Settings) -> Running:
    """The running Clary of this home. Raises `NotRunning`."""
    if running := find(settings):
        return running
    raise NotRunning(f"Clary does not run on {settings.home}. Start it: clary up")


def url(settings: Settings) -> str:
    """Where clients should go: where it listens now, else where the settings would have it."""
    running = find(settings)
    return running.url if running else settings.url


def _read(file: IO[bytes]) -> Running | None:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return msgspec.json.decode(file.read(), type=Running)
    return None


def _file(home: Path) -> Path:
    return home / "up.json"
