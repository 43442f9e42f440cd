"""A disk without room: the client hears that it may try again, and nothing that was stored is harmed."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.harness import OneKey, serve
from tests.objects.answers import keys, refused
from tests.objects.conftest import BUCKET, Service

from clary.objects import LocalObjects
from clary.objects.server import S3
from clary.resources.database import Database
from clary.wire.models import Models
from clary.wire.operations import Registry

MB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small filesystem")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def service(small_disk: Path, database: Database) -> Iterator[Service]:
    objects = LocalObjects(small_disk / "objects", database)
    with serve(Registry([]), OneKey(), s3=S3(objects, Models())) as url:
        yield Service(url, objects)


def test_what_does_not_fit_is_refused_and_leaves_nothing(s3: Any, service: Service, small_disk: Path) -> None:
    kept = os.urandom(3 * MB)
    s3.put_object(Bucket=BUCKET, Key="kept", Body=kept)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="big")["UploadId"]
    part = {"Bucket": BUCKET, "Key": "big", "UploadId": upload}
    free = shutil.disk_usage(small_disk).free
    too_large = bytes(7 * MB)
    assert refused(s3.put_object, Bucket=BUCKET, Key="kept", Body=too_large) == ("SlowDown", 503)
    assert refused(s3.upload_part, **part, PartNumber=1, Body=too_large) == ("SlowDown", 503)
    s3.abort_multipart_upload(**part)
    assert shutil.disk_usage(small_disk).free >= free
    assert keys(s3.list_objects_v2(Bucket=BUCKET)) == ["kept"]
    assert s3.get_object(Bucket=BUCKET, Key="kept")["Body"].read() == kept


def test_there_is_room_again_after_a_delete(s3: Any, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put_object(Bucket=BUCKET, Key="first", Body=bytes(6 * MB))
    assert refused(s3.put_object, Bucket=BUCKET, Key="second", Body=bytes(4 * MB)) == ("SlowDown", 503)
    s3.delete_object(Bucket=BUCKET, Key="first")
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    service.objects.collect(every=0)
    s3.put_object(Bucket=BUCKET, Key="second", Body=bytes(4 * MB))
    assert keys(s3.list_objects_v2(Bucket=BUCKET)) == ["second"]
