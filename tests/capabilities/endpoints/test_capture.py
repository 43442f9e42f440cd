"""Which calls are captured, how a line is written, and what waits for S3 when there is none."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from clary.capabilities.endpoints import capture as captures
from clary.capabilities.endpoints import recording
from clary.capabilities.endpoints.capture import Capture, Payload, Seen, capture, line
from clary.capabilities.endpoints.recording import Place, Recorder
from clary.objects import Objects
from clary.objects.errors import S3Error

CONFIG: dict[str, Any] = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 20,
    "DestinationS3Uri": "s3://b/some/where/",
    "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
}
BOTH = Capture("b", "some/where", 20, ("INPUT", "OUTPUT"), frozenset({"text/csv"}), frozenset({"application/json"}))
SEEN = Seen(1644859549.25, Payload("text/csv", b"1,2\n"), Payload("application/octet-stream", b"\xff"))


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, BOTH),
        ({"EnableCapture": False}, None),
        ({"InitialSamplingPercentage": 0}, None),
        ({"DestinationS3Uri": "s3://b"}, Capture("b", "", 20, BOTH.sides, BOTH.csv, BOTH.json)),
        (
            {"CaptureOptions": [{"CaptureMode": "Output"}], "CaptureContentTypeHeader": {}},
            Capture("b", "some/where", 20, ("OUTPUT",), frozenset(), frozenset()),
        ),
    ],
)
def test_what_a_configuration_captures(changes: dict[str, Any], wanted: Capture | None) -> None:
    config = {name: value for name, value in (CONFIG | changes).items() if value != {}}
    assert capture(config) == wanted
    assert capture(None) is None


@pytest.mark.parametrize(
    ("payload", "written"),
    [
        (Payload("text/csv; charset=utf-8", b"1,2\n"), ("1,2\n", "CSV")),
        (Payload("application/json", b'{"a":1}'), ('{"a":1}', "JSON")),
        (Payload("text/csv", b"\xff"), ("/w==", "BASE64")),
        (Payload("image/png", b"abc"), ("YWJj", "BASE64")),
        (Payload("", b""), ("", "BASE64")),
    ],
)
def test_data_is_text_where_its_type_is_listed(payload: Payload, written: tuple[str, str]) -> None:
    told = json.loads(line(BOTH, Seen(0.0, payload, payload)))
    shown = told["captureData"]["endpointInput"]
    assert (shown["data"], shown["encoding"]) == written


def test_line_holds_what_was_sent_and_nothing_else() -> None:
    told = json.loads(line(BOTH, SEEN))
    assert told["eventMetadata"].pop("eventId")
    assert told == {
        "captureData": {
            "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": "1,2\n", "encoding": "CSV"},
            "endpointOutput": {
                "observedContentType": "application/octet-stream",
                "mode": "OUTPUT",
                "data": "/w==",
                "encoding": "BASE64",
            },
        },
        "eventMetadata": {"inferenceTime": "2022-02-14T17:25:49Z"},
        "eventVersion": "0",
    }
    assert captures.key(BOTH, "e", "v", SEEN.at).startswith("some/where/e/v/2022/02/14/17/25-49-250-")


class Shelf(Objects):
    """Keeps what is put, unless it is away."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.away = False

    def put_file(self, account: str, bucket: str, key: str, file: Path, **_: Any) -> Any:
        if self.away:
            raise S3Error("NoSuchBucket")
        self.kept.append(file.read_bytes())


def test_calls_are_written_together_and_lost_where_they_cannot_be(tmp_path: Path) -> None:
    shelf = Shelf()
    recorder = Recorder(shelf, tmp_path / "capture", 60.0)
    place = Place("1", "e", "v", BOTH)

    async def run() -> None:
        for _ in range(3):
            recorder.add(place, SEEN)
        recorder.flush()
        shelf.away = True
        recorder.add(place, SEEN)
        recorder.flush()
        shelf.away = False
        recorder.flush()

    asyncio.run(run())
    assert [len(each.splitlines()) for each in shelf.kept] == [3]
    assert list((tmp_path / "capture").iterdir()) == []


def test_what_waits_is_bounded_and_goes_to_several_objects(tmp_path: Path) -> None:
    shelf = Shelf()
    recorder = Recorder(shelf, tmp_path / "capture", 60.0)
    large = Seen(1.0, Payload("", b"x" * (recording.FILE_BYTES - 1)), Payload("", b""))

    async def run() -> None:
        for _ in range(20):
            recorder.add(Place("1", "e", "v", BOTH), large)
        recorder.flush()

    asyncio.run(run())
    written = sum(len(each.splitlines()) for each in shelf.kept)
    assert written == recording.WAITING_BYTES // (recording.FILE_BYTES + recording.CALL_BYTES)
    assert len(shelf.kept) > 1
