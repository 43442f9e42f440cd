"""Hostile code in a sandbox, and what becomes of the sandbox when its shim is killed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.runtime.backend_conformance import Bench, until

from clary.runtime import sandbox, shims
from clary.runtime.local import LocalBackend
from clary.runtime.sandbox import Rung
from clary.runtime.shim import processes
from clary.runtime.workload import Limits, Mount


@pytest.fixture(params=["bubblewrap", "namespaces"])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    rung: Rung = request.param
    if not sandbox.works(rung):
        pytest.skip(f"this machine does not allow {rung}")
    bench = Bench(lambda: LocalBackend(tmp_path, rung=rung, slots=8), tmp_path)
    yield bench
    for identity in bench.started:
        bench.make().destroy(identity)


def test_the_machines_files_are_out_of_sight_and_cannot_be_written(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "channel").mkdir()
    (tmp_path / "channel" / "data").write_text("data")
    hidden = (
        f"{tmp_path}/secret",
        f"{tmp_path}/jobs",
        "/etc/shadow",
        "/etc/ssl/private",
        f"/proc/1/root{tmp_path}/secret",
    )
    script = f"""
for path in {" ".join(hidden)} /opt/ml/model/../../../../{tmp_path}/secret; do
    [ -e "$path" ] && echo "sees $path"
done
for path in /usr/x /bin/x /etc/ssl/certs/x /proc/sys/kernel/core_pattern /proc/sysrq-trigger \\
        /opt/ml/input/data/train/x; do
    (echo x >> "$path") 2>/dev/null && echo "writes $path"
done
ln /opt/ml/input/data/train/data /opt/ml/model/hard 2>/dev/null && echo "links"
mount -t tmpfs none /opt/ml 2>/dev/null && echo "mounts"
mount -o remount,bind,rw /usr 2>/dev/null && echo "mounts anew"
unshare --mount true 2>/dev/null && echo "unshares"
ls -d /proc/[0-9]* | wc -l
ls /opt/ml/input/data/train
"""
    mounts = (Mount(source=str(tmp_path / "channel"), target="/opt/ml/input/data/train"),)
    state, lines = bench.run("/bin/sh", "-c", script, folders=("/opt/ml/model",), instance={"mounts": mounts})
    assert [line for line in lines if not line.isdigit()] == ["data"]
    assert state.exit_code == 0
    assert (tmp_path / "channel" / "data").read_text() == "data"


def test_links_in_the_place_of_folders_do_not_lead_readers_astray(bench: Bench) -> None:
    script = """mkdir -p /opt/ml/output/data; echo mine > /opt/ml/output/data/file
        mv /opt/ml/output /opt/ml/aside 2>/dev/null; ln -s /etc /opt/ml/output 2>/dev/null; true"""
    identity = bench.start("/bin/sh", "-c", script, folders=("/opt/ml/output/data",))
    bench.ended(identity)
    (output,) = bench.backend.outputs(identity, "/opt/ml/output/data")
    assert [path.name for path in output.iterdir()] == ["file"]
    assert output.resolve() == output


def test_files_belong_to_whoever_runs_clary(bench: Bench) -> None:
    identity = bench.start("/bin/sh", "-c", "id -u; touch /opt/ml/model/f", folders=("/opt/ml/model",))
    bench.ended(identity)
    (model,) = bench.backend.outputs(identity, "/opt/ml/model")
    assert bench.lines(identity) == ["0"]
    assert (model / "f").stat().st_uid == os.geteuid()


def test_a_fork_bomb_hits_its_limit_and_can_be_killed(bench: Bench) -> None:
    script = """
import os, time
count = 0
try:
    while count < 500:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        count += 1
except OSError:
    print("refused", flush=True)
print(count <= 100, flush=True)
time.sleep(60)
"""
    identity = bench.start("python", "-c", script, limits=Limits(processes=100))
    bench.says(identity, "True")
    bench.backend.kill(identity)
    assert bench.ended(identity)[0].cause == "stopped"
    assert "refused" in bench.lines(identity)


def test_a_killed_shim_takes_its_sandbox_along_and_the_instance_is_lost(bench: Bench) -> None:
    identity = bench.start("/bin/sh", "-c", "setsid sleep 60 & echo up; sleep 60")
    bench.says(identity, "up")
    status = shims.status(bench.home / "jobs" / identity / "algo-1")
    assert status is not None
    family = processes.tree(status["pid"])
    assert len(family) > 3
    os.kill(status["pid"], signal.SIGKILL)
    (state,) = bench.ended(identity)
    assert state.phase == "lost" and state.message
    until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in family))
    bench.make().start(bench.workload("/bin/true"))
    assert bench.backend.observe(identity).instances[0].phase == "lost"


def test_nothing_is_left_after_destroy(bench: Bench) -> None:
    identity = bench.start("/bin/sh", "-c", "echo up; sleep 60", limits=Limits(memory_bytes=1 << 28, cpus=0.5))
    bench.says(identity, "up")
    spec = shims.spec(bench.home / "jobs" / identity / "algo-1")
    assert spec is not None
    bench.backend.destroy(identity)
    assert [folder for folder in spec["cgroups"] if Path(folder).exists()] == []
    assert identity not in Path("/proc/self/mountinfo").read_text()
    assert list((bench.home / "jobs").iterdir()) == []
