"""Room in SQLite's files."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clary.resources import reserve
from clary.resources.database import Database


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Of 64 MB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small filesystem")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def fill(place: Path) -> None:
    with (place / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_much_can_be_written_to_a_full_disk(disk: Path) -> None:
    database = Database(f"sqlite:///{disk / 'clary.db'}")
    for _ in range(2):
        reserve.keep(database)
    size = (disk / "clary.db").stat().st_size
    fill(disk)
    with database.write() as conn:
        conn.exec_driver_sql("CREATE TABLE told (text)")
    for number in range(500):
        with database.write() as conn:
            conn.exec_driver_sql("INSERT INTO told VALUES (?)", (str(number) * 500,))
    with database.read() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM told").scalar_one() == 500
    assert (disk / "clary.db").stat().st_size == size
    (disk / "filler").unlink()
    database.close()


def test_without_room_there_is_none_to_keep(disk: Path) -> None:
    database = Database(f"sqlite:///{disk / 'clary.db'}")
    fill(disk)
    reserve.keep(database)
    (disk / "filler").unlink()
    reserve.keep(database)
    with database.read() as conn:
        assert conn.exec_driver_sql("PRAGMA freelist_count").scalar_one() * 4096 >= reserve.BYTES
    database.close()
