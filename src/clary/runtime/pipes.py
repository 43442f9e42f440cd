"""What a pipe streams, laid out on this machine before the instances start; the shim's feeder reads it.

A folder with `files/0`, `files/1`, … (links, so that later deletions do not matter), `names` (what to call each in
errors, a JSON string a line) and `records`: a line for each record, the JSON list of its pieces, in which a number is
a file and a string is text.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from clary.runtime import disks, places
from clary.runtime.shim import spec as shim
from clary.runtime.shim.streams import FILES, NAMES, RECORDS
from clary.runtime.workload import Pipe


class File(NamedTuple):
    """A file that never changes, and what its owner calls it."""

    path: Path
    name: str


Piece = File | str


def lay_out(folder: Path, records: Iterable[Sequence[Piece]]) -> list[str]:
    """Make the folder that `Pipe.source` names; answers the names of its files. A file is linked once."""
    (folder / FILES).mkdir(parents=True)
    base = f"{folder}/{FILES}/"
    numbers: dict[str, int] = {}
    names: list[str] = []
    with (folder / RECORDS).open("w") as out:
        for record in records:
            line: list[int | str] = []
            for piece in record:
                if isinstance(piece, str):
                    line.append(piece)
                    continue
                path = str(piece.path)
                if path not in numbers:
                    disks.link(path, f"{base}{len(names)}")
                    numbers[path] = len(names)
                    names.append(piece.name)
                line.append(numbers[path])
            out.write(f"{json.dumps(line)}\n")
    with (folder / NAMES).open("w") as out:
        out.writelines(f"{json.dumps(name)}\n" for name in names)
    return names


def spec(folder: Path, pipe: Pipe, folders: Iterable[str]) -> shim.Pipe:
    """What the shim is told. `folder`: the instance's own, laid out; `folders`: the workload's writable ones."""
    target = PurePosixPath(pipe.target)
    held = places.inside(folder, folders, str(target.parent))
    held.mkdir(parents=True, exist_ok=True)
    return {
        "folder": str(held),
        "name": target.name,
        "source": pipe.source,
        "gzip": pipe.gzip,
        "framed": pipe.framed,
        "seed": pipe.seed,
        "part": pipe.part,
        "parts": pipe.parts,
    }
