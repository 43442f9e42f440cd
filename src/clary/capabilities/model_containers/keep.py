"""A hold on what a model's containers start from: they can start again whatever happens to the objects in S3.

A folder for each container, where the caller has its own. Hard links, since the object tree never changes a
file: no bytes are copied.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from clary.runtime import disks

MODELS = "models"
"""What a multi-model container sees as /opt/ml/models."""
FILES = "files.json"
ARCHIVE = "model.tar.gz"
CODE = "sourcedir.tar.gz"
ADDITIONAL = "additional"


class ModelData(NamedTuple):
    """An archive, or files by their path below the folder that shows them, or neither. Paths of this machine."""

    archive: Path | None = None
    files: tuple[tuple[str, Path], ...] = ()


@dataclass(frozen=True, slots=True)
class Artefacts:
    """`additional`: what a container has beside its model, by the name of the channel."""

    model: ModelData = field(default_factory=ModelData)
    code: Path | None = None
    additional: Mapping[str, ModelData] = field(default_factory=dict)


def keep(folder: Path, find: Callable[[], Artefacts]) -> Artefacts:
    """What `folder` holds; at first, links to what `find` finds. Cut short at any line, it is made anew."""
    if not folder.is_dir():
        fresh = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True, mode=0o700)
        _fill(fresh, find())
        fresh.rename(folder)
    additional = folder / ADDITIONAL
    names = sorted(path.name for path in additional.iterdir()) if additional.is_dir() else []
    return Artefacts(_held(folder), _there(folder / CODE), {name: _held(additional / name) for name in names})


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
    _hold(folder, found.model)
    if found.code:
        disks.link(found.code, folder / CODE)
    for name, data in found.additional.items():
        below = folder / ADDITIONAL / name
        below.mkdir(parents=True)
        _hold(below, data)


def _hold(folder: Path, data: ModelData) -> None:
    if data.archive:
        disks.link(data.archive, folder / ARCHIVE)
    for number, (_, source) in enumerate(data.files):
        disks.link(source, folder / str(number))
    (folder / FILES).write_text(json.dumps([name for name, _ in data.files]))


def _held(folder: Path) -> ModelData:
    names = json.loads((folder / FILES).read_bytes())
    return ModelData(_there(folder / ARCHIVE), tuple((name, folder / str(number)) for number, name in enumerate(names)))


def _there(file: Path) -> Path | None:
    return file if file.is_file() else None
