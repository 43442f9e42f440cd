"""What a driver is told and what it leaves, all in one folder: the controller writes the first, the driver the rest.

    job.json        a `Job`
    lock            held while a driver lives
    stop            made by the controller: end now
    journal.jsonl   a `Line` for each object that is over
    parts/<number>  an object's output while it is written
    out/<number>    the output of a whole object, until the controller has taken it
    result.json     a `Result`, when all objects are over

A driver that was killed is started again: what the journal has is not done again, everything else from its beginning.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

JOB, STOP, JOURNAL, RESULT, LOCK = "job.json", "stop", "journal.jsonl", "result.json", "lock"
PARTS, OUT = "parts", "out"

Fault = Literal["", "client", "algorithm"]
"""Whose fault it was that an object has no output."""


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """Of the ids that each output record gets: `namespace` is a UUID, `time` ISO 8601."""

    namespace: str
    time: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Values of the request; what it left open is settled with the container (`parameters.py`)."""

    sockets: tuple[str, ...]
    """Of the instance's containers, in the order in which a payload goes through them (`Backend.socket`)."""
    items: str
    """File of the objects: a line of JSON with `number`, `name` (for the log) and `source` (a path) for each."""
    log: str
    """File of the log stream (`clary.logfile`)."""
    wake: str
    key: str
    content_type: str = ""
    accept: str = ""
    compression: str = "None"
    split: str = "None"
    assemble: str = "None"
    strategy: str | None = None
    concurrent: int | None = None
    payload_mb: int | None = None
    timeout: int = 600
    retries: int = 3
    startup: float = 240.0
    """Seconds that the containers have until they are healthy."""
    input_filter: str = "$"
    output_filter: str = "$"
    join: bool = False
    stamp: Stamp | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An object to be transformed."""

    number: int
    name: str
    source: str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Of an object that is over; with a `fault` it has no output."""

    number: int
    fault: Fault = ""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`fault`: of the first object that failed. `unhealthy`: the containers never answered, and nothing was done."""

    done: int = 0
    failed: int = 0
    fault: Fault = ""
    unhealthy: bool = False


_read_job = msgspec.json.Decoder(Job).decode
_read_line = msgspec.json.Decoder(Line).decode
_read_result = msgspec.json.Decoder(Result).decode
_read_item = msgspec.json.Decoder(Item).decode


def read_job(folder: Path) -> Job:
    return _read_job((folder / JOB).read_bytes())


def read_items(file: Path) -> Iterator[Item]:
    with file.open("rb") as lines:
        for line in lines:
            yield _read_item(line)


def read_journal(folder: Path) -> list[Line]:
    """In the order in which the objects ended. The last line may have been cut short."""
    try:
        content = (folder / JOURNAL).read_bytes()
    except FileNotFoundError:
        return []
    found = []
    for line in content.split(b"\n"):
        try:
            found.append(_read_line(line))
        except msgspec.DecodeError:
            continue
    return found


def read_result(folder: Path) -> Result | None:
    """`None` until the driver is done."""
    try:
        return _read_result((folder / RESULT).read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        # A power cut may have left it empty.
        return None
