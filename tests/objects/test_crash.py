"""`kill -9` at any moment leaves each object as it was or as it was to be, and nothing lying about."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.objects.conftest import ACCOUNT, BUCKET

from clary.objects import LocalObjects
from clary.objects.completion import Wanted
from clary.objects.info import Extra
from clary.objects.multipart import Uploads
from clary.objects.tables import garbage
from clary.resources.database import Database

WRITER = """
import hashlib, itertools, sys
from pathlib import Path
from clary.objects import LocalObjects
from clary.resources.database import Database

objects = LocalObjects(Path(sys.argv[1]), Database(sys.argv[2]))
for turn in itertools.count():
    key = f"{sys.argv[3]}/{turn % 5}"
    body = f"{turn} ".encode() * (turn % 7 * 4000 + 1)
    objects.put_bytes("123456789012", "bucket-one", key, body, metadata={"md5": hashlib.md5(body).hexdigest()})
    if turn % 11 == 10:
        objects.delete("bucket-one", key)
    print(turn, flush=True)
"""


def files(objects: LocalObjects) -> set[str]:
    return {path.name for path in objects.tree.root.glob(".data/*/*")}


def check(objects: LocalObjects) -> list[str]:
    """Every listed object is whole, every file belongs to one; returns the keys."""
    listed = list(objects.list(BUCKET))
    for entry in listed:
        body = entry.path.read_bytes()
        digest = hashlib.md5(body).hexdigest()
        assert (len(body), digest, entry.extra.metadata["md5"]) == (entry.size, entry.etag, digest)
        assert (objects.tree.root / BUCKET / entry.key).read_bytes() == body
    with objects.store.read() as conn:
        waiting = set(conn.scalars(select(garbage.c.file)))
    assert files(objects) == {entry.path.name for entry in listed} | waiting
    shown = {str(p.relative_to(objects.tree.root / BUCKET)) for p in (objects.tree.root / BUCKET).rglob("*/*")}
    assert shown == {entry.key for entry in listed}
    return [entry.key for entry in listed]


def test_writers_killed_at_any_moment(store_url: str, database: Database, objects: LocalObjects) -> None:
    objects.create_bucket(ACCOUNT, "us-east-1", BUCKET)
    root = objects.tree.root
    for turn in range(4):
        command = [sys.executable, "-c", WRITER, str(root), store_url]
        writers = [subprocess.Popen([*command, name], stdout=subprocess.PIPE) for name in ("a", "b")]
        for number, writer in enumerate(writers):
            assert writer.stdout is not None
            # Let each get somewhere; where it then is, is chance.
            for _ in range(8 + 8 * turn + number):
                assert writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
        for writer in writers:
            writer.wait()
            assert writer.stdout is not None
            writer.stdout.close()
        again = LocalObjects(root, database)
        check(again)
        assert list(root.glob(".staging/*/*")) == []


@pytest.mark.parametrize("step", ["seal", "publish", "show", "settle"])
def test_each_step_of_a_write(objects: LocalObjects, database: Database, step: str) -> None:
    """The process really ends between two steps."""
    objects.create_bucket(ACCOUNT, "us-east-1", BUCKET)
    md5 = {body: hashlib.md5(body).hexdigest() for body in (b"old", b"new")}
    objects.put_bytes(ACCOUNT, BUCKET, "f/k", b"old", metadata={"md5": md5[b"old"]})
    script = f"""
import os, sys
from pathlib import Path
from clary.objects import LocalObjects
from clary.objects.tree import Staged, Tree
from clary.resources.database import Database

objects = LocalObjects(Path({str(objects.tree.root)!r}), Database({str(database.engine.url.render_as_string(False))!r}))
owner = Staged if {step!r} == "seal" else Tree
setattr(owner, {step!r}, lambda *rest: os._exit(9))
objects.put_bytes({ACCOUNT!r}, {BUCKET!r}, "f/k", b"new", metadata={{"md5": {md5[b"new"]!r}}})
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    again = LocalObjects(objects.tree.root, database)
    assert check(again) == ["f/k"]
    found = again.find(BUCKET, "f/k")
    assert found is not None
    assert found.path.read_bytes() == (b"old" if step in ("seal", "publish") else b"new")


def test_a_file_moved_in_twice(objects: LocalObjects, tmp_path: Path) -> None:
    objects.create_bucket(ACCOUNT, "us-east-1", BUCKET)
    file = tmp_path / "model.tar.gz"
    file.write_bytes(b"model")
    inode = file.stat().st_ino
    first = objects.put_file(ACCOUNT, BUCKET, "out/model.tar.gz", file)
    assert (file.exists(), first.path.stat().st_ino) == (False, inode)
    assert objects.put_file(ACCOUNT, BUCKET, "out/model.tar.gz", file) == first
    with pytest.raises(FileNotFoundError):
        objects.put_file(ACCOUNT, BUCKET, "out/other", file)


def test_a_file_with_other_names_is_copied(objects: LocalObjects, tmp_path: Path) -> None:
    objects.create_bucket(ACCOUNT, "us-east-1", BUCKET)
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_bytes(b"good")
    os.link(file, other)
    objects.put_file(ACCOUNT, BUCKET, "k", file)
    other.write_bytes(b"evil")
    found = objects.find(BUCKET, "k")
    assert found is not None
    assert found.path.read_bytes() == b"good"
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="not a regular file"):
        objects.put_file(ACCOUNT, BUCKET, "k", tmp_path / "link")


def test_replaced_files_go_when_nobody_can_be_about_to_open_them(
    objects: LocalObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects.create_bucket(ACCOUNT, "us-east-1", BUCKET)
    old, new = (objects.put_bytes(ACCOUNT, BUCKET, "k", body) for body in (b"1", b"2"))
    objects.collect(every=0)
    assert old.path.exists()
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    objects.collect(every=0)
    assert (old.path.exists(), new.path.exists()) == (False, True)


def test_an_upload_outlives_its_process(objects: LocalObjects, database: Database) -> None:
    objects.create_bucket(ACCOUNT, "us-east-1", BUCKET)
    uploads = Uploads(objects)
    upload = uploads.create(BUCKET, "k", Extra())
    place = uploads.open_part(upload, 1, 4)
    place.write(b"part")
    etag = hashlib.md5(b"part").hexdigest()
    uploads.record(upload, 1, place, etag, {})
    (uploads._root / "orphan").mkdir()
    later = Uploads(LocalObjects(objects.tree.root, database))
    done = later.complete(later.find(BUCKET, "k", upload.id), [Wanted(1, etag)], lambda _: None, {})
    assert done.path.read_bytes() == b"part"
    assert list(objects.tree.uploads.iterdir()) == []
