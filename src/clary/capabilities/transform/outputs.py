"""Finished outputs on their way into S3, and the manifests of what was captured."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from clary.capabilities.jobs.mirror import NO_SPACE, CannotUpload
from clary.capabilities.transform import drivers, places
from clary.capabilities.transform.staging import hosts
from clary.objects import Objects, parse_uri
from clary.objects.errors import S3Error
from clary.resources.records import Record
from clary.runtime import disks
from clary.serving.batch.shape import media

REFUSED = "refused"
"""File in a driver's folder: the first of its outputs that S3 did not take, and why."""


class Delivered(NamedTuple):
    """An object that has an output: its address without `path`, and `path`, by which the output is named."""

    prefix: str
    path: str


class Outputs:
    """Of one job. Every method may be repeated and may follow a crash at any line."""

    def __init__(self, record: Record, jobs: Path, objects: Objects) -> None:
        self._record, self._jobs, self._objects = record, jobs, objects
        self._bucket, key = parse_uri(record.spec["TransformOutput"]["S3OutputPath"])
        self._prefix = f"{key.rstrip('/')}/" if key.rstrip("/") else ""

    def deliver(self) -> None:
        """Move what is finished into S3. What S3 refuses is dropped and told by `trouble`. Raises `CannotUpload`."""
        for host in hosts(self._record):
            folder = places.driver(self._jobs, self._record.id, host)
            if found := drivers.outputs(folder):
                paths = [item["path"] for item in self._items(host)]
                for file in found:
                    self._put(f"{self._prefix}{paths[int(file.name)]}.out", file, folder)

    def trouble(self) -> str:
        """Why an output is not in S3, if one is not."""
        folders = [places.driver(self._jobs, self._record.id, host) for host in hosts(self._record)]
        return next((said for folder in folders if (said := _read(folder / REFUSED))), "")

    def capture(self) -> None:
        """The manifests of what went in and came out, as the job's DataCaptureConfig asks. Raises `CannotUpload`."""
        config = self._record.spec.get("DataCaptureConfig")
        done = list(self._delivered()) if config else []
        if not config or not done:
            return
        bucket, key = parse_uri(config["DestinationS3Uri"])
        begun = time.gmtime(self._record.state.get("TransformStartTime", self._record.created))
        # Named after the job, so that one that is written again is written over.
        name = f"{time.strftime('%Y/%m/%d/%H', begun)}/{uuid.uuid5(uuid.NAMESPACE_URL, self._record.id)}.json"
        target = f"s3://{self._bucket}/{self._prefix}"
        for side, prefix, paths in (
            ("input", done[0].prefix, [one.path for one in done]),
            ("output", target, [f"{one.path}.out" for one in done]),
        ):
            file = self._jobs / self._record.id / f"captured-{side}"
            file.write_text(json.dumps([{"prefix": prefix}, *paths]))
            place = "/".join(part for part in (key.rstrip("/"), side, name) if part)
            self._move(bucket, place, file, "application/json")

    def _delivered(self) -> Iterator[Delivered]:
        for host in hosts(self._record):
            items = list(self._items(host))
            for number in drivers.done(places.driver(self._jobs, self._record.id, host)):
                uri, path = f"s3://{items[number]['name']}", items[number]["path"]
                yield Delivered(uri[: len(uri) - len(path)], path)

    def _items(self, host: str) -> Iterator[dict[str, str]]:
        file = places.Staging(self._jobs, self._record.id).items(host)
        if file.exists():
            with file.open() as lines:
                yield from map(json.loads, lines)

    def _put(self, key: str, file: Path, folder: Path) -> None:
        try:
            accept = media(self._record.spec["TransformOutput"].get("Accept", ""))
            self._move(self._bucket, key, file, accept if "/" in accept and "*" not in accept else "")
        except S3Error as error:
            if not _read(folder / REFUSED):
                (folder / REFUSED).write_text(f"Failed to upload {key!r}: {error}")
            file.unlink(missing_ok=True)

    def _move(self, bucket: str, key: str, file: Path, content_type: str) -> None:
        kind = {"content_type": content_type} if content_type else {}
        try:
            self._objects.put_file(self._record.account, bucket, key, file, **kind)
        except FileNotFoundError:
            # Somebody has deleted the object since it was moved in.
            return
        except OSError as error:
            if not disks.is_full(error):
                raise
            raise CannotUpload(NO_SPACE) from error


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""
