"""The controller's copies of what a node says: nothing twice, nothing lost, nothing outside their folder."""

import stat
from pathlib import Path

from clary.runtime.cluster.mirror import Mirror, copy_tree
from clary.runtime.cluster.talk import Asked, Found, Told
from clary.runtime.workload import InstanceState

RUNNING = InstanceState(host="algo-1", phase="running", started=1.0)
ENDED = InstanceState(host="algo-1", phase="exited", started=1.0, ended=2.0, exit_code=0)
CONTENT = b"content"


def mirror(tmp_path: Path) -> Mirror:
    made = Mirror(tmp_path / "algo-1", tmp_path / "log")
    made.sit("node", "run")
    return made


def test_what_came_twice_is_kept_once(tmp_path: Path) -> None:
    one, other = mirror(tmp_path), mirror(tmp_path)
    first, second = one.asked(0), other.asked(0)
    assert one.take(first, Told(node="node", state=RUNNING, log=b"a\n"))
    assert not other.take(second, Told(node="node", state=RUNNING, log=b"a\nb\n"))
    assert one.log.read_bytes() == b"a\n"
    one.take(one.asked(0), Told(node="node", state=RUNNING, log=b"b\n"))
    assert one.log.read_bytes() == b"a\nb\n"


def test_an_end_counts_when_its_last_line_is_here(tmp_path: Path) -> None:
    copied = mirror(tmp_path)
    assert not copied.take(copied.asked(0), Told(node="node", state=ENDED, log=b"a\n", more=True))
    assert copied.seen is None
    assert not copied.take(Asked(log=0), Told(node="node", state=ENDED, log=b"a\n"))
    assert copied.take(copied.asked(0), Told(node="node", state=ENDED, log=b"b\n"))
    assert copied.seen and copied.seen.whole and copied.seen.state == ENDED
    assert copied.log.read_bytes() == b"a\nb\n"


def test_requests_go_with_every_question(tmp_path: Path) -> None:
    copied = mirror(tmp_path)
    (copied.folder / "stop").touch()
    assert copied.asked(0).requests == ("stop",)


def test_a_folder_becomes_what_was_found(tmp_path: Path) -> None:
    place = tmp_path / "model"
    found = [_folder("a"), _file("a/file"), _link("a/link", "file"), _file("gone")]
    copy_tree(place, found, _read)
    copy_tree(place, found[:-1], lambda wanted: [b"never asked" for _ in wanted])
    assert sorted(str(path.relative_to(place)) for path in place.rglob("*")) == ["a", "a/file", "a/link"]
    assert ((place / "a/file").read_bytes(), (place / "a/link").readlink()) == (CONTENT, Path("file"))


def test_nothing_is_written_through_a_link_that_was_a_folder_a_moment_ago(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    found = [_link("a", str(outside)), _file("a/file"), _folder("a/below"), _file("a/below/file"), _file("../up")]
    copy_tree(tmp_path / "model", found, _read)
    copy_tree(tmp_path / "model", [*found, _folder("a")], _read)
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "up").exists()


def _read(wanted: list[tuple[str, int, int]]) -> list[bytes]:
    return [CONTENT[start : start + count] for _, start, count in wanted]


def _file(name: str) -> Found:
    return Found(name.encode().hex(), stat.S_IFREG | 0o644, len(CONTENT), 1_000_000_000)


def _folder(name: str) -> Found:
    return Found(name.encode().hex(), stat.S_IFDIR | 0o755, 0, 0)


def _link(name: str, target: str) -> Found:
    return Found(name.encode().hex(), stat.S_IFLNK | 0o777, 0, 0, target.encode().hex())
