"""What an image URI means where it runs as a container: which image of the engine, and how the engine gets it."""

import base64
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from clary.runtime import images
from clary.runtime.containers import find
from clary.runtime.containers.aliases import Aliases
from clary.runtime.containers.engine import Engine, EngineError
from clary.runtime.containers.find import Found, NoEngine
from clary.runtime.environments import BuildFailed
from clary.runtime.images import NotManaged, UnknownImage

PULL_SECONDS = 3600.0
"""Between two signs of life while an engine gets an image."""


class Pull(msgspec.Struct, frozen=True, kw_only=True):
    """An image that the engine has to fetch from a registry, named by digest."""

    repository: str
    """With the registry's host and port."""
    digest: str
    user: str
    password: str

    @property
    def reference(self) -> str:
        return f"{self.repository}@{self.digest}"


_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,511}")
Source = Callable[[str], Pull | None]
"""Where images of a URI can be had, besides in the engine: `None` when not."""


def _nowhere(uri: str) -> Pull | None:
    return None


class Containers:
    """The engine of this machine and what it can run. One for each process."""

    def __init__(self, setting: str, home: Path, source: Source = _nowhere) -> None:
        self.aliases = Aliases(home)
        self._setting = setting
        self._source = source
        self._gate = threading.Lock()
        self._pulls: dict[str, _Fetch] = {}

    def found(self) -> Found:
        """The engine. Raises `NoEngine`."""
        return find.find(self._setting)

    def wants(self, uri: str) -> bool:
        """Whether the image runs as a container: everything but AWS's own, and those of AWS's that an alias names."""
        if self.aliases.get(uri) is not None:
            return True
        try:
            images.environment_of(uri)
        except NotManaged:
            return False
        except UnknownImage:
            return True
        return False

    def check(self, uri: str) -> None:
        """Whether the image could run now. Raises `UnknownImage`."""
        found = self._engine(uri)
        try:
            there = self._source(uri) is not None or _has(found.engine, self.aliases.get(uri) or uri)
        except EngineError as error:
            raise UnknownImage(f"{uri} cannot be looked up: {error}.") from error
        if not there:
            raise UnknownImage(self._missing(uri))

    def prepare(self, uri: str) -> str | None:
        """Have the engine get the image: `None` when it has it, else progress. Raises `UnknownImage`, `BuildFailed`."""
        found = self._engine(uri)
        try:
            if _has(found.engine, self.reference(uri)):
                return None
        except EngineError as error:
            if error.status:
                raise BuildFailed(str(error)) from error
            return f"Waiting: {error}"
        pull = self._source(uri)
        if pull is None:
            raise UnknownImage(self._missing(uri))
        with self._gate:
            fetch = self._pulls.get(pull.reference)
            if fetch is None:
                fetch = self._pulls[pull.reference] = _Fetch(found, pull)
            if fetch.ended:
                del self._pulls[pull.reference]
        if fetch.failure:
            raise BuildFailed(f"{uri} could not be downloaded: {fetch.failure}")
        return "Downloading the training image"

    def reference(self, uri: str) -> str:
        """The image as the engine knows it."""
        alias = self.aliases.get(uri)
        if alias is not None:
            return alias
        pull = self._source(uri)
        return pull.reference if pull else uri

    def _engine(self, uri: str) -> Found:
        try:
            return self.found()
        except NoEngine as error:
            raise UnknownImage(
                f"{uri} is not one of AWS's own images and can only run as a container, but {error}."
            ) from error

    def _missing(self, uri: str) -> str:
        alias = self.aliases.get(uri)
        if alias is not None:
            return f"{uri} is an alias of {alias}, which the container engine does not have."
        return (
            f"{uri} is neither one of AWS's own images, nor in this Clary's registry, nor an image or alias of this "
            "machine (`clary images`)."
        )


class _Fetch:
    """A download in the background."""

    def __init__(self, found: Found, pull: Pull) -> None:
        self.failure = ""
        self._thread = threading.Thread(target=self._run, args=(found, pull), daemon=True, name="clary-pull")
        self._thread.start()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def _run(self, found: Found, pull: Pull) -> None:
        try:
            fetch(found, pull)
        except EngineError as error:
            self.failure = str(error)


def fetch(found: Found, pull: Pull) -> None:
    """Have the engine download an image. Raises `EngineError`."""
    credentials = {"username": pull.user, "password": pull.password, "serveraddress": pull.repository.split("/")[0]}
    headers = {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(credentials).encode()).decode()}
    if found.name == "podman":
        # Docker trusts registries on the loopback; podman has to be told.
        path, query = "/v4.0.0/libpod/images/pull", {"reference": pull.reference, "tlsVerify": "false"}
    else:
        path, query = "/images/create", {"fromImage": pull.repository, "tag": pull.digest}
    for _ in found.engine.stream("POST", path, patience=PULL_SECONDS, headers=headers, **query):
        pass
    if not _has(found.engine, pull.reference):
        raise EngineError(0, f"the engine did not get {pull.reference}")


def _has(engine: Engine, reference: str) -> bool:
    # It becomes part of a path of the engine's API.
    if not _REFERENCE.fullmatch(reference) or ".." in reference:
        return False
    try:
        engine.call("GET", f"/images/{reference}/json")
    except EngineError as error:
        if error.status in (400, 404):
            return False
        raise
    return True
