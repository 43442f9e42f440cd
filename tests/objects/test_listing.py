"""Listing against a simple model: the sorted keys of a dictionary."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.objects.answers import keys, prefixes, refused
from tests.objects.conftest import BUCKET

from clary.objects import LocalObjects
from clary.objects.index import NEWEST
from clary.objects.listing import Page, after_marker, walk
from clary.resources.database import Database

TEXT = st.text(alphabet="ab/é\U0001f600", max_size=6)


class Row:
    def __init__(self, key: bytes, age: int = 0) -> None:
        self.key, self.age = key, age


def model(names: set[bytes], prefix: bytes, delimiter: bytes) -> tuple[list[bytes], list[bytes]]:
    """Keys and common prefixes as S3's documentation defines them."""
    matching = sorted(name for name in names if name.startswith(prefix))
    grouped = {
        name[: name.index(delimiter, len(prefix)) + len(delimiter)]
        for name in matching
        if delimiter and delimiter in name[len(prefix) :]
    }
    return [name for name in matching if not any(name.startswith(group) for group in grouped)], sorted(grouped)


@given(
    names=st.sets(TEXT.map(str.encode).filter(bool), max_size=30),
    prefix=TEXT,
    delimiter=st.sampled_from(["", "/", "a", "//", "é"]),
    limit=st.integers(1, 5),
)
def test_pages_make_up_the_model_and_skip_what_they_group(
    names: set[bytes], prefix: str, delimiter: str, limit: int
) -> None:
    rows = [Row(name) for name in sorted(names)]
    steps = 0

    def fetch(position: tuple[bytes, int], count: int) -> list[Row]:
        nonlocal steps
        steps += 1
        # As the database does, a fetch ends where the prefix ends.
        return [r for r in rows if (r.key, r.age) > position and r.key.startswith(prefix.encode())][:count]

    found: list[bytes] = []
    groups: list[bytes] = []
    page = Page(next=(b"", NEWEST))
    while page.next is not None:
        steps = 0
        page = walk(fetch, prefix.encode(), delimiter.encode(), page.next, limit)
        assert page.count <= limit
        assert steps <= page.count + 2
        found += [row.key for row in page.rows]
        groups += page.prefixes
    assert (found, groups) == model(names, prefix.encode(), delimiter.encode())


@given(names=st.sets(TEXT.map(str.encode).filter(bool), max_size=30), delimiter=st.sampled_from(["", "/", "a"]))
def test_the_last_name_of_a_page_is_a_marker_for_the_next(names: set[bytes], delimiter: str) -> None:
    rows = [Row(name) for name in sorted(names)]
    seen: list[bytes] = []
    marker = b""
    while True:
        start = after_marker(marker, b"", delimiter.encode())
        page = walk(lambda at, n: [r for r in rows if (r.key, r.age) > at][:n], b"", delimiter.encode(), start, 1)
        if not page.count:
            break
        seen.append(page.last)
        marker = page.last
    found, groups = model(names, b"", delimiter.encode())
    assert seen == sorted(found + groups)


@settings(max_examples=10)
@given(
    names=st.sets(TEXT.filter(bool), max_size=12),
    gone=st.sets(TEXT.filter(bool), max_size=4),
    prefix=st.sampled_from(["", "a", "a/", "é"]),
    delimiter=st.sampled_from(["", "/"]),
)
def test_the_index_lists_as_the_model_does(names: set[str], gone: set[str], prefix: str, delimiter: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/clary.db")
        objects = LocalObjects(Path(folder) / "objects", database)
        objects.create_bucket("1", "us-east-1", BUCKET)
        for name in names:
            objects.put_bytes("1", BUCKET, name, b"x")
        for name in gone:
            objects.delete(BUCKET, name)
        left = {name.encode() for name in names - gone}
        page = objects.page(BUCKET, prefix.encode(), delimiter.encode(), (b"", NEWEST), 1000)
        assert ([bytes(row.key) for row in page.rows], page.prefixes) == model(
            left, prefix.encode(), delimiter.encode()
        )
        assert [entry.key.encode() for entry in objects.list(BUCKET, prefix)] == model(left, prefix.encode(), b"")[0]
        assert objects.has_prefix(BUCKET, prefix) == any(name.startswith(prefix.encode()) for name in left)
        database.close()


NAMES = ["a", "a/b/c", "a/b/d", "a/e", "b//c", "b/", "photos/2024/x", "photos/2025/y", "z é+ %"]


@pytest.fixture
def full(s3: Any) -> Any:
    for name in NAMES:
        s3.put_object(Bucket=BUCKET, Key=name, Body=name.encode())
    return s3


def test_delimiters(full: Any) -> None:
    top = full.list_objects_v2(Bucket=BUCKET, Delimiter="/")
    assert (keys(top), prefixes(top), top["KeyCount"]) == (["a", "z é+ %"], ["a/", "b/", "photos/"], 5)
    below = full.list_objects(Bucket=BUCKET, Delimiter="/", Prefix="photos/")
    assert (keys(below), prefixes(below)) == ([], ["photos/2024/", "photos/2025/"])
    other = full.list_objects_v2(Bucket=BUCKET, Delimiter="0")
    assert (keys(other), prefixes(other)) == (sorted(name for name in NAMES if "0" not in name), ["photos/20"])


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2", "list_object_versions"])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_paging(full: Any, operation: str, delimiter: str) -> None:
    pages = list(
        full.get_paginator(operation).paginate(Bucket=BUCKET, Delimiter=delimiter, PaginationConfig={"PageSize": 2})
    )
    listed = [entry["Key"] for page in pages for entry in page.get("Contents", page.get("Versions", []))]
    grouped = [prefix for page in pages for prefix in prefixes(page)]
    if delimiter:
        assert (listed, grouped) == (["a", "z é+ %"], ["a/", "b/", "photos/"])
    else:
        assert (listed, grouped) == (sorted(NAMES), [])
    assert all(len(page.get("Contents", page.get("Versions", []))) + len(prefixes(page)) == 2 for page in pages[:-1])


def test_where_to_start(full: Any) -> None:
    after = full.list_objects_v2(Bucket=BUCKET, StartAfter="b/")
    assert keys(after) == [name for name in sorted(NAMES) if name > "b/"]
    marked = full.list_objects(Bucket=BUCKET, Marker="a/b/c", MaxKeys=2)
    assert (keys(marked), marked["IsTruncated"]) == (["a/b/d", "a/e"], True)
    assert full.list_objects(Bucket=BUCKET, MaxKeys=0)["IsTruncated"] is False


def test_encoding_keeps_odd_names(full: Any) -> None:
    full.put_object(Bucket=BUCKET, Key="line\nbreak\x01", Body=b"")
    assert "line\nbreak\x01" in keys(full.list_objects_v2(Bucket=BUCKET))
    assert refused(full.list_objects_v2, Bucket=BUCKET, EncodingType="rot13") == ("InvalidArgument", 400)
    assert refused(full.list_objects_v2, Bucket=BUCKET, ContinuationToken="!") == ("InvalidArgument", 400)


def test_an_entry(full: Any) -> None:
    entry = full.list_objects_v2(Bucket=BUCKET, Prefix="a/e", FetchOwner=True)["Contents"][0]
    head = full.head_object(Bucket=BUCKET, Key="a/e")
    assert entry == {
        "Key": "a/e",
        "LastModified": head["LastModified"],
        "ETag": head["ETag"],
        "Size": 3,
        "StorageClass": "STANDARD",
        "ChecksumAlgorithm": ["CRC32"],
        "ChecksumType": "FULL_OBJECT",
        "Owner": {"ID": "123456789012".rjust(64, "0")},
    }
