"""The controller killed at the writes between a spot job's interruption and the start of its next run."""

import random
import socket

import pytest
from tests.crash.controllers import Stage
from tests.crash.witness import Witness
from tests.servers import PATIENCE, wait_until

from clary.capabilities.training import requests

pytestmark = pytest.mark.timeout(600)

SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200},
}
STEP = 4
"""Removing the first run's folder is one write like the other for every file in it. Where it begins is up to chance."""


class SecondRuns(Witness):
    """Lets a job go on in its second run alone, and knows whether the first was still there."""

    def __init__(self) -> None:
        super().__init__(lambda name: self.started[name] > 0)
        self.overlaps: list[str] = []

    def _note(self, line: socket.socket, word: str) -> None:
        if line not in self._names and any(_is_open(other) for other, name in self._names.items() if name == word):
            self.overlaps.append(word)
        super()._note(line, word)


def _is_open(line: socket.socket) -> bool:
    try:
        return line.fileno() >= 0 and line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


@pytest.fixture
def witness() -> object:
    with SecondRuns() as witness:
        yield witness


def test_killed_between_two_runs(stage: Stage, witness: SecondRuns) -> None:
    number, names = random.randint(1, STEP), []
    while True:
        names.append(name := f"spot-{number}")
        assert stage.create(name, **SPOT)
        wait_until(
            lambda: is_training(stage, names[-1]), PATIENCE, lambda: f"{stage.describe(names[-1])}{stage.told()}"
        )
        stage.kill()
        requests.interrupt(stage.home / "jobs" / stage.id(name))
        stage.start(f"{stage.id(name)} {number}")
        wait_until(lambda: not stage.alive() or stage.forgotten(names[-1]), PATIENCE, stage.told)
        if stage.alive() or witness.started[name] > 1:
            break
        stage.start()
        number += STEP
    stage.kill()
    stage.start()
    stage.until_final(*names)
    assert len(names) > 10
    assert {name: stage.finals(name) for name in names} == {name: ["Completed"] for name in names}
    witness.hear(len(names))
    assert witness.overlaps == []
    assert (witness.started, witness.ended) == (dict.fromkeys(names, 2), dict.fromkeys(names, 1))
    for name in names:
        told = stage.describe(name)
        wall = (told["TrainingEndTime"] - told["TrainingStartTime"]).total_seconds()
        assert 1 <= told["BillableTimeInSeconds"] == told["TrainingTimeInSeconds"] <= wall + 1
    stage.assert_no_traces()


def is_training(stage: Stage, name: str) -> bool:
    record = stage.store.by_id(stage.id(name))
    return bool(record and record.state.get("SecondaryStatus") == "Training" and stage.witness.started[name])
