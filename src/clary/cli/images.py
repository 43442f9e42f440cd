"""`clary images`: images of this machine's container engine, built, loaded, listed, and named for jobs to use.

It speaks to the engine and writes the home's aliases itself, so no running server is needed.
"""

import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clary.cli.failures import CliFailure
from clary.cli.screen import note, show
from clary.runtime.containers import find
from clary.runtime.containers.aliases import Aliases
from clary.runtime.containers.engine import Engine, EngineError
from clary.runtime.containers.find import NoEngine
from clary.settings import Settings

NAMELESS = "<none>"
SILENCE_SECONDS = 3600.0


class NoImages(CliFailure):
    """The engine is not there, or refused."""


def images(settings: Settings, *, action: str, **given: Any) -> None:
    """Raises `NoImages`."""
    try:
        ACTIONS[action](settings, **given)
    except (EngineError, NoEngine) as error:
        raise NoImages(str(error)) from error


def _list(settings: Settings, *, as_json: bool) -> None:
    aliases = Aliases(settings.home).all()
    rows = [_row(image, name) for image in _engine(settings).call("GET", "/images/json") for name in _names(image)]
    rows = sorted(rows, key=lambda row: str(row["name"]))
    for row in rows:
        row["aliases"] = " ".join(sorted(uri for uri, image in aliases.items() if image == row["name"]))
    lost = sorted(uri for uri, image in aliases.items() if image not in {row["name"] for row in rows})
    rows += [{"name": aliases[uri], "id": "missing", "megabytes": 0, "created": "", "aliases": uri} for uri in lost]
    show(rows, as_json=as_json, title="Images of this machine")


def _build(settings: Settings, *, folder: Path, tag: str, file: str) -> None:
    if not (folder / file).is_file():
        raise NoImages(f"{folder / file} is not there")
    engine = _engine(settings)
    with tempfile.TemporaryFile() as context:
        with tarfile.open(fileobj=context, mode="w") as tar:
            for path in _context(folder):
                tar.add(path, path.relative_to(folder).as_posix(), recursive=False)
        context.seek(0)
        for told in engine.stream("POST", "/build", context, patience=SILENCE_SECONDS, t=tag, dockerfile=file):
            if line := str(told.get("stream", "")).rstrip():
                note(line)
    print(_full_name(engine, tag))


def _load(settings: Settings, *, file: Path) -> None:
    if not file.is_file():
        raise NoImages(f"{file} is not there")
    with file.open("rb") as archive:
        for told in _engine(settings).stream("POST", "/images/load", archive, patience=SILENCE_SECONDS):
            if line := str(told.get("stream", "")).strip():
                print(line.removeprefix("Loaded image: "))


def _alias(settings: Settings, *, uri: str, image: str) -> None:
    name = _full_name(_engine(settings), image)
    Aliases(settings.home).set(uri, name)
    print(f"{uri}\t{name}")


def _remove(settings: Settings, *, name: str) -> None:
    """An alias, else an image of the engine."""
    if Aliases(settings.home).remove(name):
        return
    _engine(settings).call("DELETE", f"/images/{name}")


ACTIONS: dict[str, Callable[..., None]] = {
    "list": _list,
    "build": _build,
    "load": _load,
    "alias": _alias,
    "rm": _remove,
}


def _engine(settings: Settings) -> Engine:
    return find.find(settings.containers).engine


def _names(image: dict[str, Any]) -> list[str]:
    return [name for name in image.get("RepoTags") or () if NAMELESS not in name] or [NAMELESS]


def _row(image: dict[str, Any], name: str) -> dict[str, Any]:
    return {
        "name": name,
        "id": str(image["Id"]).removeprefix("sha256:")[:12],
        "megabytes": round(image["Size"] / 1e6),
        "created": datetime.fromtimestamp(image["Created"], UTC).isoformat(" ", "seconds"),
    }


def _full_name(engine: Engine, image: str) -> str:
    """As the engine lists it: podman adds the registry `localhost`, both add the tag."""
    found = engine.call("GET", f"/images/{image}/json")
    names = found.get("RepoTags") or ()
    wanted = image if ":" in image.rpartition("/")[2] else f"{image}:latest"
    return next((name for name in names if name in (wanted, f"localhost/{wanted}")), image)


def _context(folder: Path) -> Iterator[Path]:
    """What goes to the build: everything but what `.dockerignore` names by a plain name or path."""
    ignore = folder / ".dockerignore"
    lines = ignore.read_text().splitlines() if ignore.is_file() else []
    left_out = {line.strip().strip("/") for line in lines if line.strip() and not line.startswith(("#", "!"))}
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = [name for name in folders if not _is_left_out((here / name).relative_to(folder), left_out)]
        for name in (*folders, *files):
            path = here / name
            if not _is_left_out(path.relative_to(folder), left_out) and (path.is_symlink() or path.is_file()):
                yield path


def _is_left_out(path: Path, left_out: set[str]) -> bool:
    return path.as_posix() in left_out or any(path.match(pattern) for pattern in left_out)
