"""The controller killed while jobs are made, run and finished: at random moments, and at every single write."""

import random
import threading

import pytest
from tests.crash.controllers import BUCKET, FINAL, Stage
from tests.crash.witness import Witness
from tests.servers import PATIENCE, wait_until

pytestmark = pytest.mark.timeout(600)

ROUNDS = 20
UNFINISHED = 4
"""Jobs that are on their way at a time."""


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
    witness.hear(len(creator.made))
    assert witness.started == witness.ended == dict.fromkeys(creator.made, 1)
    stage.assert_no_traces()


def test_killed_at_every_write(stage: Stage, witness: Witness) -> None:
    stage.kill()
    stage.s3.put_object(Bucket=BUCKET, Key="data/a", Body=b"a")
    number, names = 0, []
    while True:
        # Deleting the folder of a finished job is one write like the other for every file in it.
        number += 8 if names and stage.status(names[-1]) in FINAL else 1
        names.append(name := f"job-{number}")
        assert stage.create(name)
        stage.start(f"{stage.id(name)} {number}")
        wait_until(lambda: not stage.alive() or stage.forgotten(names[-1]), PATIENCE, stage.told)
        if stage.alive():
            break
    # It may have had a write left to die before.
    stage.kill()
    stage.start()
    stage.until_final(*names)
    assert len(names) > 40
    assert {name: stage.finals(name) for name in names} == {name: ["Completed"] for name in names}
    witness.hear(len(names))
    assert witness.started == witness.ended == dict.fromkeys(names, 1)
    for name in names:
        stage.s3.head_object(Bucket=BUCKET, Key=f"out/{name}/output/model.tar.gz")
    stage.assert_no_traces()
