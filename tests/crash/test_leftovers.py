"""What a kill or a power cut may leave half done, and that it holds nothing up."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
from tests.capabilities.training.records import job
from tests.servers import PATIENCE

from clary.capabilities.training import followed, following, metrics
from clary.objects import LocalObjects
from clary.resources.store import Store
from clary.runtime import shims
from clary.runtime.local import LocalBackend
from clary.runtime.workload import Instance, Workload

LINE = b'{"name": "loss", "value": 1.0, "time": 2.0}\n'


def workload(home: Path) -> Path:
    """The folder of the one instance of a workload `w` that was started."""
    instance = Instance(host="algo-1", log=str(home / "log"))
    plan = Workload(id="w", key="k", wake="", image="", purpose="process", instances=(instance,))
    folder = home / "jobs/w/algo-1"
    folder.mkdir(parents=True)
    shims.replace(folder.parent / "workload.json", msgspec.json.encode(plan))
    (folder / "lock").touch()
    return folder


def test_status_torn_by_a_power_cut_means_that_it_ran(tmp_path: Path) -> None:
    folder = workload(tmp_path)
    (folder / "status.jsonl").touch()
    (folder / "spec.json").touch()
    backend = LocalBackend(tmp_path, rung="plain")
    assert [state.phase for state in backend.observe("w").instances] == ["lost"]
    backend.destroy("w")
    assert not folder.parent.exists()


def test_torn_plan_is_none(tmp_path: Path) -> None:
    folder = workload(tmp_path)
    (folder.parent / "workload.json").write_bytes(b"")
    backend = LocalBackend(tmp_path, rung="plain")
    assert backend.observe("w").instances == ()
    backend.destroy("w")
    assert not folder.parent.exists()


def test_sandbox_that_lost_its_shim_while_it_was_made_is_ended(tmp_path: Path) -> None:
    folder = workload(tmp_path)
    (folder / "spec.json").write_text(json.dumps({"sandbox": "bubblewrap", "cgroups": {}}))
    orphan = subprocess.Popen([sys.executable, "-c", "input()", "--bind", f"{folder}/run"], stdin=subprocess.PIPE)
    stranger = subprocess.Popen([sys.executable, "-c", "input()", f"{folder}/runs"], stdin=subprocess.PIPE)
    shims.sweep(folder)
    assert orphan.wait(PATIENCE) == -9
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
    for process in (orphan, stranger):
        assert process.stdin
        process.stdin.close()


def test_looking_for_life_makes_nothing(tmp_path: Path) -> None:
    assert not shims.alive(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_line_of_metrics_that_was_cut_short_is_not_awaited(tmp_path: Path) -> None:
    (tmp_path / metrics.FILE).write_bytes(LINE + LINE[:20])
    read = [job(state={"MetricsRead": {"algo-1": start}}) for start in (0, len(LINE))]
    assert [metrics.has_unread(record, {"algo-1": tmp_path}) for record in read] == [True, False]


def test_torn_memory_of_checkpoints_is_none(tmp_path: Path) -> None:
    record = job(CheckpointConfig={"S3Uri": "s3://bucket/key"})
    (tmp_path / record.id).mkdir()
    (tmp_path / record.id / "checkpoints.json").touch()
    backend, objects = (
        LocalBackend(tmp_path, rung="plain"),
        LocalObjects(tmp_path / "objects", Store(f"sqlite:///{tmp_path}/clary.db").database),
    )
    assert following.Sync(record, followed.followed(record)[0], backend, tmp_path, objects)._known(2) == [{}, {}]
