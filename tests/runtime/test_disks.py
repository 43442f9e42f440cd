"""Folders that have nothing to do with each other are spread over the disk, where it knows how to."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from clary.runtime.disks import spread

MEMORY = Path("/dev/shm")


def test_a_spread_folder_is_the_top_of_a_hierarchy(tmp_path: Path) -> None:
    spread(tmp_path / "home" / "jobs")
    spread(tmp_path / "home" / "jobs")
    (tmp_path / "home" / "jobs" / "one").mkdir()
    if not shutil.which("lsattr") or _kind(tmp_path) != "ext4":
        pytest.skip("the disk has no such hint")
    assert ("T" in _flags(tmp_path / "home"), "T" in _flags(tmp_path / "home" / "jobs")) == (False, True)
    assert "T" not in _flags(tmp_path / "home" / "jobs" / "one")


@pytest.mark.skipif(not MEMORY.is_dir(), reason="needs a file system in memory")
def test_elsewhere_it_is_just_a_folder() -> None:
    folder = MEMORY / f"clary-test-spread-{os.getpid()}"
    spread(folder)
    assert list(folder.iterdir()) == []
    folder.rmdir()


def _kind(path: Path) -> str:
    command = ["findmnt", "--noheadings", "--output", "FSTYPE", "--target", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _flags(path: Path) -> str:
    return subprocess.run(["lsattr", "-d", str(path)], capture_output=True, text=True, check=True).stdout.split()[0]
