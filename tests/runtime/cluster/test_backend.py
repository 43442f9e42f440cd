"""RayBackend on a real Ray cluster: the conformance suite, and what only a cluster does."""

from pathlib import Path

import pytest
from tests.ray_cluster import RayCluster
from tests.runtime.backend_conformance import SLOTS, BackendConformance, Bench, until

from clary.runtime.backend import Backend, NoRoom, OutputsLost
from clary.runtime.cluster.backend import NEAR_BYTES, RayBackend
from clary.runtime.cluster.nodes import Cluster
from clary.runtime.cluster.rooms import Rooms


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

    def test_what_went_with_its_node_is_not_taken_for_nothing(self, bench: Bench) -> None:
        identity = bench.start("sh", "-c", "echo > ${SAGEMAKER_BASE_DIR:-/opt/ml}/model/m", folders=("/opt/ml/model",))
        bench.ended(identity)
        node = next(one for one in self.cluster.nodes if (one.home / "jobs" / identity).exists())
        self.cluster.cut(node)
        self.cluster.join()
        with pytest.raises(OutputsLost, match="algo-1"):
            until(lambda: _brought(bench.backend, identity))


def _brought(backend: Backend, identity: str) -> bool:
    """Not while Ray has not seen that the node is gone."""
    try:
        return bool(backend.outputs(identity, "/opt/ml/model"))
    except NoRoom:
        return False
