"""From keys and manifests to files."""

from pathlib import Path

import pytest

from clary.capabilities.jobs.items import BadData, Item, checked, manifest, relative, shard


@pytest.mark.parametrize(
    ("prefix", "key", "path"),
    [
        ("a/b", "a/b/c.csv", "c.csv"),
        ("a/b", "a/bc.csv", "bc.csv"),
        ("a/b/", "a/b/c/d.csv", "c/d.csv"),
        ("a/b.csv", "a/b.csv", "b.csv"),
        ("", "a/b.csv", "a/b.csv"),
        ("a", "a/b.csv", "b.csv"),
    ],
)
def test_keys_become_paths(prefix: str, key: str, path: str) -> None:
    assert relative(key, prefix) == path


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a//b", ".", "a/./b", "a\0b", "n" * 256])
def test_keys_that_are_no_paths_are_refused(path: str) -> None:
    with pytest.raises(BadData):
        checked(path)


def test_shards_are_dealt_in_key_order() -> None:
    items = [Item(name, Path(name), f"s3://b/{name}") for name in "cabed"]
    assert [[item.path for item in shard(items, number, 3)] for number in range(3)] == [
        ["a", "d"],
        ["b", "e"],
        ["c"],
    ]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'["a"]', b'[{"prefix":1},"a"]', b'[{"prefix":"s3://b/"},3]', b"\xff"]
)
def test_bad_manifests_are_refused(content: bytes) -> None:
    with pytest.raises(BadData, match="is not a JSON list"):
        manifest(content, "s3://b/m")


def test_a_manifest() -> None:
    content = b'[{"prefix":"s3://b/some/"},"x.csv","deep/y.csv"]'
    assert manifest(content, "s3://b/m") == ("s3://b/some/", ["x.csv", "deep/y.csv"])
