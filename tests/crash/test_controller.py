"""The controller killed while jobs are made, run and finished: at random moments, and at every single write."""

import random
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.crash import traces
from tests.crash.controllers import BUCKET, Stage
from tests.crash.witness import Witness
from tests.servers import wait_until

from clary.resources.query import Query

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("crash")]

ROUNDS = 20
UNFINISHED = 4
"""Jobs that are on their way at a time."""


@pytest.fixture
def witness() -> Iterator[Witness]:
    with Witness() as witness:
        yield witness


@pytest.fixture
def stage(witness: Witness) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="clary-") as folder, Stage(Path(folder) / "home", witness) as stage:
        yield stage


class Creator(threading.Thread):
    """Asks for one job after the other, a few ahead of what has ended. `made` are those that were acknowledged."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self._over = threading.Event()
        self.asked: list[str] = []
        self.made: list[str] = []

    def run(self) -> None:
        while not self._over.wait(0.01):
            if len(self.made) - self._stage.witness.ended.total() < UNFINISHED:
                name = f"job-{len(self.asked)}"
                self.asked.append(name)
                if self._stage.create(name):
                    self.made.append(name)

    def stop(self) -> None:
        self._over.set()
        self.join()


def test_killed_at_random_moments(stage: Stage, witness: Witness) -> None:
    creator = Creator(stage)
    creator.start()
    try:
        for _ in range(ROUNDS):
            threading.Event().wait(random.uniform(0.05, 0.5))
            stage.kill()
            stage.start()
    finally:
        creator.stop()
    stage.until_final(*creator.made)
    assert creator.made == creator.asked
    assert {name: stage.finals(name) for name in creator.made} == {name: ["Completed"] for name in creator.made}
    assert witness.started == witness.ended == dict.fromkeys(creator.made, 1)
    assert_no_traces(stage)


def test_killed_at_every_write(stage: Stage, witness: Witness) -> None:
    stage.kill()
    stage.s3.put_object(Bucket=BUCKET, Key="data/a", Body=b"a")
    number, names = 0, []
    while True:
        number += 1
        names.append(name := f"job-{number}")
        assert stage.create(name)
        stage.start(f"{stage.id(name)} {number}")
        wait_until(lambda: not stage.alive() or stage.forgotten(names[-1]), 60, stage.told)
        if stage.alive():
            break
    stage.until_final(*names)
    assert number > 100
    assert {name: stage.finals(name) for name in names} == {name: ["Completed"] for name in names}
    assert witness.started == witness.ended == dict.fromkeys(names, 1)
    for name in names:
        stage.s3.head_object(Bucket=BUCKET, Key=f"out/{name}/output/model.tar.gz")
    assert_no_traces(stage)


def assert_no_traces(stage: Stage) -> None:
    """Nothing of the jobs is left on this machine but the controller's and the server's own processes."""
    wait_until(lambda: not any((stage.home / "jobs").iterdir()), 30, lambda: str(list((stage.home / "jobs").iterdir())))
    wait_until(lambda: not traces.processes(stage.home), 30, lambda: str(traces.processes(stage.home)))
    query = Query(kind="TrainingJob", account="123456789012", region="us-east-1", limit=100_000)
    ids = {record.id for record in stage.store.page(query).records}
    assert (traces.mounts(stage.home), traces.control_groups(ids)) == ([], [])
