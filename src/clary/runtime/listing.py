"""Which S3 objects lie where in a folder: plain lines, so that a host without the object tree can fetch them itself.

Whoever lays a folder out writes the listing, a backend of other hosts reads it. `Workload.objects` names both.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote


class Listed(NamedTuple):
    """An object, by the path below the folder at which it lies; empty: the source is that one file."""

    path: str
    uri: str
    """`s3://bucket/key`."""


def place(folder: Path, source: Path) -> Path:
    """Where the listing of `source`, which lies below `folder`, is kept."""
    return folder / "objects" / quote(str(source.relative_to(folder)), safe="")


def write(file: Path, listed: Iterable[Listed]) -> None:
    """A line each, whatever characters the names hold."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="ascii") as out:
        out.writelines(f"{quoted(one.path)} {quoted(one.uri)}\n" for one in listed)


def read(lines: Iterable[str]) -> Iterator[Listed]:
    """From the lines of a listing."""
    for line in lines:
        path, uri = line.rstrip("\n").split(" ")
        yield Listed(_plain(path), _plain(uri))


def quoted(text: str) -> str:
    """As a listing writes it."""
    return text if text.isascii() and text.isalnum() else quote(text, safe="/:", errors="surrogateescape")


def _plain(text: str) -> str:
    return unquote(text, errors="surrogateescape") if "%" in text else text
