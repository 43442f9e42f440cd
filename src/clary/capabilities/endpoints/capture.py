"""Data capture as AWS writes it: which calls, one line of JSON for each, and where the lines go. Pure.

`recording.py` writes them.
"""

import base64
import time
import uuid
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from clary.objects import parse_uri
from clary.serving.server.invocation import media_type

Side = Literal["INPUT", "OUTPUT"]
BOTH: tuple[Side, ...] = ("INPUT", "OUTPUT")
MEMBERS: dict[Side, str] = {"INPUT": "endpointInput", "OUTPUT": "endpointOutput"}


@dataclass(frozen=True, slots=True)
class Capture:
    """What a DataCaptureConfig says. `csv` and `json`: media types whose data is written as text."""

    bucket: str
    prefix: str
    percent: float
    sides: tuple[Side, ...]
    csv: frozenset[str]
    json: frozenset[str]


@dataclass(frozen=True, slots=True)
class Payload:
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """A call that is to be captured; `at` in epoch seconds. What the client did not send is empty."""

    at: float
    input: Payload
    output: Payload
    inference_id: str = ""
    custom_attributes: str = ""

    @property
    def size(self) -> int:
        return len(self.input.body) + len(self.output.body)


def capture(config: dict[str, Any] | None) -> Capture | None:
    """`None` where nothing is to be captured."""
    if config is None or not config.get("EnableCapture", True) or not config["InitialSamplingPercentage"]:
        return None
    bucket, prefix = parse_uri(config["DestinationS3Uri"])
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    both = "InputAndOutput" in modes
    types = config.get("CaptureContentTypeHeader", {})
    return Capture(
        bucket=bucket,
        prefix=prefix.strip("/"),
        percent=config["InitialSamplingPercentage"],
        sides=tuple(side for side in BOTH if both or side.capitalize() in modes),
        csv=frozenset(map(media_type, types.get("CsvContentTypes", []))),
        json=frozenset(map(media_type, types.get("JsonContentTypes", []))),
    )


def line(config: Capture, seen: Seen) -> bytes:
    """With its line end."""
    payloads = {"INPUT": seen.input, "OUTPUT": seen.output}
    event = {
        "eventId": str(uuid.uuid4()),
        **({"customAttributes": [seen.custom_attributes]} if seen.custom_attributes else {}),
        **({"inferenceId": seen.inference_id} if seen.inference_id else {}),
        "inferenceTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seen.at)),
    }
    data = {MEMBERS[side]: _side(config, side, payloads[side]) for side in config.sides}
    return msgspec.json.encode({"captureData": data, "eventMetadata": event, "eventVersion": "0"}) + b"\n"


def key(config: Capture, endpoint: str, variant: str, at: float) -> str:
    """Of a new object for lines of which the first is of this time."""
    told = time.gmtime(at)
    folder = time.strftime("%Y/%m/%d/%H", told)
    name = f"{time.strftime('%M-%S', told)}-{int(at * 1000) % 1000:03d}-{uuid.uuid4()}.jsonl"
    return "/".join(filter(None, (config.prefix, endpoint, variant, folder, name)))


def _side(config: Capture, side: Side, payload: Payload) -> dict[str, str]:
    data, encoding = _encoded(config, payload)
    return {"observedContentType": payload.content_type, "mode": side, "data": data, "encoding": encoding}


def _encoded(config: Capture, payload: Payload) -> tuple[str, str]:
    """As text where the type is one of those to be written so, and it is text."""
    kind = media_type(payload.content_type)
    encoding = "CSV" if kind in config.csv else "JSON" if kind in config.json else ""
    if encoding:
        try:
            return payload.body.decode(), encoding
        except UnicodeDecodeError:
            pass
    return base64.b64encode(payload.body).decode(), "BASE64"
