"""LocalBackend with real containers: the conformance suite, and what only containers do."""

import http.client
import http.server
import os
import re
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.engine_between import Between
from tests.podman import BASE, Podman, Promising, TakenForDocker
from tests.runtime.backend_conformance import PATIENCE, SLOTS, BackendConformance, Bench, until
from tests.runtime.entering_conformance import EnteringConformance

from clary.runtime import shims
from clary.runtime.backend import Away, Backend
from clary.runtime.containers.images import Containers
from clary.runtime.images import UnknownImage
from clary.runtime.local import LocalBackend
from clary.runtime.workload import Limits, Mount

ECHO = "localhost/clary-test/echo:1"
OWN = "localhost/clary-test/own-settings:1"
APP = "localhost/clary-test/app:1"
COMMANDS: list[tuple[Any, tuple[str, ...], tuple[str, ...], str]] = [
    ("train", (), (), "image train"),
    ("train", (), ("a", "b"), "image a b"),
    ("train", ("/bin/echo", "own"), (), "own"),
    ("train", ("/bin/echo", "own"), ("a",), "own a"),
    ("serve", (), (), "image serve"),
    ("process", (), (), "image command"),
    ("process", (), ("a",), "image a"),
]
"""Purpose, entrypoint and arguments; what the image with an entrypoint and a command of its own then says."""


class InContainers:
    image = BASE

    @pytest.fixture(autouse=True)
    def engine(self, podman: Podman) -> Iterator[None]:
        self.podman = podman
        yield
        assert podman.containers() == []

    def backend(self, home: Path) -> Backend:
        return LocalBackend(home, slots=SLOTS, containers=Containers(self.podman.url, home))


class TestConformance(InContainers, EnteringConformance, BackendConformance):
    restored = False


class Benched(InContainers):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        bench = Bench(lambda: self.backend(tmp_path), tmp_path, self.image)
        yield bench
        for identity in bench.started:
            bench.make().destroy(identity)


class TestNetworks(Benched):
    def test_instances_find_each_other_by_name_and_clary_at_its_address(self, bench: Bench, clary_url: str) -> None:
        server = "import socket; s = socket.create_server(('0.0.0.0', 7777)); c, _ = s.accept(); c.sendall(b'hello')"
        client = f"""import socket, time, urllib.request
while True:
    try:
        print(socket.create_connection(('algo-2', 7777)).recv(9).decode()); break
    except OSError:
        time.sleep(0.05)
print(urllib.request.urlopen('{clary_url}', timeout=60).read().decode())"""
        script = f'[ "$HOSTNAME" = algo-1 ] && exec python -c "{client}" || exec python -c "{server}"'
        identity = bench.start("sh", "-c", script, hosts=2, endpoint=clary_url)
        states = bench.ended(identity)
        assert [state.exit_code for state in states] == [0, 0], bench.lines(identity)
        assert bench.lines(identity) == ["hello", "here is clary"]

    def test_isolated_instances_reach_each_other_only(self, bench: Bench, clary_url: str) -> None:
        script = f"""import socket, urllib.request
print(sorted(name for _, name in socket.if_nameindex() if name in ('lo', 'eth0')), socket.gethostbyname('algo-1')[:4])
try:
    urllib.request.urlopen('{clary_url}', timeout=3)
    print('reached')
except OSError as error:
    print('closed')"""
        single = bench.start("python", "-c", script, endpoint=clary_url, isolated=True)
        both = bench.start("python", "-c", script, endpoint=clary_url, isolated=True, hosts=2)
        bench.ended(single)
        bench.ended(both)
        assert bench.lines(single) == ["['lo'] 127.", "closed"]
        links, closed = bench.lines(both)
        assert links.startswith("['eth0', 'lo'] ") and not links.endswith("127.") and closed == "closed"

    @pytest.mark.parametrize("isolated", [False, True])
    def test_a_serving_container_is_reached_by_its_socket(self, bench: Bench, clary_url: str, isolated: bool) -> None:
        server = f"""import http.server, urllib.request
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        try:
            self.wfile.write(urllib.request.urlopen('{clary_url}', timeout=60).read())
        except OSError:
            self.wfile.write(b'alone')
http.server.ThreadingHTTPServer(('0.0.0.0', 8080), Handler).serve_forever()"""
        identities = [
            bench.start("python", "-c", server, purpose="serve", endpoint=clary_url, isolated=isolated)
            for _ in range(2)
        ]
        for identity in identities:
            place = bench.backend.socket(identity, "algo-1")
            answer = until(lambda place=place: _get(place))
            assert answer == (b"alone" if isolated else b"here is clary")
            bench.backend.kill(identity)
            assert bench.ended(identity)[0].cause == "stopped"


class TestNetworksTakenForDocker(TestNetworks):
    def backend(self, home: Path) -> Backend:
        return LocalBackend(home, slots=SLOTS, containers=TakenForDocker(self.podman.url, home))


class TestContainers(Benched):
    # -- what runs

    def test_what_replaces_the_images_command(self, bench: Bench) -> None:
        bench.image = self.podman.build(ECHO, f'FROM {BASE}\nENTRYPOINT ["/bin/echo", "image"]\nCMD ["command"]\n')
        bench.backend = LocalBackend(
            bench.home, slots=len(COMMANDS), containers=Containers(self.podman.url, bench.home)
        )
        started = [
            bench.start(*entrypoint, arguments=arguments, purpose=purpose)
            for purpose, entrypoint, arguments, _ in COMMANDS
        ]
        assert [bench.ended(identity)[0].exit_code for identity in started] == [0] * len(COMMANDS)
        assert [bench.lines(identity) for identity in started] == [[said] for *_, said in COMMANDS]

    def test_the_images_own_variables_folder_and_search_path_are_kept(self, bench: Bench) -> None:
        settings = "ENV PYTHONPATH=/its OWN=its BOTH=its\nWORKDIR /srv/here\n"
        bench.image = self.podman.build(OWN, f"FROM {BASE}\n{settings}")
        given = {"PYTHONPATH": "/ours", "BOTH": "ours"}
        _, lines = bench.run("sh", "-c", 'echo $OWN $BOTH $PYTHONPATH; pwd; echo "$HOSTNAME"', environment=given)
        assert lines == ["its ours /ours:/its", "/srv/here", "algo-1"]

    def test_images_that_run_as_another_user_write_what_can_be_read_and_removed(self, bench: Bench) -> None:
        bench.image = self.podman.build(APP, f"FROM {BASE}\nUSER 1000\n")
        script = """id -u; cd /opt/ml; cat input/data/train/file input/config/x.json
            mkdir -p model/deep && echo kept > model/deep/kept && chmod 0 model/deep/kept && chmod 0700 model/deep
            mkdir checkpoints && touch checkpoints/own"""
        (bench.home / "data").mkdir()
        (bench.home / "data" / "file").write_text("data\n")
        (bench.home / "data" / "file").chmod(0o444)
        identity = bench.start(
            *("sh", "-c", script),
            folders=("/opt/ml/model",),
            instance={
                "files": {"/opt/ml/input/config/x.json": b"{}\n"},
                "mounts": (Mount(source=str(bench.home / "data"), target="/opt/ml/input/data/train"),),
            },
        )
        assert bench.ended(identity)[0].exit_code == 0, bench.lines(identity)
        assert bench.lines(identity) == ["1000", "data", "{}"]
        (model,) = bench.backend.outputs(identity, "/opt/ml/model")
        assert (model / "deep" / "kept").read_text() == "kept\n"
        if os.geteuid():
            assert {path.lstat().st_uid for path in (bench.home / "jobs").rglob("*")} == {os.geteuid()}
        bench.backend.destroy(identity)
        assert not (bench.home / "jobs" / identity).exists()

    def test_folders_of_a_killed_container_are_taken_back_too(self, bench: Bench) -> None:
        bench.image = self.podman.build(APP, f"FROM {BASE}\nUSER 1000\n")
        script = "mkdir -m 0700 /opt/ml/shut; touch /opt/ml/shut/file; echo up; sleep 60"
        identity = bench.start("sh", "-c", script)
        bench.says(identity, "up")
        bench.backend.destroy(identity)
        assert not (bench.home / "jobs" / identity).exists()

    def test_an_image_that_does_not_exist_is_refused(self, bench: Bench) -> None:
        bench.image = "localhost/clary-test/none:1"
        with pytest.raises(UnknownImage, match="localhost/clary-test/none:1 is neither"):
            bench.backend.prepare(bench.image, 0)
        containers = Containers(self.podman.url, bench.home)
        containers.aliases.set("123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1", "localhost/gone:1")
        with pytest.raises(UnknownImage, match=r"alias of localhost/gone:1"):
            containers.prepare("123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1")

    def test_an_image_that_vanished_is_the_platforms_failure(self, bench: Bench) -> None:
        bench.image = "localhost/clary-test/none:1"
        state = bench.ended(bench.start("true"))[0]
        assert (state.exit_code, state.cause) == (None, "platform")
        assert "localhost/clary-test/none:1" in state.message

    def test_without_an_engine_the_refusal_says_what_to_install(self, tmp_path: Path) -> None:
        nowhere = Containers(f"unix://{tmp_path}/none.sock", tmp_path)
        with pytest.raises(UnknownImage, match=r"can only run as a container, but .*none\.sock does not answer"):
            nowhere.check("mine:1")
        with pytest.raises(UnknownImage, match="switched off"):
            Containers("off", tmp_path).check("mine:1")

    def test_an_engine_that_is_away_is_told_from_a_lack_of_room(self, tmp_path: Path) -> None:
        away = LocalBackend(tmp_path, containers=Containers(f"unix://{tmp_path}/none.sock", tmp_path))
        workload = Bench(lambda: away, tmp_path, self.image).workload("true", hosts=2)
        with pytest.raises(Away, match=r"none\.sock does not answer"):
            away.start(workload)
        assert away.observe(workload.id).instances == ()

    # -- limits

    def test_memory_that_the_engine_does_not_hold_is_watched(self, bench: Bench) -> None:
        bench.backend = LocalBackend(bench.home, containers=Promising(self.podman.url, bench.home))
        hog = "import time; x = [bytearray(1 << 20) for _ in range(600)]; time.sleep(60)"
        state, _ = bench.run("python", "-c", hog, limits=Limits(memory_bytes=128 << 20))
        assert (state.exit_code, state.cause) == (137, "memory")

    def test_shared_memory_processes_and_rights_are_limited(self, bench: Bench) -> None:
        script = """import os
print(os.statvfs("/dev/shm").f_blocks * os.statvfs("/dev/shm").f_frsize >> 20)
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(status["NoNewPrivs"], int(status["CapEff"], 16) >> 21 & 1)
children = []
try:
    for _ in range(200):
        pid = os.fork()
        if not pid:
            import time
            time.sleep(60)
        children.append(pid)
except OSError as error:
    print(error.strerror)"""
        state, lines = bench.run("python", "-c", script, limits=Limits(memory_bytes=512 << 20, processes=50))
        assert (state.exit_code, lines) == (0, ["256", "1 0", "Resource temporarily unavailable"])

    # -- crashes

    def test_a_killed_shim_leaves_no_container(self, bench: Bench) -> None:
        identity = bench.start("sh", "-c", "echo up; sleep 60")
        bench.says(identity, "up")
        shim = psutil.Process(_shim(bench, identity))
        driver = shim.children()
        shim.kill()
        assert bench.ended(identity)[0].phase == "lost"
        until(lambda: not self.podman.containers())
        assert psutil.wait_procs(driver, PATIENCE)[1] == []

    def test_a_killed_shim_and_driver_leave_no_container(self, bench: Bench) -> None:
        identity = bench.start("sh", "-c", "echo up; sleep 60")
        bench.says(identity, "up")
        shim = psutil.Process(_shim(bench, identity))
        shim.suspend()
        for child in shim.children():
            child.kill()
        shim.kill()
        assert bench.ended(identity)[0].phase == "lost"
        assert self.podman.containers() == []

    def test_a_container_outlives_its_engines_restart(self, bench: Bench) -> None:
        script = "echo up; while [ ! -e /opt/ml/go ]; do sleep 0.05; done; echo down; exec >&- 2>&-; sleep 1; exit 4"
        identity = bench.start("sh", "-c", script)
        bench.says(identity, "up")
        self.podman.restart()
        (bench.home / "jobs" / identity / "algo-1" / "ml" / "go").touch()
        assert (bench.ended(identity)[0].exit_code, bench.lines(identity)[0]) == (4, "up")

    def test_a_stop_while_the_engine_is_away_is_done_when_it_is_back(self, bench: Bench) -> None:
        identity = bench.start("sh", "-c", "trap 'echo asked; exit 3' TERM; echo up; while :; do sleep 0.1; done")
        bench.says(identity, "up")
        self.podman.pause()
        bench.backend.stop(identity)
        self.podman.restart()
        state = bench.ended(identity)[0]
        assert (state.exit_code, state.cause) == (3, "stopped"), bench.lines(identity)

    def test_a_killed_driver_is_the_platforms_failure_and_leaves_no_container(self, bench: Bench) -> None:
        identity = bench.start("sh", "-c", "echo up; sleep 60")
        bench.says(identity, "up")
        for child in psutil.Process(_shim(bench, identity)).children():
            child.kill()
        state = bench.ended(identity)[0]
        assert (state.phase, state.cause) == ("exited", "platform")
        assert self.podman.containers() == []


class TestAnEngineThatRefusesForAMoment(Benched):
    """As podman does when it is just back, or when a container is just ending."""

    @pytest.fixture
    def refused(self, bench: Bench) -> Iterator[list[tuple[str, int]]]:
        """Calls yet to be refused, each once: how they begin, and the status; 0: `meanwhile` is done before it."""
        refused: list[tuple[str, int]] = []

        def refuse(call: str) -> int | None:
            found = next((one for one in refused if re.match(one[0], call)), None)
            if found is None:
                return None
            refused.remove(found)
            return found[1] or self.meanwhile()

        with Between(bench.home, self.podman.url, refuse) as between:
            bench.backend = LocalBackend(bench.home, slots=SLOTS, containers=Containers(between.url, bench.home))
            self.calls = between.calls
            yield refused

    @pytest.mark.parametrize(("ask", "name", "code"), [("stop", "TERM", 3), ("kill", "KILL", 137)])
    def test_is_asked_again_to_send_a_signal(
        self, bench: Bench, refused: list[tuple[str, int]], ask: str, name: str, code: int
    ) -> None:
        script = "trap 'exit 3' TERM; echo up; while :; do sleep 0.1; done"
        identity = bench.start("sh", "-c", script, limits=Limits(grace_seconds=20))
        bench.says(identity, "up")
        refused += [("POST .*/kill", 500), ("POST .*/kill", 409)]
        getattr(bench.backend, ask)(identity)
        assert (bench.ended(identity)[0].exit_code, bench.ended(identity)[0].cause) == (code, "stopped")
        assert [call.partition("/kill")[2] for call in self.calls if "/kill" in call] == [f"?signal={name}"] * 3

    def test_is_asked_again_for_the_output(self, bench: Bench, refused: list[tuple[str, int]]) -> None:
        identity = bench.start("sh", "-c", "echo up; while [ ! -e /opt/ml/go ]; do sleep 0.05; done; exit 4")
        bench.says(identity, "up")
        refused += [("POST .*/attach", 500), ("GET .*/json", 500), ("POST .*/attach", 409)]
        self.podman.restart()
        until(lambda: not (refused and bench.is_running(identity)))
        (bench.home / "jobs" / identity / "algo-1" / "ml" / "go").touch()
        assert bench.ended(identity)[0].exit_code == 4, bench.lines(identity)

    def test_an_end_on_the_way_to_the_output_is_told(self, bench: Bench, refused: list[tuple[str, int]]) -> None:
        identity = bench.start("sh", "-c", "echo up; while [ ! -e /opt/ml/go ]; do sleep 0.05; done; exit 4")
        bench.says(identity, "up")
        (name,) = self.podman.containers()
        init = psutil.Process(self.podman.engine.call("GET", f"/containers/{name}/json")["State"]["Pid"])
        (own,) = init.children()

        def meanwhile() -> None:
            (bench.home / "jobs" / identity / "algo-1" / "ml" / "go").touch()
            until(lambda: _has_ended(own) and (_has_ended(init) or init.status() == psutil.STATUS_STOPPED))

        self.meanwhile = meanwhile
        refused.append(("POST .*/attach", 0))
        self.podman.restart()
        assert (bench.ended(identity)[0].exit_code, refused) == (4, []), bench.lines(identity)

    def test_is_asked_again_to_remove_what_is_left(self, bench: Bench, refused: list[tuple[str, int]]) -> None:
        identity = bench.start("sh", "-c", "echo up; while [ ! -e /opt/ml/go ]; do sleep 0.05; done", hosts=2)
        for host in ("algo-1", "algo-2"):
            bench.says(identity, "up", host)
        # By the driver, and by who destroys the workload.
        refused += [("DELETE /containers/.*-algo-1", 500)] * 2 + [("DELETE /networks/", 500)]
        for host in ("algo-1", "algo-2"):
            (bench.home / "jobs" / identity / host / "ml" / "go").touch()
        bench.ended(identity)
        bench.backend.destroy(identity)
        # Others on this machine have networks too.
        assert (refused, [name for name in self.podman.left_over() if identity in name]) == ([], [])


@pytest.fixture
def clary_url() -> Iterator[str]:
    """Something on the machine's loopback for containers to find."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"here is clary")

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def _shim(bench: Bench, identity: str) -> int:
    said = shims.status(bench.home / "jobs" / identity / "algo-1")
    assert said
    return int(said["pid"])


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _get(place: Path) -> bytes:
    """What the server behind a unix socket answers; empty while it does not."""
    if not place.exists() or not stat.S_ISSOCK(place.stat().st_mode):
        return b""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(PATIENCE)
        connection = http.client.HTTPConnection("model")
        connection.sock = line
        try:
            line.connect(str(place))
            connection.request("GET", "/ping", headers={"Connection": "close"})
            with connection.getresponse() as answer:
                return answer.read()
        except (OSError, http.client.HTTPException):
            return b""
