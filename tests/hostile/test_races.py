"""User code that changes its folders while the server reads them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from clary.runtime.archive import open_file


def link_file(folder: Path, secret: Path) -> None:
    (folder / "a/b/file").unlink()
    (folder / "a/b/file").symlink_to(secret)


def link_folder(folder: Path, secret: Path) -> None:
    (folder / "a/b").rename(folder / "aside")
    (folder / "a/b").symlink_to(secret.parent)


def link_folder_above(folder: Path, secret: Path) -> None:
    (folder / "a").rename(folder / "aside")
    (folder / "a").symlink_to(secret.parent.parent)


def pipe(folder: Path, secret: Path) -> None:
    (folder / "a/b/file").unlink()
    os.mkfifo(folder / "a/b/file")


def nothing(folder: Path, secret: Path) -> None:
    (folder / "a/b/file").unlink()


@pytest.mark.parametrize("swap", [link_file, link_folder, link_folder_above, pipe, nothing])
def test_what_takes_a_files_place_is_not_read(tmp_path: Path, swap: Callable[[Path, Path], None]) -> None:
    """Between finding a checkpoint and reading it, its job puts a way out in its place."""
    secret = tmp_path / "outside/b/file"
    folder = tmp_path / "folder"
    for path, text in ((secret, "secret"), (folder / "a/b/file", "mine")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    found = folder / "a/b/file"
    with os.fdopen(open_file(folder, found)) as file:
        assert file.read() == "mine"
    swap(folder, secret)
    with pytest.raises(OSError):
        open_file(folder, found)
