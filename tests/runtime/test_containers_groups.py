"""What is read of a container's control groups, in the files of both versions."""

from pathlib import Path

import pytest

from clary.runtime.shim.cgroups import memory_kills
from clary.runtime.shim.container import holds_memory, usage

VERSION_2 = {
    "cpu.stat": "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n",
    "memory.peak": "734003200\n",
    "memory.current": "1048576\n",
    "memory.max": "max\n",
    "memory.events": "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n",
}


def group(folder: Path, files: dict[str, str]) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    return {"": str(folder)}


def test_version_2_tells_time_memory_and_kills(tmp_path: Path) -> None:
    groups = group(tmp_path / "libpod-1.scope" / "container", VERSION_2)
    assert usage(groups) == {"cpu_seconds": 1.5, "max_rss_bytes": 734003200}
    assert memory_kills({groups[""]: {}}) == 1


def test_a_kernel_that_knows_no_peak_tells_what_is_held_now(tmp_path: Path) -> None:
    groups = group(tmp_path, {name: text for name, text in VERSION_2.items() if name != "memory.peak"})
    assert usage(groups)["max_rss_bytes"] == 1048576


@pytest.mark.parametrize(
    ("own", "above", "held"),
    [("max", "536870912", True), ("536870912", "max", True), ("max", "max", False), ("536870913", "max", False)],
)
def test_a_limit_counts_wherever_above_the_container_it_is(tmp_path: Path, own: str, above: str, held: bool) -> None:
    group(tmp_path / "scope", {"memory.max": f"{above}\n"})
    groups = group(tmp_path / "scope" / "container", {"memory.max": f"{own}\n"})
    assert holds_memory(groups, 512 << 20) is held


def test_version_1_and_no_groups_at_all(tmp_path: Path) -> None:
    (tmp_path / "memory.limit_in_bytes").write_text("536870912\n")
    assert holds_memory({"memory": str(tmp_path)}, 512 << 20)
    assert not holds_memory({"memory": str(tmp_path)}, 128 << 20)
    assert not holds_memory({}, 128 << 20)
    assert usage({}) == {}
