"""What Describe shows beyond the request."""

from typing import Any

import pytest
from tests.capabilities.training.records import job

from clary.capabilities.training import failure
from clary.capabilities.training.kind import transitions
from clary.capabilities.training.runs import training_seconds
from clary.resources.records import Event


def event(at: float, status: str, detail: str = "", message: str = "") -> Event:
    return Event(record="r", at=at, status=status, detail=detail, message=message)


def test_transitions_merge_messages_of_one_status() -> None:
    events = [
        event(1, "InProgress"),
        event(2, "InProgress", "Starting", "Preparing the sklearn runtime"),
        event(3, "InProgress", "Downloading", "Downloading input data"),
        event(4, "Failed", "Failed", "ClientError: none"),
    ]
    assert transitions(events) == [
        {"Status": "Starting", "StartTime": 1, "EndTime": 3, "StatusMessage": "Preparing the sklearn runtime"},
        {"Status": "Downloading", "StartTime": 3, "EndTime": 4, "StatusMessage": "Downloading input data"},
        {"Status": "Failed", "StartTime": 4, "EndTime": 4, "StatusMessage": "ClientError: none"},
    ]


def test_a_new_job_has_its_first_transition() -> None:
    assert transitions([event(1, "InProgress")]) == [
        {"Status": "Starting", "StartTime": 1, "StatusMessage": "Starting the training job"}
    ]


@pytest.mark.parametrize(
    ("state", "seconds"),
    [
        ({}, None),
        ({"TrainingStartTime": 10.0}, None),
        ({"TrainingStartTime": 10.0, "TrainingEndTime": 10.2}, 1),
        ({"TrainingStartTime": 10.0, "TrainingEndTime": 12.1}, 3),
    ],
)
def test_seconds_are_whole_and_never_zero(state: dict[str, Any], seconds: int | None) -> None:
    assert training_seconds(job(state=state)) == seconds


def test_failure_files_are_read_only_when_plain(tmp_path: Any) -> None:
    assert failure.read(tmp_path) == ""
    (tmp_path / "failure").symlink_to("/etc/passwd")
    assert failure.read(tmp_path) == ""
    (tmp_path / "failure").unlink()
    (tmp_path / "failure").write_bytes(b"\xff" + b"x" * 5000)
    assert failure.read(tmp_path) == "\ufffd" + "x" * 1023
    (tmp_path / "failure").unlink()
    (tmp_path / "failure").mkdir()
    assert failure.read(tmp_path) == ""
