"""S3 objects laid out as files on this machine before a job starts: hard links into the object tree, no copies."""

import functools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from clary.capabilities.jobs.items import BadData, Item, checked, manifest, relative
from clary.capabilities.jobs.landing import Landing
from clary.capabilities.jobs.staging import Places, Staging
from clary.objects import Objects, Stored, parse_uri
from clary.objects.errors import S3Error
from clary.runtime import listing, pipes
from clary.runtime.listing import Listed
from clary.runtime.pipes import File, Piece
from clary.runtime.shim.streams import FILES

LARGEST_MANIFEST = 256 * 1024 * 1024


class Source:
    """The S3 of an account, as its jobs read it. Every method raises `BadData` for what is not there or not theirs."""

    def __init__(self, objects: Objects, account: str, *, fetch: bool = True) -> None:
        """`fetch`: not for hosts that get the bytes of what is elsewhere by themselves."""
        self._objects, self._account, self._fetch = objects, account, fetch
        self._landing = Landing(objects, Path())
        self._is_own = functools.cache(functools.partial(objects.bucket_exists, account))

    def items(
        self, uri: str, *, is_manifest: bool = False, keep: Callable[[Item], bool] | None = None
    ) -> tuple[str, list[Item]]:
        """`(prefix URI, objects)` of a prefix or a manifest, those that `keep` takes. At least one object."""
        prefix, found = self._listed(uri) if is_manifest else (uri, self.below(uri))
        items = list(filter(keep, found) if keep else found)
        if not items:
            raise BadData(f"No data found. Please check that there is at least one object under {uri}")
        return prefix, items

    def below(self, uri: str) -> Iterator[Item]:
        """Every object whose key begins as the URI says, in the order of keys; there need not be any."""
        bucket, prefix = self._own(uri)
        for info in self._objects.list(bucket, prefix):
            yield Item(relative(info.key, prefix), self._landing.path(info), f"s3://{bucket}/{info.key}")

    def into(self, fill: Callable[[Places], None]) -> Callable[[Places], None]:
        """`fill`, and then the bytes of what it has laid out and is not on this machine."""

        def both(places: Places) -> None:
            self._landing = Landing(self._objects, places.folder / "fetched")
            fill(places)
            if self._fetch:
                self._landing.fetch()
            self._landing.close()

        return both

    def one(self, uri: str, what: str, *, now: bool = False) -> Path:
        """The object with this very key. `what` it is, for the message; `now`: its bytes are needed at once."""
        bucket, key = self._own(uri)
        found = self._find(bucket, key)
        if found is None:
            raise BadData(f"Data download failed: {what} {uri} does not exist")
        path = self._landing.path(found)
        if now:
            self._landing.fetch(path)
        return path

    def named(self, uri: str) -> File | None:
        """Likewise as a file of a pipe; `None` for any address that leads nowhere."""
        try:
            bucket, key = parse_uri(uri)
        except ValueError:
            return None
        found = self._find(bucket, key) if self._is_own(bucket) else None
        return File(self._landing.path(found), uri) if found else None

    def _listed(self, uri: str) -> tuple[str, Iterator[Item]]:
        bucket, key = self._own(uri)
        info = self._find(bucket, key)
        if info is None or info.size > LARGEST_MANIFEST:
            raise BadData(f"Data download failed: the manifest {uri} is missing or too large")
        file = self._landing.path(info)
        self._landing.fetch(file)
        prefix, suffixes = manifest(file.read_bytes(), uri)
        return prefix, self._all(prefix, suffixes)

    def _all(self, prefix: str, suffixes: Iterable[str]) -> Iterator[Item]:
        bucket, start = self._own(prefix)
        for suffix in suffixes:
            info = self._find(bucket, start + suffix)
            if info is None:
                raise BadData(f"Data download failed: {prefix}{suffix} of the manifest does not exist")
            yield Item(suffix, self._landing.path(info), f"{prefix}{suffix}")

    def _find(self, bucket: str, key: str) -> Stored | None:
        try:
            return self._objects.find(bucket, key)
        except S3Error:
            # No key can be so long.
            return None

    def _own(self, uri: str) -> tuple[str, str]:
        """Bucket and key of a URI in one of the account's own buckets."""
        try:
            bucket, key = parse_uri(uri)
        except ValueError:
            raise BadData(f"Data download failed: {uri} is not an S3 URI") from None
        if not self._is_own(bucket):
            raise BadData(f"Data download failed: bucket {bucket} does not exist or does not belong to the account")
        return bucket, key


def farm(staging: Staging, folder: Path, items: list[Item]) -> None:
    """The objects as files below `folder`, which is made. Raises `BadData` for names that no folder can hold."""
    _link_all(folder, items)
    files = (Listed(item.path, item.uri) for item in items if item.is_file)
    listing.write(listing.place(staging.folder, folder), files)


def pipe(staging: Staging, folder: Path, records: Iterable[list[Piece]]) -> list[str]:
    """What a pipe streams, in `folder`; answers the URIs of its files. A file is linked once."""
    uris = pipes.lay_out(folder, records)
    numbered = (Listed(f"{FILES}/{number}", uri) for number, uri in enumerate(uris))
    listing.write(listing.place(staging.folder, folder), numbered)
    return uris


def in_a_row(items: Iterable[Item]) -> Iterator[list[Piece]]:
    """Each object a record, without the markers of folders."""
    return ([File(item.source, item.uri)] for item in items if item.is_file)


def _link_all(folder: Path, items: Iterable[Item]) -> None:
    # Plain text and a memory of folders: for many small files, paths cost more than links.
    base, made = str(folder), set[str]()
    folder.mkdir(parents=True, exist_ok=True)
    for item in items:
        if not item.path:
            continue
        path = checked(item.path)
        above = path if item.path.endswith("/") else path.rpartition("/")[0]
        try:
            if above not in made:
                Path(base, above).mkdir(parents=True, exist_ok=True)
                made.add(above)
            if above != path:
                link(item.source, f"{base}/{path}")
        except (FileExistsError, NotADirectoryError):
            raise BadData(f"Data download failed: {item.uri} and another object want the same path") from None


def link(source: Path, target: Path | str) -> None:
    """A second name for the same bytes; a copy where the file system has no links."""
    try:
        os.link(source, target)
    except (FileExistsError, NotADirectoryError):
        raise
    except OSError:
        shutil.copyfile(source, target)
