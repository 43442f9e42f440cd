"""What every backend must do, as tests. A backend's own test module subclasses `BackendConformance`.

`backend` answers a new object each time it is called, over the same state: a restarted controller.
"""

import io
import itertools
import json
import os
import socket
import tarfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from clary.logfile import parse
from clary.runtime.backend import Backend, NoRoom
from clary.runtime.workload import Instance, InstanceState, Limits, Metric, Mount, Observation, Workload

_numbers = itertools.count(1)
PATIENCE = 120.0


def until(look: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """What `look` answers once it is true."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


class Bench:
    """A backend with a home for logs and the wake socket, and short words for what the tests do."""

    def __init__(self, make: Callable[[], Backend], home: Path, image: str = "") -> None:
        self.make = make
        self.image = image
        self.backend = make()
        self.home = home
        self.started: list[str] = []

    def workload(self, *command: str, hosts: int = 1, **more: Any) -> Workload:
        """A process on `hosts` instances. `instance` holds fields for each of them."""
        identity = f"w{os.getpid()}-{next(_numbers)}"
        extra = more.pop("instance", {})
        names = [f"algo-{number}" for number in range(1, hosts + 1)]
        self.started.append(identity)
        return Workload(
            id=identity,
            key=f"key-of-{identity}",
            wake=str(self.home / "wake"),
            image=self.image,
            purpose=more.pop("purpose", "process"),
            entrypoint=command,
            instances=tuple(Instance(host=name, log=str(self.log(identity, name)), **extra) for name in names),
            **more,
        )

    def start(self, *command: str, **more: Any) -> str:
        """Start a process; answers the workload's id."""
        workload = self.workload(*command, **more)
        self.backend.start(workload)
        return workload.id

    def run(self, *command: str, **more: Any) -> tuple[InstanceState, list[str]]:
        """Run a process on one instance to its end: its state and its lines."""
        identity = self.start(*command, **more)
        return self.ended(identity)[0], self.lines(identity)

    def is_running(self, identity: str) -> bool:
        return [state.phase for state in self.backend.observe(identity).instances] == ["running"]

    def ended(self, identity: str, patience: float = PATIENCE) -> tuple[InstanceState, ...]:
        """The states once all instances have ended."""

        def look() -> tuple[InstanceState, ...] | None:
            seen = self.backend.observe(identity).instances
            return seen if seen and all(state.phase in ("exited", "lost") for state in seen) else None

        found: tuple[InstanceState, ...] = until(look, patience)
        return found

    def log(self, identity: str, host: str = "algo-1") -> Path:
        return self.home / f"{identity}.{host}.log"

    def lines(self, identity: str, host: str = "algo-1") -> list[str]:
        path = self.log(identity, host)
        return [parse(line)[1] for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []

    def says(self, identity: str, text: str, host: str = "algo-1") -> None:
        """Wait for a line."""
        until(lambda: text in self.lines(identity, host))


class BackendConformance:
    """Subclass it and override `backend`."""

    sandboxed = True
    """Whether processes are shut off from the machine."""
    image = ""
    """What the workloads run."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        bench = Bench(lambda: self.backend(tmp_path), tmp_path, self.image)
        yield bench
        for identity in bench.started:
            bench.make().destroy(identity)

    def backend(self, home: Path) -> Backend:
        raise NotImplementedError

    # -- start, end, status

    def test_exit_code_output_and_times_are_reported(self, bench: Bench) -> None:
        before = time.time()
        state, lines = bench.run("/bin/sh", "-c", "echo out; echo err >&2; exit 3")
        assert (state.phase, state.exit_code, state.cause) == ("exited", 3, "")
        assert sorted(lines) == ["err", "out"]
        assert state.started and state.ended and before <= state.started <= state.ended <= time.time()

    def test_a_process_ended_by_a_signal_exits_with_128_and_its_number(self, bench: Bench) -> None:
        state, _ = bench.run("/bin/sh", "-c", "kill -9 $$")
        assert (state.exit_code, state.cause) == (137, "")

    def test_a_command_that_does_not_exist_fails_and_says_so(self, bench: Bench) -> None:
        state, lines = bench.run("/no/such/program")
        assert (state.exit_code, state.message) == (127, "")
        assert "/no/such/program" in "\n".join([*lines, state.message])

    def test_starting_again_runs_nothing_twice(self, bench: Bench) -> None:
        workload = bench.workload("/bin/sh", "-c", "echo once; sleep 0.3")
        for _ in range(3):
            bench.make().start(workload)
        bench.ended(workload.id)
        bench.make().start(workload)
        bench.ended(workload.id)
        assert bench.lines(workload.id) == ["once"]

    def test_unknown_workloads_are_empty_and_can_be_stopped_and_destroyed(self, bench: Bench) -> None:
        bench.backend.stop("never")
        bench.backend.kill("never")
        bench.backend.destroy("never")
        assert bench.backend.observe("never") == Observation()

    def test_a_new_backend_object_finds_running_work_again(self, bench: Bench) -> None:
        identity = bench.start("/bin/sh", "-c", "echo up; while [ ! -e /tmp/go ]; do sleep 0.02; done; exit 5")
        bench.says(identity, "up")
        again = bench.make()
        assert again.observe(identity).instances[0].phase == "running"
        again.kill(identity)
        assert bench.ended(identity)[0].cause == "stopped"

    def test_the_controller_is_woken_when_something_changes(self, bench: Bench) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wake:
            wake.bind(str(bench.home / "wake"))
            wake.settimeout(PATIENCE)
            identity = bench.start("/bin/true")
            bench.ended(identity)
            assert wake.recv(100) == f"key-of-{identity}".encode()
            lasting = bench.start("/bin/sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.02; done")
            # A node also tells of what comes before.
            while wake.recv(100) != f"key-of-{lasting}".encode() or not bench.is_running(lasting):
                pass
            bench.backend.kill(lasting)
            assert bench.ended(lasting)[0].cause == "stopped"

    def test_environment_arguments_files_and_folders_reach_the_process(self, bench: Bench) -> None:
        script = 'cat "$ML/input/config/x.json"; echo "$SHARED $OWN $1"; echo kept > "$ML/model/kept"; ls "$ML/output"'
        identity = bench.start(
            *("/bin/sh", "-c", f"ML=${{SAGEMAKER_BASE_DIR:-/opt/ml}}; {script}", "sh"),
            arguments=("argument",),
            environment={"SHARED": "all", "OWN": "overridden"},
            folders=("/opt/ml/model", "/opt/ml/output", "/opt/ml/output/data"),
            instance={"environment": {"OWN": "mine"}, "files": {"/opt/ml/input/config/x.json": b"{}\n"}},
        )
        bench.ended(identity)
        assert bench.lines(identity) == ["{}", "all mine argument", "data"]
        assert [(path / "kept").read_text() for path in bench.backend.outputs(identity, "/opt/ml/model")] == ["kept\n"]

    @pytest.mark.parametrize("isolated", [False, True])
    def test_an_instance_finds_itself_by_name(self, bench: Bench, isolated: bool) -> None:
        look = "import socket; print(socket.gethostname()); socket.gethostbyname(socket.gethostname())"
        state, lines = bench.run("python", "-c", look, isolated=isolated)
        assert (state.exit_code, lines) == (0, ["algo-1"] if self.sandboxed else [socket.gethostname()])

    def test_destroy_ends_what_runs_and_deletes_everything(self, bench: Bench) -> None:
        identity = bench.start("/bin/sh", "-c", "echo up; mkdir -p /tmp/a; chmod 0 /tmp/a; sleep 60", hosts=2)
        bench.says(identity, "up")
        bench.backend.destroy(identity)
        assert bench.backend.observe(identity) == Observation()
        assert bench.backend.outputs(identity, "/opt/ml/model") == []
        assert not [path for path in bench.home.rglob("*") if identity in path.name and path.suffix != ".log"]

    def test_who_asks_is_told_of_each_destroy(self, bench: Bench) -> None:
        told: list[str] = []
        bench.backend.when_destroyed("one", lambda: told.append("in vain"))
        for name in ("one", "other"):
            bench.backend.when_destroyed(name, lambda name=name: told.append(name))  # type: ignore[misc]
        for _ in range(2):
            bench.backend.destroy(bench.start("sleep", "60"))
        assert told == ["one", "other"] * 2

    # -- stopping

    def test_stop_lets_the_process_finish_by_itself(self, bench: Bench) -> None:
        script = """import signal, sys, time
signal.signal(signal.SIGTERM, lambda *a: sys.exit(0))
print('up')
time.sleep(60)"""
        identity = bench.start("python", "-c", script)
        bench.says(identity, "up")
        bench.backend.stop(identity)
        state = bench.ended(identity)[0]
        assert (state.exit_code, state.cause) == (0, "stopped")

    def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(self, bench: Bench) -> None:
        identity = bench.start("/bin/sh", "-c", "trap '' TERM; echo up; sleep 60", limits=Limits(grace_seconds=0.5))
        bench.says(identity, "up")
        asked = time.time()
        bench.backend.stop(identity)
        bench.backend.stop(identity)
        state = bench.ended(identity)[0]
        assert (state.exit_code, state.cause) == (137, "stopped")
        assert state.ended and 0.4 <= state.ended - asked <= 40

    def test_a_process_that_runs_too_long_is_stopped(self, bench: Bench) -> None:
        state, _ = bench.run("/bin/sleep", "60", limits=Limits(run_seconds=1))
        assert (state.exit_code, state.cause) == (143, "timeout")

    def test_daemons_end_with_the_process_that_left_them(self, bench: Bench) -> None:
        mark = f"{os.getpid()}.{time.time_ns()}"
        state, _ = bench.run("/bin/sh", "-c", f"for i in 1 2 3; do setsid sleep {mark} & done; sleep 0.2; exit 0")
        assert state.exit_code == 0
        until(lambda: not _running(mark))

    # -- logs and metrics

    def test_many_lines_are_all_kept_in_order(self, bench: Bench) -> None:
        identity = bench.start("/bin/sh", "-c", f"seq 1 {MANY}")
        bench.ended(identity)
        assert bench.lines(identity) == [str(number) for number in range(1, MANY + 1)]

    def test_binary_output_carriage_returns_and_unfinished_lines_are_kept(self, bench: Bench) -> None:
        identity = bench.start("/bin/sh", "-c", r"printf '10%%\r20%%\r30%%\nnul \000 bad \377\nno end'")
        bench.ended(identity)
        assert bench.lines(identity) == ["10%\r20%\r30%", "nul \x00 bad �", "no end"]

    def test_an_unfinished_line_shows_while_the_process_still_runs(self, bench: Bench) -> None:
        identity = bench.start("/bin/sh", "-c", "printf working...; sleep 60")
        bench.says(identity, "working...")

    def test_a_line_longer_than_an_event_is_split(self, bench: Bench) -> None:
        identity = bench.start("/bin/sh", "-c", "head -c 600000 /dev/zero | tr '\\0' x; echo")
        bench.ended(identity)
        assert [len(line) for line in bench.lines(identity)] == [262144, 262144, 75712]

    def test_output_past_the_cap_is_dropped_with_one_notice(self, bench: Bench) -> None:
        identity = bench.start("/bin/sh", "-c", f"seq 1 {MANY}; echo end", limits=Limits(log_bytes=100_000))
        assert bench.ended(identity)[0].exit_code == 0
        lines = bench.lines(identity)
        assert lines[0] == "1" and "limit of 100000 bytes" in lines[-1]
        assert [line for line in lines if "Clary" in line] == lines[-1:]
        assert bench.log(identity).stat().st_size < 101_000

    def test_metrics_are_read_from_lines(self, bench: Bench) -> None:
        metrics = (Metric(name="loss", regex=r"loss=([0-9.e+-]+)"), Metric(name="bad", regex="("))
        identity = bench.start(
            "/bin/sh", "-c", "echo loss=0.5; echo loss=nan; echo nothing; echo loss=2e-3", metrics=metrics
        )
        bench.ended(identity)
        assert [(found["name"], found["value"]) for found in self.metrics(bench, identity)] == [
            ("loss", 0.5),
            ("loss", 0.002),
        ]

    def test_a_regex_that_never_ends_is_dropped_and_the_log_goes_on(self, bench: Bench) -> None:
        evil = (Metric(name="evil", regex=r"(a+)+$"), Metric(name="good", regex=r"good (\d+)"))
        script = f"while :; do echo {'a' * 40}b; echo good 7; sleep 0.1; done"
        identity = bench.start("/bin/sh", "-c", script, metrics=evil)

        def since() -> list[str]:
            """The lines from the notice on. How many come together is up to the machine."""
            lines = bench.lines(identity)
            at = [number for number, line in enumerate(lines) if "metric evil is no longer read" in line]
            return lines[at[0] :] if at else []

        until(lambda: "good 7" in since())
        bench.backend.kill(identity)
        bench.ended(identity)
        assert {found["value"] for found in self.metrics(bench, identity)} == {7.0}

    def metrics(self, bench: Bench, identity: str) -> list[dict[str, Any]]:
        """The metrics of the first instance; backends that keep them elsewhere override it."""
        path = bench.home / "jobs" / identity / "algo-1" / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    # -- limits

    def test_a_process_that_takes_too_much_memory_is_killed(self, bench: Bench) -> None:
        hog = "import time; x = [bytearray(1 << 20) for _ in range(600)]; time.sleep(60)"
        state, _ = bench.run("python", "-c", hog, limits=Limits(memory_bytes=128 << 20))
        assert (state.exit_code, state.cause) == (137, "memory")

    def test_memory_within_the_limit_is_free_to_use(self, bench: Bench) -> None:
        state, lines = bench.run(
            "python", "-c", "x = bytearray(64 << 20); print(len(x))", limits=Limits(memory_bytes=256 << 20)
        )
        assert (state.exit_code, state.cause, lines) == (0, "", [str(64 << 20)])

    def test_what_all_processes_used_is_counted(self, bench: Bench) -> None:
        state, lines = bench.run("sh", "-c", f"python -c '{BURN}'; echo done")
        assert lines == ["done"]
        assert state.cpu_seconds and 0.3 <= state.cpu_seconds < 10
        assert state.max_rss_bytes and 100e6 < state.max_rss_bytes < 300e6

    def test_one_that_is_stopped_before_it_begins_does_not_wait_for_the_grace(self, bench: Bench) -> None:
        identity = bench.start("sleep", "600", limits=Limits(grace_seconds=600))
        bench.backend.stop(identity)
        assert bench.ended(identity)[0].cause == "stopped"

    def test_archives_are_there_unpacked(self, bench: Bench, tmp_path: Path) -> None:
        good, bad = _archive(tmp_path / "good.tar.gz", "a/b"), _archive(tmp_path / "bad.tar.gz", "x", "../escaped")
        unpacked = {"/opt/ml/code": str(good), "/opt/ml/other": str(bad)}
        look = "exec 2>&1; cd ${SAGEMAKER_BASE_DIR:-/opt/ml}; cat code/a/b; ls other"
        state, lines = bench.run("sh", "-c", look, instance={"unpacked": unpacked})
        assert state.exit_code and lines[0] == "content of a/b" and "No such file" in lines[1]
        assert not list(tmp_path.rglob("escaped"))

    def test_thread_pools_are_told_the_cpu_limit(self, bench: Bench) -> None:
        _, lines = bench.run("/bin/sh", "-c", "echo $OMP_NUM_THREADS", limits=Limits(cpus=1))
        assert lines == ["1"]

    def test_no_room_when_all_slots_are_taken(self, bench: Bench) -> None:
        first = [bench.start("/bin/sleep", "60") for _ in range(2)]
        waiting = bench.workload("/bin/true", hosts=SLOTS - 1)
        with pytest.raises(NoRoom):
            bench.backend.start(waiting)
        assert bench.backend.observe(waiting.id) == Observation()
        bench.backend.destroy(first[0])
        bench.backend.start(waiting)
        assert {state.exit_code for state in bench.ended(waiting.id)} == {0}

    def test_room_is_kept_for_what_is_started_inside(self, bench: Bench) -> None:
        kept, other = bench.workload("/bin/true"), bench.workload("/bin/true", hosts=SLOTS)
        with bench.backend.room(kept.id, 1, 0) as left:
            with pytest.raises(NoRoom):
                bench.backend.start(other)
            bench.backend.start(kept)
        assert left == SLOTS - 1
        assert {state.exit_code for state in bench.ended(kept.id)} == {0}

    def test_starts_at_the_same_time_share_the_slots(self, bench: Bench) -> None:
        asked = [bench.workload("/bin/sleep", "60") for _ in range(2 * SLOTS)]

        def has_room(workload: Workload) -> bool:
            try:
                bench.backend.start(workload)
            except NoRoom:
                return False
            return True

        with ThreadPoolExecutor(len(asked)) as pool:
            assert sum(pool.map(has_room, asked)) == SLOTS

    # -- mounts

    def test_mounts_are_read_only_unless_said_otherwise(self, bench: Bench, tmp_path: Path) -> None:
        for name in ("shared", "scratch", "code"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "file").write_text("original")
            os.link(tmp_path / name / "file", tmp_path / name / "other")
        mounts = (
            Mount(source=str(tmp_path / "shared"), target="/opt/ml/input/data/train"),
            Mount(source=str(tmp_path / "scratch"), target="/opt/ml/input/data/scratch", writable=True),
            Mount(source=str(tmp_path / "code"), target="/opt/ml/input/data/code", private=True),
        )
        script = """cd ${SAGEMAKER_BASE_DIR:-/opt/ml}/input/data
            for d in train scratch code; do cat $d/file; echo changed > $d/file; rm -f $d/other; done 2>/dev/null
            cat code/file; touch here && chmod +x code/file"""
        identity = bench.start("/bin/sh", "-c", script, instance={"mounts": mounts})
        state = bench.ended(identity)[0]
        lines = bench.lines(identity)
        assert "".join(lines).replace("changed", "") == "original" * 3 or not self.sandboxed
        assert (tmp_path / "code" / "file").read_text() == "original"
        assert (tmp_path / "code" / "other").exists()
        assert (tmp_path / "scratch" / "file").read_text() == "changed\n"
        assert state.exit_code == 0
        if self.sandboxed:
            assert (tmp_path / "shared" / "file").read_text() == "original"
            assert (tmp_path / "shared" / "other").exists()


BURN = """
import time
held = b"x" * 100_000_000
while time.process_time() < 0.3: pass
"""


def _archive(file: Path, *names: str) -> Path:
    with tarfile.open(file, "w:gz") as tar:
        for name in names:
            content = f"content of {name}\n".encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file


MANY = 300_000
SLOTS = 3


def _running(word: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if word.encode() in words:
                found.append(int(entry.name))
    return found
