"""An account's own repositories: what was pushed to them. Records say what there is, files hold the bytes.

Every repository has a folder of blobs named by their digest, so what is in it is what was pushed to it, and deleting it
leaves nothing; a mount from another repository is a hard link. `registry.py` writes here, `api.py` shows it.
"""

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from clary.resources.making import Scope, new
from clary.resources.query import Query
from clary.resources.records import Record
from clary.resources.store import NameTaken, Stale, Store

REPOSITORY, IMAGE, TAG = "EcrRepository", "EcrImage", "EcrTag"
NAME = re.compile(r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*")
TAG_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
LONGEST_NAME = 256
PUSH_SECONDS = 86400.0
"""How long a push may take between its first blob and its manifest."""


class Immutable(Exception):
    """The tag exists, and the repository does not let tags move."""


class InUse(Exception):
    """The repository still holds images."""


class Images:
    """Repositories, images and tags of every account. A `Parts` member; `root` holds the blobs."""

    def __init__(self, store: Store, root: Path) -> None:
        self._store = store
        self._root = root

    def folder(self, account: str, region: str, name: str) -> Path:
        """Where a repository's blobs lie. Names are longer than a file's may be, and hold slashes."""
        return self._root / account / region / hashlib.sha256(name.encode()).hexdigest()[:40]

    def blob(self, account: str, region: str, name: str, digest: str) -> Path:
        """The file of a blob that may or may not be there. The digest is checked before."""
        return self.folder(account, region, name) / digest.removeprefix("sha256:")

    # -- repositories

    def create(self, account: str, region: str, name: str, spec: dict[str, object]) -> Record:
        """Raises `NameTaken`."""
        # What a crash in the middle of a deletion left must not come back to life.
        if self.repository(account, region, name) is None:
            shutil.rmtree(self.folder(account, region, name), ignore_errors=True)
        return self._insert(account, region, REPOSITORY, name, "", spec)

    def repository(self, account: str, region: str, name: str) -> Record | None:
        return self._store.get(REPOSITORY, account, region, name)

    def repositories(self, account: str, region: str) -> Iterator[Record]:
        """In name order."""
        return self._every(REPOSITORY, account, region, None)

    def delete(self, repository: Record, *, force: bool) -> None:
        """With all images. Raises `InUse` when there are any and it is not forced."""
        with self._store.write(repository.id):
            inside = [*self._inside(IMAGE, repository), *self._inside(TAG, repository)]
            if inside and not force:
                raise InUse(repository.name)
            for record in (*inside, repository):
                self._store.delete(record)
        shutil.rmtree(self.folder(repository.account, repository.region, repository.name), ignore_errors=True)

    # -- images

    def images(self, repository: Record) -> Iterator[Record]:
        """By digest."""
        return self._inside(IMAGE, repository)

    def tags(self, repository: Record) -> dict[str, str]:
        """Digest of each tag, in name order."""
        return {tag.name: tag.spec["digest"] for tag in self._inside(TAG, repository)}

    def image(self, repository: Record, reference: str) -> Record | None:
        """The image of a tag or a digest."""
        where = repository.account, repository.region
        if not DIGEST.fullmatch(reference):
            tag = self._store.get(TAG, *where, reference, repository.name)
            if tag is None:
                return None
            reference = tag.spec["digest"]
        return self._store.get(IMAGE, *where, reference, repository.name)

    def put(self, repository: Record, digest: str, tag: str, media_type: str, size: int) -> None:
        """Record an image whose manifest and blobs are there, and move the tag to it. Raises `Immutable`."""
        where = repository.account, repository.region
        with self._store.write(repository.id):
            known = self._store.get(TAG, *where, tag, repository.name) if tag else None
            moved = known is not None and known.spec["digest"] != digest
            if moved and repository.spec.get("imageTagMutability") == "IMMUTABLE":
                raise Immutable(tag)
            if self._store.get(IMAGE, *where, digest, repository.name) is None:
                self._insert(*where, IMAGE, digest, repository.name, {"mediaType": media_type, "size": size})
            if known and moved:
                self._store.delete(known)
            if tag and (known is None or moved):
                self._insert(*where, TAG, tag, repository.name, {"digest": digest})

    def remove(self, repository: Record, *, digest: str = "", tag: str = "") -> None:
        """A tag; or an image with all its tags, and in time what only it needed."""
        with self._store.write(repository.id), contextlib.suppress(Stale):
            for found in [*self._inside(TAG, repository)]:
                if found.name == tag or found.spec["digest"] == digest:
                    self._store.delete(found)
            image = self.image(repository, digest) if digest else None
            if image:
                self._store.delete(image)
        self._collect(repository)

    def _collect(self, repository: Record) -> None:
        """Remove blobs that no image needs, but for those of a push that may still be under way."""
        needed = set()
        for image in self.images(repository):
            blobs, manifests, _ = referenced(self.manifest(repository, image.name))
            needed |= {image.name, *blobs, *manifests}
        old = self._store.now() - PUSH_SECONDS
        for file in self.folder(repository.account, repository.region, repository.name).glob("*"):
            if f"sha256:{file.name}" not in needed and file.is_file() and file.stat().st_mtime < old:
                file.unlink(missing_ok=True)

    def manifest(self, repository: Record, digest: str) -> bytes:
        """As it was pushed, byte for byte."""
        return self.blob(repository.account, repository.region, repository.name, digest).read_bytes()

    def _inside(self, kind: str, repository: Record) -> Iterator[Record]:
        return self._every(kind, repository.account, repository.region, repository.name)

    def _every(self, kind: str, account: str, region: str, parent: str | None) -> Iterator[Record]:
        after = None
        while True:
            page = self._store.page(
                Query(kind=kind, account=account, region=region, parent=parent, sort="name", after=after, limit=500)
            )
            yield from page.records
            if page.next is None:
                return
            after = page.next

    def _insert(self, account: str, region: str, kind: str, name: str, parent: str, spec: dict[str, object]) -> Record:
        record = new(kind, Scope(account, region), name, self._store.now(), parent=parent, spec=spec)
        self._store.insert(record)
        return record


def referenced(manifest: bytes) -> tuple[list[str], list[str], int]:
    """Digests of the blobs and of the manifests that a manifest needs, and the bytes they say they have.

    Raises `ValueError` for what is no manifest.
    """
    document = json.loads(manifest)
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:
        raise ValueError("schemaVersion is not 2")
    if "manifests" in document:
        return [], [_digest(entry) for entry in _list(document["manifests"])], 0
    parts = [document.get("config"), *_list(document.get("layers", []))]
    # Layers of elsewhere are not pushed; none of the engines makes them any more.
    own = [part for part in parts if not (isinstance(part, dict) and part.get("urls"))]
    return [_digest(part) for part in own], [], sum(_size(part) for part in parts)


def _list(found: object) -> list[object]:
    if not isinstance(found, list) or len(found) > 10_000:
        raise ValueError("a list of descriptors is not one")
    return found


def _digest(descriptor: object) -> str:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        raise ValueError("a descriptor has no sha256 digest")
    return digest


def _size(descriptor: object) -> int:
    size = descriptor.get("size") if isinstance(descriptor, dict) else None
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**50:
        raise ValueError("a descriptor has no size")
    return size


__all__ = ["DIGEST", "Images", "Immutable", "InUse", "NameTaken", "referenced"]
