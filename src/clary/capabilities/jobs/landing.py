"""Files of this machine for objects that are elsewhere: empty at first, to be linked, then filled in place.

Objects of our own store are where they are. `laying.py` and endpoints ask for paths, lay out links, and call `fetch`.
"""

import shutil
from pathlib import Path

from clary.capabilities.jobs.items import BadData
from clary.objects import Objects, Origin, Stored
from clary.runtime.workload import Store


class Landing:
    """`folder` is of this machine's and made when needed; the links to its files must be on the same disk."""

    def __init__(self, objects: Objects, folder: Path) -> None:
        self._objects, self._folder = objects, folder
        self._places: dict[str, Path] = {}
        self._wanted: dict[str, Path] = {}

    def path(self, found: Stored) -> Path:
        """Where its bytes are; for those elsewhere, where they will be after `fetch`."""
        if found.path is not None:
            return found.path
        uri = f"s3://{found.bucket}/{found.key}"
        if uri not in self._places:
            self._make()
            file = self._folder / str(len(self._places))
            file.touch()
            self._places[uri] = self._wanted[uri] = file
        return self._places[uri]

    def _make(self) -> None:
        if self._folder.exists():
            return
        self._folder.mkdir(parents=True)
        probe = self._folder / "probe"
        probe.touch()
        # Without links whoever lays files out would copy what is still empty.
        probe.with_suffix(".link").hardlink_to(probe)

    def fetch(self, only: Path | None = None) -> None:
        """Have all bytes here, or those of one path. Raises `BadData`, or `CannotFetch` when the store is away."""
        wanted = {uri: file for uri, file in self._wanted.items() if only in (None, file)}
        if not wanted:
            return
        origin = self._objects.origin
        assert origin, "every object has a path"
        # Only here: with our own store nothing is fetched.
        from clary.runtime.cluster.download import CannotFetch, download

        try:
            download(store(origin), wanted.items())
        except CannotFetch as error:
            # With a cause, it is the way to the store that failed, and it is to be tried again.
            if error.__cause__ is not None:
                raise
            raise BadData(str(error)) from error
        self._wanted = {uri: file for uri, file in self._wanted.items() if uri not in wanted}

    def close(self) -> None:
        """What was linked stays."""
        shutil.rmtree(self._folder, ignore_errors=True)


def store(origin: Origin) -> Store:
    """As whoever fetches is told of it."""
    return Store(
        endpoint=origin.endpoint,
        region=origin.region,
        access_key=origin.access_key,
        secret=origin.secret,
        token=origin.token,
    )
