"""Augmented manifests: lines of JSON, of which a channel gets the attributes that it names. `staging.py` calls it.

Source of the rules: "Augmented Manifest Files for Training Jobs" of the SageMaker developer guide.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from clary.capabilities.jobs.items import BadData
from clary.capabilities.training.channels import Channel
from clary.runtime.pipes import File, Piece

LONGEST_LINE = 16 * 1024 * 1024
REFERENCE = "-ref"
"""An attribute with such a name holds the address of an object, and the object's bytes are delivered."""


def lines(file: Path, uri: str) -> Iterator[bytes]:
    """One at a time: a manifest may be larger than memory. Raises `BadData`."""
    with file.open("rb") as content:
        while line := content.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise BadData(f"Data download failed: a line of the augmented manifest {uri} is too long")
            yield line


def records(found: Iterable[bytes], channel: Channel, find: Callable[[str], File]) -> Iterator[list[Piece]]:
    """What each line delivers. `find` gets the address of an object. Raises `BadData`."""
    for number, line in enumerate(found, 1):
        if not line.strip():
            continue
        where = f"line {number} of the augmented manifest {channel.uri}"
        entry = _entry(line, where)
        yield [_piece(entry, name, where, find) for name in channel.attributes]


def _entry(line: bytes, where: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        raise BadData(f"Data download failed: {where} is not a JSON object")
    return entry


def _piece(entry: dict[str, Any], name: str, where: str, find: Callable[[str], File]) -> Piece:
    if name not in entry:
        raise BadData(f"Data download failed: {where} has no attribute {name}")
    value = entry[name]
    if name.endswith(REFERENCE):
        if not isinstance(value, str):
            raise BadData(f"Data download failed: {name} in {where} is not an S3 URI")
        return find(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
