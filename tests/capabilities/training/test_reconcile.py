"""What the reconciler does beside what `decide` chose: who waits for room is called by whatever makes it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.capabilities.training.records import job

from clary.capabilities.jobs.line import ROOM_SECONDS, Line
from clary.capabilities.jobs.uploads import Uploads
from clary.capabilities.training import warm
from clary.capabilities.training.reconcile import TrainingReconciler, Work
from clary.objects import Objects
from clary.resources.reconcile import Wait
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.runtime.local import LocalBackend
from clary.runtime.workload import Instance, Workload
from clary.settings import Settings
from clary.wire.context import Parts

ENDPOINT = "an-endpoint"
"""Or whatever else runs there."""


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[LocalBackend]:
    """Its only slot is taken, and not by a job."""
    backend = LocalBackend(tmp_path, slots=1)
    only = Instance(host="algo-1", log=str(tmp_path / "log"))
    backend.start(
        Workload(
            id=ENDPOINT, key="", wake="", image="", purpose="process", entrypoint=("sleep", "60"), instances=(only,)
        )
    )
    yield backend
    backend.destroy(ENDPOINT)


def test_a_job_in_line_is_called_when_anything_is_destroyed(tmp_path: Path, backend: LocalBackend) -> None:
    store, wake = Store(f"sqlite:///{tmp_path / 'clary.db'}"), Wake(tmp_path)
    listener = wake.listen()
    record = job(state={"SecondaryStatus": "Pending"})
    waits = TrainingReconciler().reconcile(
        record, Parts(Settings(home=tmp_path), store, wake, backend, Line(), Objects())
    )
    assert waits == Wait(ROOM_SECONDS)
    backend.destroy(ENDPOINT)
    assert listener.receive(60) == [record.id]
    listener.close()
    store.close()


def test_a_pool_is_found_before_what_lies_there_is_gone(tmp_path: Path, backend: LocalBackend) -> None:
    """What is there of a container takes a second to be removed; clients have seen `Available` by then."""
    store, pools, found = Store(f"sqlite:///{tmp_path / 'clary.db'}"), warm.Pools(), list[list[str]]()
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1, "KeepAlivePeriodInSeconds": 60}
    record = job("Completed", ResourceConfig=resources)
    record.id = ENDPOINT
    record.state.update(warm.opened(record, store.now()))
    parts = Parts(Settings(home=tmp_path), store, Wake(tmp_path), backend, Line(), Objects())
    backend.when_destroyed("test", lambda: found.append(pools.matching(record)))
    Work(pools, record, parts, Uploads(), Uploads()).retain()
    assert found == [[ENDPOINT]]
    store.close()
