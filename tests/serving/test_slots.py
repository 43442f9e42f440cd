"""Slots of concurrent calls: shared by processes, let go of by the kernel, seen without being touched."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clary.serving.slots import Slot, Slots, look

HOLD = """
import sys, time
from pathlib import Path
from clary.serving.slots import Slots
slots = Slots(Path(sys.argv[1]))
print(slots.take([0, 1]), flush=True)
sys.stdin.read()
"""


def test_slots_are_taken_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "s", clock=lambda: 7.0)
    assert [slots.take([2, 0, 1]), slots.take([2, 0, 1]), slots.take([2, 0])] == [2, 0, None]
    slots.give(2)
    assert look(tmp_path / "s", 4) == [Slot(True, 7.0), Slot(False, 0.0), Slot(False, 7.0), Slot(False, 0.0)]
    assert slots.take([2]) == 2
    slots.close()


def test_two_open_files_are_two_processes(tmp_path: Path) -> None:
    first, second = Slots(tmp_path / "s"), Slots(tmp_path / "s")
    assert (first.take([0]), second.take([0, 1]), first.take([1])) == (0, 1, None)
    first.give(0)
    assert second.take([0]) == 0
    assert [each.held for each in look(tmp_path / "s", 3)] == [True, True, False]
    first.close()
    second.close()


def test_looking_keeps_nobody_from_a_slot(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "s")
    look(tmp_path / "s", 200)
    assert slots.take([0]) == 0
    slots.close()


def test_nobody_has_called_yet(tmp_path: Path) -> None:
    assert look(tmp_path / "none", 5) == []
    with pytest.raises(FileNotFoundError):
        Slots(tmp_path / "no" / "folder")


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "s")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held:
        assert held.stdout
        assert held.stdout.readline() == "0\n"
        slots = Slots(tmp_path / "s")
        assert slots.take([0, 1]) == 1
        held.send_signal(signal.SIGKILL)
        held.wait()
        assert slots.take([0]) == 0
        slots.close()
