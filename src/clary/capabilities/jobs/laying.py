"""S3 objects laid out as files on this machine before a job starts: hard links into the object tree, no copies."""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from clary.capabilities.training.channels import BadData, Item, checked, manifest, relative
from clary.objects import Objects, parse_uri
from clary.runtime.listing import Listed

LARGEST_MANIFEST = 256 * 1024 * 1024


def prefixed(objects: Objects, account: str, uri: str) -> list[Item]:
    """Every object whose key begins as the URI says. Raises `BadData` when there is none."""
    bucket, prefix = _own(objects, account, uri)
    found = [
        Item(relative(info.key, prefix), info.path, f"s3://{bucket}/{info.key}")
        for info in objects.list(bucket, prefix)
    ]
    if not found:
        raise BadData(f"No data found. Please check that there is at least one object under {uri}")
    return found


def listed(objects: Objects, account: str, uri: str) -> list[Item]:
    """The objects that a manifest names. Raises `BadData` for one that is missing, or not a manifest."""
    bucket, key = _own(objects, account, uri)
    info = objects.find(bucket, key)
    if info is None or info.size > LARGEST_MANIFEST:
        raise BadData(f"Data download failed: the manifest {uri} is missing or too large")
    prefix, suffixes = manifest(info.path.read_bytes(), uri)
    found = list(_named(objects, account, prefix, suffixes))
    if not found:
        raise BadData(f"No data found. The manifest {uri} names no object")
    return found


def _named(objects: Objects, account: str, prefix: str, suffixes: Iterable[str]) -> Iterator[Item]:
    bucket, start = _own(objects, account, prefix)
    for suffix in suffixes:
        info = objects.find(bucket, start + suffix)
        if info is None:
            raise BadData(f"Data download failed: {prefix}{suffix} of the manifest does not exist")
        yield Item(suffix, info.path, f"{prefix}{suffix}")


def _own(objects: Objects, account: str, uri: str) -> tuple[str, str]:
    """Bucket and key of a URI in one of the account's own buckets."""
    try:
        bucket, key = parse_uri(uri)
    except ValueError:
        raise BadData(f"Data download failed: {uri} is not an S3 URI") from None
    if not objects.bucket_exists(account, bucket):
        raise BadData(f"Data download failed: bucket {bucket} does not exist or does not belong to the account")
    return bucket, key


def farm(folder: Path, items: Iterable[Item]) -> None:
    """The objects as files below `folder`, which is made. Raises `BadData` for names that no folder can hold."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {folder}
    for item in items:
        if not item.path:
            continue
        target = folder / checked(item.path)
        above = target if item.path.endswith("/") else target.parent
        try:
            if above not in made:
                above.mkdir(parents=True, exist_ok=True)
                made.add(above)
            if above is not target:
                link(item.source, target)
        except (FileExistsError, NotADirectoryError):
            raise BadData(f"Data download failed: {item.uri} and another object want the same path") from None


def files(items: Iterable[Item]) -> Iterator[Listed]:
    """What of them `farm` makes files of, for hosts that have to fetch them."""
    return (Listed(item.path, item.uri) for item in items if item.path and not item.path.endswith("/"))


def link(source: Path, target: Path) -> None:
    """A second name for the same bytes; a copy where the file system has no links."""
    try:
        os.link(source, target)
    except (FileExistsError, NotADirectoryError):
        raise
    except OSError:
        shutil.copyfile(source, target)
