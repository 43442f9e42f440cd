"""A hold on what a model's containers start from: they can start again whatever happens to the objects in S3.

A folder for each container, where the caller has its own. Hard links, since the object tree never changes a
file: no bytes are copied.
"""

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from clary.runtime import disks

MODELS = "models"
"""What a multi-model container sees as /opt/ml/models."""
FILES = "files.json"
ARCHIVE = "model.tar.gz"
CODE = "sourcedir.tar.gz"


@dataclass(frozen=True, slots=True)
class Artefacts:
    """Paths of this machine. `files`: uncompressed model data, as path below the model folder and file."""

    archive: Path | None = None
    files: tuple[tuple[str, Path], ...] = ()
    code: Path | None = None


def keep(folder: Path, find: Callable[[], Artefacts]) -> Artefacts:
    """What `folder` holds; at first, links to what `find` finds. Cut short at any line, it is made anew."""
    if not folder.is_dir():
        fresh = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True, mode=0o700)
        _fill(fresh, find())
        fresh.rename(folder)
    names = json.loads((folder / FILES).read_bytes())
    return Artefacts(
        archive=_there(folder / ARCHIVE),
        files=tuple((name, folder / str(number)) for number, name in enumerate(names)),
        code=_there(folder / CODE),
    )


def drop(home: Path, all_but: Iterable[str] = ()) -> None:
    """Delete the folders in `home` but the named; all of it when none is named."""
    kept = set(all_but)
    if not kept:
        shutil.rmtree(home, ignore_errors=True)
        return
    for folder in home.iterdir() if home.is_dir() else ():
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _fill(folder: Path, found: Artefacts) -> None:
    for source, name in ((found.archive, ARCHIVE), (found.code, CODE)):
        if source:
            disks.link(source, folder / name)
    for number, (_, source) in enumerate(found.files):
        disks.link(source, folder / str(number))
    (folder / FILES).write_text(json.dumps([name for name, _ in found.files]))


def _there(file: Path) -> Path | None:
    return file if file.is_file() else None
