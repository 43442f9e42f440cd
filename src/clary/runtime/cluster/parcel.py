"""What goes to a node for one instance: its part of the workload, and what its sources hold that no S3 has.

A large file of them, such as an endpoint's own copy of its model, follows in pieces, as the node asks for them.

Plain JSON both ways: nothing of either side is unpickled by our own code.
"""

import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from clary.runtime.workload import Instance, Workload

PIECE = 4 * 1024 * 1024
"""Bytes; a file that holds more comes in several of them."""


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """One source. Its folder holds what `tar` holds and the objects of `listing`; a file is named `""` in either."""

    source: str
    is_folder: bool
    tar: bytes = b""
    listing: str = ""
    size: int | None = None
    """Of a file that comes in pieces."""


class Wanted(msgspec.Struct, frozen=True):
    """The piece that a node lacks next."""

    source: str
    start: int


class Piece(msgspec.Struct, frozen=True):
    """`data` is `None` where the source is not there any more."""

    source: str
    start: int
    data: bytes | None


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """`workload` has the one instance."""

    workload: Workload
    brought: tuple[Brought, ...]


_read_parcel = msgspec.json.Decoder(Parcel).decode


def pack(workload: Workload, instance: Instance, addresses: Mapping[str, str]) -> bytes:
    """For one instance. `addresses`: of all hosts."""
    own = msgspec.structs.replace(workload, instances=(instance,), addresses=addresses)
    brought = tuple(_bring(Path(source), workload.objects.get(source)) for source in _sources(own, instance))
    return msgspec.json.encode(Parcel(workload=own, brought=brought))


def piece(wanted: Wanted) -> Piece:
    try:
        with Path(wanted.source).open("rb") as file:
            file.seek(wanted.start)
            return Piece(wanted.source, wanted.start, file.read(PIECE) or None)
    except OSError:
        return Piece(wanted.source, wanted.start, None)


def unpack(parcel: bytes) -> Parcel:
    return _read_parcel(parcel)


def _sources(workload: Workload, instance: Instance) -> list[str]:
    """Everything of this machine that the instance needs. A file system is on the node too, under the same path."""
    mounts = [mount.source for mount in instance.mounts if not (mount.writable or mount.root)]
    pipes = [pipe.source for pipe in instance.pipes]
    return list(dict.fromkeys([*mounts, *pipes, *instance.unpacked.values(), *workload.seeds.values()]))


def _bring(source: Path, listing: str | None) -> Brought:
    told = Path(listing).read_text(encoding="ascii") if listing else ""
    if not source.is_dir():
        size = 0 if told else source.stat().st_size
        if size > PIECE:
            return Brought(source=str(source), is_folder=False, size=size)
        return Brought(source=str(source), is_folder=False, tar=b"" if told else source.read_bytes(), listing=told)
    listed = {line.partition(" ")[0] for line in told.splitlines()}
    return Brought(source=str(source), is_folder=True, tar=_tar(source, listed), listing=told)


def _tar(folder: Path, listed: set[str]) -> bytes:
    from clary.runtime.listing import quoted

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in _below(str(folder)):
            name = os.path.relpath(path, folder)
            if quoted(name) not in listed:
                tar.add(path, name, recursive=False)
    return out.getvalue()


def _below(folder: str) -> Iterator[str]:
    with os.scandir(folder) as found:
        for entry in sorted(found, key=lambda entry: entry.name):
            yield entry.path
            if entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path)
