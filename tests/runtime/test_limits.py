"""Which limits are held by what."""

from pathlib import Path

from clary.runtime.limits import THREAD_VARIABLES, Groups, Held, hold, version1, version2
from clary.runtime.shim import cgroups
from clary.runtime.workload import Limits

GIB = 1024**3


def test_version_1_groups_hold_everything(tmp_path: Path) -> None:
    groups = Groups(version=1, memory=Path("/m"), pids=Path("/p"), cpu=Path("/c"))
    held = hold(Limits(cpus=0.5, memory_bytes=GIB, processes=10), groups, "name")
    assert held == Held(
        cgroups={
            "/m/name": {"memory.limit_in_bytes": str(GIB), "memory.memsw.limit_in_bytes": str(GIB)},
            "/p/name": {"pids.max": "12"},
            "/c/name": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"},
        },
        memory_bytes=None,
        processes=None,
        cpus=[],
        environment=dict.fromkeys(THREAD_VARIABLES, "1") | {"OMP_WAIT_POLICY": "PASSIVE"},
    )


def test_version_2_groups_share_one_folder() -> None:
    groups = Groups(version=2, memory=Path("/g"), pids=Path("/g"))
    held = hold(Limits(memory_bytes=GIB, processes=10), groups, "name")
    files = {"memory.max": str(GIB), "memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "12"}
    assert (held.cgroups, held.memory_bytes, held.processes) == ({"/g/name": files}, None, None)


def test_those_that_share_an_instance_are_limited_together() -> None:
    limits = Limits(memory_bytes=1, processes=10)
    groups = Groups(version=2, memory=Path("/g"), pids=Path("/g"))
    first, second = (hold(limits, groups, name, "i").cgroups for name in ("i", "i-c1"))
    files = {"memory.max": "1", "memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "12"}
    shared = files | {"cgroup.subtree_control": "+memory +pids"}
    assert (first, second) == ({"/g/i.of": shared, "/g/i.of/i": {}}, {"/g/i.of": shared, "/g/i.of/i-c1": {}})
    assert (cgroups.own(first), cgroups.own(second)) == (["/g/i.of/i"], ["/g/i.of/i-c1"])


def test_without_groups_the_shim_and_the_process_are_told() -> None:
    held = hold(Limits(cpus=0.5, memory_bytes=GIB, processes=10), Groups(version=1), "name")
    assert (held.cgroups, held.memory_bytes, held.processes, len(held.cpus)) == ({}, GIB, 10, 1)


def test_no_limits_hold_nothing_but_processes() -> None:
    held = hold(Limits(), Groups(version=1), "name")
    assert (held.cgroups, held.memory_bytes, held.cpus) == ({}, None, [])


def test_version_2_takes_the_nearest_group_that_hands_memory_down(tmp_path: Path) -> None:
    user = tmp_path / "user.slice" / "app.slice"
    (user / "own.scope").mkdir(parents=True)
    for folder, passed in ((user, "memory pids"), (user.parent, "cpu memory pids"), (user / "own.scope", "")):
        (folder / "cgroup.subtree_control").write_text(passed)
        (folder / "cgroup.procs").touch()
    found = version2(tmp_path, "/user.slice/app.slice/own.scope")
    assert found == Groups(version=2, memory=user, pids=user)


def test_version_2_without_delegation_offers_nothing(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    assert version2(tmp_path, "/own") == Groups(version=2)


def test_version_1_makes_groups_below_its_own(tmp_path: Path) -> None:
    (tmp_path / "memory" / "mine").mkdir(parents=True)
    found = version1({"memory": tmp_path / "memory", "pids": tmp_path / "pids"}, {"memory": "/mine", "pids": "/gone"})
    assert found == Groups(version=1, memory=tmp_path / "memory" / "mine")
