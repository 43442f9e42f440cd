"""RayBackend on a real Ray cluster: the conformance suite, and what only a cluster does."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import msgspec
import pytest
from tests.ray_cluster import RayCluster
from tests.runtime.backend_conformance import PATIENCE, SLOTS, BackendConformance, Bench, until

from clary.runtime import listing, shims
from clary.runtime.backend import Backend, NoRoom, OutputsLost
from clary.runtime.cluster.backend import NEAR_BYTES, RayBackend
from clary.runtime.cluster.mirror import Mirror
from clary.runtime.cluster.nodes import Cluster
from clary.runtime.cluster.rooms import Rooms
from clary.runtime.cluster.talk import Told
from clary.runtime.listing import Listed
from clary.runtime.workload import InstanceState, Observation, Store


class TestRay(BackendConformance):
    @pytest.fixture(autouse=True)
    def _on(self, cluster: RayCluster) -> None:
        self.cluster = cluster

    def backend(self, home: Path) -> Backend:
        return RayBackend(home, self.cluster.address)

    def test_a_warm_room_goes_from_one_workload_to_the_next(self, bench: Bench) -> None:
        first, second = (bench.workload("true", hosts=2) for _ in range(2))
        other = bench.workload("true", hosts=SLOTS - 1)
        bench.backend.start(first)
        bench.backend.retain(first.id)
        bench.ended(first.id)
        bench.backend.destroy(first.id)
        with bench.make().room(second.id, 2, 0, instead_of=first.id):
            pass
        with bench.make().room(second.id, 2, 0, instead_of=first.id):
            with pytest.raises(NoRoom):
                bench.backend.start(other)
            bench.backend.start(second)
            bench.backend.release(first.id)
        assert {state.exit_code for state in bench.ended(second.id)} == {0}
        with pytest.raises(NoRoom):
            bench.backend.start(other)
        bench.backend.destroy(second.id)
        bench.backend.start(other)
        assert {state.exit_code for state in bench.ended(other.id)} == {0}
        bench.backend.destroy(other.id)
        assert not list((bench.home / "rooms").iterdir())

    def test_room_of_one_that_was_never_started_is_given_back_by_the_next_process(self, bench: Bench) -> None:
        dead, other = bench.workload("true", hosts=SLOTS), bench.workload("true")
        rooms = Rooms(bench.home, self.cluster_of(bench))
        rooms.take(dead.id, SLOTS, 0, (), "")
        bench.make().start(other)
        assert {state.exit_code for state in bench.ended(other.id)} == {0}
        assert [file.name for file in (bench.home / "rooms").iterdir()] == [other.id]

    def cluster_of(self, bench: Bench) -> Cluster:
        assert isinstance(bench.backend, RayBackend)
        return bench.backend.cluster

    def test_a_workload_that_starts_again_runs_again(self, bench: Bench) -> None:
        """As after an interruption: under the same id, maybe on the same node, and at once."""
        workload = bench.workload("sh", "-c", "echo once; sleep 60")
        for run in (1, 2, 3):
            bench.backend.start(workload)
            until(lambda run=run: bench.lines(workload.id) == ["once"] * run)  # type: ignore[misc]
            bench.backend.destroy(workload.id)

    def test_little_is_brought_at_once_and_much_only_when_asked_for(self, bench: Bench) -> None:
        folder = "/opt/ml/model"
        script = (
            f"cd ${{SAGEMAKER_BASE_DIR:-/opt/ml}}/model; head -c {NEAR_BYTES + 1} /dev/zero > m; echo one; sleep 60"
        )
        identity = bench.start("sh", "-c", script, folders=(folder, "/opt/ml/output"))
        bench.says(identity, "one")
        assert (bench.backend.near(identity, "/opt/ml/output"), bench.backend.near(identity, folder)) == (True, False)
        (place,) = bench.backend.outputs(identity, folder)
        assert (place / "m").stat().st_size == NEAR_BYTES + 1

    def test_a_folder_that_its_node_still_fills_says_nothing_of_what_is_absent(self, bench: Bench) -> None:
        folder, seeds = "/opt/ml/checkpoints", bench.home / "seeds"
        seeds.mkdir()
        listing.write(bench.home / "listing", [Listed("old", "s3://bucket/old")])
        with SlowStore() as store:
            identity = bench.start(
                *("sh", "-c", "echo up; sleep 60"),
                folders=(folder,),
                seeds={folder: str(seeds)},
                objects={str(seeds): str(bench.home / "listing")},
                store=Store(endpoint=store.url, region="here", access_key="AKID", secret="secret", token=""),
            )
            assert store.asked.wait(PATIENCE)
            (place,) = bench.backend.outputs(identity, folder)
            assert (list(place.iterdir()), bench.backend.brought(identity, folder)) == ([], [False])
            store.gate.set()
            bench.says(identity, "up")
            until(lambda: bench.backend.outputs(identity, folder) and bench.backend.brought(identity, folder) == [True])
        assert (place / "old").read_text() == "kept"

    def test_what_went_with_its_node_is_not_taken_for_nothing(self, bench: Bench) -> None:
        identity = bench.start("sh", "-c", "echo > ${SAGEMAKER_BASE_DIR:-/opt/ml}/model/m", folders=("/opt/ml/model",))
        bench.ended(identity)
        node = next(one for one in self.cluster.nodes if (one.home / "jobs" / identity).exists())
        self.cluster.cut(node)
        self.cluster.join()
        with pytest.raises(OutputsLost, match="algo-1"):
            until(lambda: _brought(bench.backend, identity))


def test_whoever_brings_a_new_state_wakes_the_controller(tmp_path: Path) -> None:
    """It is no news any more to those that ask the node afterwards: a follower of the controller's, say."""
    bench = Bench(lambda: RayBackend(tmp_path, "127.0.0.1:1"), tmp_path)
    workload, backend = bench.workload("true"), RayBackend(tmp_path, "127.0.0.1:1")
    mirror = Mirror(tmp_path / "jobs" / workload.id / "algo-1", bench.log(workload.id, "algo-1"))
    mirror.sit("node", "run")
    shims.replace(tmp_path / "jobs" / workload.id / "workload.json", msgspec.json.encode(workload))
    ended = InstanceState(host="algo-1", phase="exited", started=1.0, ended=2.0, exit_code=0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wake:
        wake.bind(workload.wake)
        wake.setblocking(False)
        backend.keep(workload.id, mirror, mirror.asked(0), Told(node="node", state=ended))
        assert wake.recv(100) == workload.key.encode()
        backend.keep(workload.id, mirror, mirror.asked(0), Told(node="node", state=ended))
        with pytest.raises(BlockingIOError):
            wake.recv(100)
    assert backend.observe(workload.id) == Observation(instances=(ended,))


class SlowStore(ThreadingHTTPServer):
    """An S3 with one object, which it gives once `gate` is open."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Slowly)
        self.asked, self.gate = threading.Event(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self.shutdown()
        self.server_close()


class Slowly(BaseHTTPRequestHandler):
    server: SlowStore

    def do_GET(self) -> None:
        self.server.asked.set()
        self.server.gate.wait(PATIENCE)
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"kept")

    def log_message(self, *_: object) -> None:
        """Not on the tests' screen."""


def _brought(backend: Backend, identity: str) -> bool:
    """Not while Ray has not seen that the node is gone."""
    try:
        return bool(backend.outputs(identity, "/opt/ml/model"))
    except NoRoom:
        return False
