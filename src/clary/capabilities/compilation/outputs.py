"""What the instance leaves: the artefact on its way into S3, why it failed, and the input shapes that it found."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clary.capabilities.compilation import targets
from clary.capabilities.compilation.places import MODEL, OUTPUT
from clary.capabilities.jobs import mirror
from clary.capabilities.jobs.failure import LONGEST
from clary.objects import Objects, parse_uri
from clary.resources.records import Record
from clary.runtime.archive import entries, open_file, pack
from clary.runtime.backend import Backend, OutputsLost

CannotUpload = mirror.CannotUpload
WHAT = "the compiled model"
LONGEST_CONFIG = 16384
"""Characters of a DataInputConfig."""


def uri(spec: Mapping[str, Any]) -> str:
    """Where the artefact goes."""
    output = spec["OutputConfig"]
    return f"{output['S3OutputLocation'].rstrip('/')}/model-{targets.name(output)}.tar.gz"


def upload(record: Record, backend: Backend, work: Path, objects: Objects) -> dict[str, Any]:
    """Archive and put the model; answers what Describe says of it. `work`: the workload's folder.

    May be repeated: once done it is not done again. Raises `CannotUpload`, `OutputsLost`.
    """
    done = work / "uploaded.json"
    if done.exists():
        return dict(json.loads(done.read_bytes()))
    found = _put(record, backend, work, objects)
    done.with_suffix(".new").write_text(json.dumps(found))
    done.with_suffix(".new").replace(done)
    return found


def _put(record: Record, backend: Backend, work: Path, objects: Objects) -> dict[str, Any]:
    place = uri(record.spec)
    bucket, key = parse_uri(place)
    if not objects.bucket_exists(record.account, bucket):
        raise CannotUpload(f"Failed to upload {WHAT}: bucket {bucket} does not exist")
    archive = work / "compiled.tar.gz"
    with mirror.uploading(WHAT):
        pack(backend.outputs(record.id, MODEL), archive)
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()
        objects.put_file(record.account, bucket, key, archive, content_type="application/gzip")
    found: dict[str, Any] = {"S3ModelArtifacts": place, "ModelDigests": {"ArtifactDigest": digest}}
    derived = _derived(backend.outputs(record.id, OUTPUT))
    return found | ({"DerivedInformation": {"DerivedDataInputConfig": derived}} if derived else {})


def are_large(record: Record, backend: Backend) -> bool:
    """Whether the upload takes long enough that nothing else should wait for it."""
    return mirror.are_large(entry for folder in backend.outputs(record.id, MODEL) for entry in entries(folder))


def failure(record: Record, backend: Backend) -> str:
    """The start of the failure file."""
    try:
        return _read(backend.outputs(record.id, OUTPUT), "failure", LONGEST).decode("utf-8", "replace")
    except OutputsLost:
        return ""


def _derived(folders: list[Path]) -> str:
    """Empty where there is none, or it was tampered with: the model's own code ran beside it."""
    try:
        found = json.loads(_read(folders, "derived.json", 2 * LONGEST_CONFIG))
    except (ValueError, RecursionError):
        return ""
    return found if isinstance(found, str) and len(found) <= LONGEST_CONFIG else ""


def _read(folders: list[Path], name: str, most: int) -> bytes:
    """Of a file that the model's own code may have made anything of: only a plain file is read."""
    try:
        with os.fdopen(open_file(folders[0], folders[0] / name), "rb") as file:
            return file.read(most)
    except (OSError, IndexError):
        return b""
