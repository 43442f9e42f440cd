"""Names for images of this machine: an image URI that stands for one which the engine has.

One file in the home, written by `clary images alias` and read by the server for each new job.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

FILE = "images.json"


class Aliases:
    """URI → the engine's own name of the image. Several processes may use one file."""

    def __init__(self, home: Path) -> None:
        self._file = home / FILE

    def all(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}

    def get(self, uri: str) -> str | None:
        return self.all().get(uri)

    def set(self, uri: str, image: str) -> None:
        with self._change() as names:
            names[uri] = image

    def remove(self, uri: str) -> bool:
        """Whether there was one."""
        with self._change() as names:
            return names.pop(uri, None) is not None

    @contextmanager
    def _change(self) -> Iterator[dict[str, str]]:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            names = self.all()
            yield names
            fresh = self._file.with_suffix(".new")
            fresh.write_bytes(msgspec.json.format(msgspec.json.encode(names, order="sorted"), indent=1))
            fresh.replace(self._file)
