"""Keys are hostile: whatever they say, they name an object and nothing else on the disk."""

import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.objects.answers import keys
from tests.objects.conftest import ACCOUNT, BUCKET, Service

from clary.objects import LocalObjects, parse_uri
from clary.objects.names import plain_path

KEYS = [
    "plain.txt",
    "deep/er/file",
    "k",
    "k/x",
    "k/x/y",
    "a//b",
    "trailing/",
    "/absolute",
    "//",
    ".",
    "..",
    "../../outside",
    "a/../b",
    "./a",
    ".data/aa/evil",
    ".staging/x",
    "nul\0byte",
    "new\nline",
    "tab\there",
    "space here +%41&=?#",
    "ünïcödé/日本語/\U0001f600",
    "e\u0301",
    "\u00e9",
    "x" * 1024,
    "y" * 255,
    "/".join("z" * 10),
    "back\\slash",
    "quote'\"<>&",
    "~tilde",
    "name;v=1",
    "\u202egnp.exe",
]


def test_every_key_is_its_own(s3: Any, service: Service, tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    for key in KEYS:
        s3.put_object(Bucket=BUCKET, Key=key, Body=f"body of {key}".encode())
    for key in KEYS:
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == f"body of {key}".encode()
    assert keys(s3.list_objects_v2(Bucket=BUCKET)) == sorted(KEYS, key=str.encode)
    assert {path.name for path in tmp_path.iterdir()} == before
    for key in KEYS[::2]:
        s3.delete_object(Bucket=BUCKET, Key=key)
    assert keys(s3.list_objects_v2(Bucket=BUCKET)) == sorted(KEYS[1::2], key=str.encode)
    for key in KEYS[1::2]:
        assert s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == len(f"body of {key}".encode())


def test_presigned_urls_of_every_key(s3: Any, service: Service) -> None:
    newer = service.client(signature_version="s3v4")
    for key in KEYS:
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
        for client in (s3, newer):
            url = client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": key})
            with urllib.request.urlopen(url) as answer:
                assert answer.read() == key.encode()


def test_the_tree_is_readable(objects: LocalObjects) -> None:
    objects.create_bucket(ACCOUNT, "us-east-1", BUCKET)
    folder = objects.tree.root / BUCKET
    objects.put_bytes(ACCOUNT, BUCKET, "data/train.csv", b"one")
    assert (folder / "data/train.csv").read_bytes() == b"one"
    job = folder.parent / "job-link"
    job.hardlink_to(objects.tree.path(next(objects.list(BUCKET)).path.name))
    objects.put_bytes(ACCOUNT, BUCKET, "data/train.csv", b"two")
    assert ((folder / "data/train.csv").read_bytes(), job.read_bytes()) == (b"two", b"one")
    objects.delete(BUCKET, "data/train.csv")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("key", ["../x", "/x", "a//b", "a/", "", ".", "a/./b", "a\0", "a\n", "x" * 256])
def test_keys_that_are_no_file_names(key: str) -> None:
    assert plain_path(key) is None


URIS = {
    "s3://bucket/a/b c?d#e": ("bucket", "a/b c?d#e"),
    "s3://bucket": ("bucket", ""),
    "s3://bucket//a": ("bucket", "/a"),
    "https://bucket.s3.us-west-2.amazonaws.com/a/b%20c": ("bucket", "a/b c"),
    "https://bucket.s3-us-west-2.amazonaws.com/a": ("bucket", "a"),
    "https://bucket.s3.amazonaws.com/a": ("bucket", "a"),
    "https://dotted.bucket.s3.eu-central-1.amazonaws.com/a": ("dotted.bucket", "a"),
    "https://s3.us-west-2.amazonaws.com/bucket/a/b": ("bucket", "a/b"),
    "https://s3-us-west-2.amazonaws.com/bucket/a": ("bucket", "a"),
    "https://s3.amazonaws.com/bucket/a": ("bucket", "a"),
}


def test_uris() -> None:
    assert {uri: parse_uri(uri) for uri in URIS} == URIS


@pytest.mark.parametrize("uri", ["", "bucket/key", "s3:///key", "https://example.com/b/k", "file:///etc/passwd"])
def test_what_is_no_uri(uri: str) -> None:
    with pytest.raises(ValueError, match="not an S3 URI"):
        parse_uri(uri)
