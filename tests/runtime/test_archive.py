"""Archives: what is packed of hostile folders, and what hostile archives cannot do."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from clary.runtime.archive import BadArchive, extract, pack


def archive(path: Path, *members: tuple[str, bytes | str, str]) -> Path:
    """A tar.gz of `(name, content or link target, kind)`."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content, kind in members:
            member = tarfile.TarInfo(name)
            member.type = getattr(tarfile, f"{kind}TYPE")
            member.mode = 0o6777
            if isinstance(content, bytes):
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            else:
                member.linkname = content
                tar.addfile(member)
    return path


def contents(folder: Path) -> dict[str, str]:
    """Every file and link below."""
    return {
        path.relative_to(folder).as_posix(): f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    }


def test_outputs_of_several_hosts_are_merged_in_order(tmp_path: Path) -> None:
    for host, name in (("1", "own1"), ("2", "own2")):
        (tmp_path / host / "sub").mkdir(parents=True)
        (tmp_path / host / "same").write_text(host)
        (tmp_path / host / "sub" / name).write_text(host)
    pack([tmp_path / "1", tmp_path / "2"], tmp_path / "out.tar.gz")
    extract(tmp_path / "out.tar.gz", tmp_path / "out")
    assert contents(tmp_path / "out") == {"same": "2", "sub/own1": "1", "sub/own2": "2"}


def test_packing_follows_no_link_and_skips_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    model = tmp_path / "model"
    (model / "sub").mkdir(parents=True)
    (model / "file").write_text("file")
    (model / "sub" / "inside").symlink_to("../file")
    (model / "sub" / "outside").symlink_to("../../secret")
    (model / "absolute").symlink_to(tmp_path / "secret")
    (model / "folder").symlink_to(tmp_path)
    os.mkfifo(model / "pipe")
    pack([model], tmp_path / "model.tar.gz")
    extract(tmp_path / "model.tar.gz", tmp_path / "out")
    assert contents(tmp_path / "out") == {"file": "file", "sub/inside": "-> ../file"}


LONG = "d" * 200
CHAIN = [(f"{'/'.join([LONG] * depth)}/{LONG}".lstrip("/"), b"", "DIR") for depth in range(3)]


@pytest.mark.parametrize(
    "members",
    [
        [("../escaped", b"x", "REG")],
        [("/tmp/escaped-by-clary-test", b"x", "REG")],
        [("a/../../escaped", b"x", "REG")],
        [("link", "..", "SYM"), ("link/escaped", b"x", "REG")],
        [("in", ".", "SYM"), ("in/escaped", b"x", "REG")],
        [("link", "/etc/passwd", "SYM")],
        [("hard", "../secret", "LNK")],
        [("soft", "secret", "SYM"), ("hard", "soft", "LNK")],
        [("pipe", "", "FIFO")],
        [("null", "", "CHR")],
        [*CHAIN, ("l", f"{LONG}/../..", "SYM")],
        [("x", b"x", "REG"), ("x/y", b"x", "REG")],
    ],
    ids=lambda members: members[-1][0][:30],
)
def test_harmful_members_are_refused_and_write_nothing_outside(
    tmp_path: Path, members: list[tuple[str, bytes | str, str]]
) -> None:
    (tmp_path / "secret").write_text("secret")
    source = archive(tmp_path / "bad.tar.gz", *members)
    with pytest.raises(BadArchive):
        extract(source, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.tar.gz", "out", "secret"]
    assert (tmp_path / "secret").read_text() == "secret"
    assert not Path("/tmp/escaped-by-clary-test").exists()


def test_permissions_are_harmless_and_hard_links_become_copies(tmp_path: Path) -> None:
    source = archive(tmp_path / "a.tar.gz", ("a", b"a", "REG"), ("b", "a", "LNK"), ("./c/d", b"d", "REG"))
    extract(source, tmp_path / "out")
    assert contents(tmp_path / "out") == {"a": "a", "b": "a", "c/d": "d"}
    assert (tmp_path / "out" / "a").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "out" / "b").stat().st_ino != (tmp_path / "out" / "a").stat().st_ino


def test_bombs_are_stopped_before_they_are_written(tmp_path: Path) -> None:
    source = archive(tmp_path / "bomb.tar.gz", ("zeros", bytes(50_000_000), "REG"))
    with pytest.raises(BadArchive, match="1000000 bytes"):
        extract(source, tmp_path / "out", max_bytes=1_000_000)
    assert contents(tmp_path / "out") == {}
    many = archive(tmp_path / "many.tar.gz", *[(f"f{number}", b"", "REG") for number in range(20)])
    with pytest.raises(BadArchive, match="10 members"):
        extract(many, tmp_path / "more", max_members=10)


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08garbage"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar.gz").write_bytes(content)
    with pytest.raises(BadArchive):
        extract(tmp_path / "x.tar.gz", tmp_path / "out")
