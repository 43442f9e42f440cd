"""Laying a parcel's sources out on a node: what came with it, and what S3 holds. The seat calls it."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from clary.runtime import listing
from clary.runtime.cluster import cards
from clary.runtime.cluster.download import download
from clary.runtime.cluster.parcel import Brought, Parcel, Piece, Wanted
from clary.runtime.workload import Instance, Workload


def lay_out(parcel: Parcel, folder: Path) -> Workload:
    """The workload with its sources below `folder`. May be repeated. Raises `download.CannotFetch`."""
    places = {brought.source: lies(folder, number) for number, brought in enumerate(parcel.brought)}
    wanted: list[tuple[str, Path]] = []
    for brought in parcel.brought:
        wanted += _place(brought, places[brought.source])
    if wanted and parcel.workload.store is not None:
        download(parcel.workload.store, wanted)
    return _moved(parcel.workload, {source: str(place) for source, place in places.items()})


def lies(folder: Path, number: int) -> Path:
    """Where what was brought as the `number`th of a parcel lies."""
    return folder / str(number)


def next_wanted(parcel: Parcel, folder: Path) -> Wanted | None:
    """The piece that is still to come, of the first file that is not whole."""
    for number, brought in enumerate(parcel.brought):
        if brought.size is not None and (here := _size(lies(folder, number))) < brought.size:
            return Wanted(brought.source, here)
    return None


def add(parcel: Parcel, folder: Path, piece: Piece) -> None:
    """Put a piece where it belongs. One that comes twice is left."""
    wanted = next_wanted(parcel, folder)
    if piece.data is None or wanted != Wanted(piece.source, piece.start):
        return
    folder.mkdir(parents=True, exist_ok=True)
    number = next(number for number, brought in enumerate(parcel.brought) if brought.source == piece.source)
    with lies(folder, number).open("ab") as file:
        file.write(piece.data)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _place(brought: Brought, place: Path) -> list[tuple[str, Path]]:
    """Lays out what came along; answers the addresses of what is to be fetched, each with its file."""
    if brought.is_folder:
        place.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(brought.tar)) as tar:
            # Our own staging made it; links stay what they are.
            tar.extractall(place, filter="fully_trusted")
    elif brought.size is None:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(brought.tar)
    return [(one.uri, place / one.path) for one in listing.read(brought.listing.splitlines())]


def _moved(workload: Workload, places: Mapping[str, str]) -> Workload:
    (instance,) = workload.instances
    change = msgspec.structs.replace
    own: Instance = change(
        instance,
        files=cards.named(instance.files, workload.addresses.get(instance.host, "")),
        mounts=tuple(change(mount, source=places.get(mount.source, mount.source)) for mount in instance.mounts),
        pipes=tuple(change(pipe, source=places[pipe.source]) for pipe in instance.pipes),
        unpacked={target: places[source] for target, source in instance.unpacked.items()},
    )
    seeds = {target: places[source] for target, source in workload.seeds.items()}
    return change(workload, instances=(own,), seeds=seeds, objects={})
