"""What is measured of an instance."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clary.runtime.shim.gauge import FILE, Gauge, cpu_seconds, graphics
from clary.runtime.shim.processes import tree


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("37, 4096, 81920\n", {"GPUUtilization": 37.0, "GPUMemoryUtilization": 5.0}),
        ("100, 40960, 81920\n50, 81920, 81920\n", {"GPUUtilization": 150.0, "GPUMemoryUtilization": 150.0}),
        ("[N/A], 4096, 81920\n", {}),
        ("Unable to determine the device handle\n", {}),
        ("", {}),
    ],
)
def test_what_the_driver_says(text: str, expected: dict[str, float]) -> None:
    assert graphics(text) == expected


def test_seconds_of_children_that_ended_are_kept() -> None:
    spin = "import time\nwhile time.process_time() < 0.3: pass"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {spin!r}])\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        assert cpu_seconds(tree(process.pid)) >= 0.3
        process.communicate(b"\n")


def test_a_line_each_interval_and_none_of_a_gpu(tmp_path: Path) -> None:
    gauge = Gauge(str(tmp_path), {"seconds": 0.01, "memory_bytes": 2**30, "gpus": []})
    for _ in range(2):
        time.sleep(0.01)
        assert gauge.look(os.getpid()) < 0.0101
    lines = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert [set(line) for line in lines] == [{"time", "CPUUtilization", "MemoryUtilization", "DiskUtilization"}] * 2


def test_none_when_none_are_wanted(tmp_path: Path) -> None:
    assert Gauge(str(tmp_path), {"seconds": 0, "memory_bytes": 2**30, "gpus": []}).look(os.getpid()) == float("inf")
    assert not (tmp_path / FILE).exists()
