"""AWS's own protocol cases, found through `CLARY_AWS_CASES` or beside the repository, as test parameters."""

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from clary.wire.models import ServiceModel, described

ROOT = Path(__file__).parents[2]
CASES = Path(os.environ.get("CLARY_AWS_CASES", ROOT.parent / "shared" / "data"))
ABSENT = f"AWS's cases are not at {CASES}; set CLARY_AWS_CASES to a folder that holds them"
EXCEPTIONS = Path(__file__).with_name("protocol_exceptions.json")


@dataclass(frozen=True)
class Case:
    """One case of one suite. `path` is `input/json` or `legacy/output/query`."""

    path: str
    id: str
    suite: dict[str, Any]
    case: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.path}:{self.id}"

    @property
    def protocol(self) -> str:
        return str(self.suite["metadata"]["protocol"])

    def model(self) -> ServiceModel:
        given = {"http": {"method": "POST", "requestUri": "/"}, **self.case["given"]}
        if self.protocol == "query" and "output" in given:
            given["output"] = {"resultWrapper": f"{given['name']}Result", **given["output"]}
        description = {
            "metadata": {"endpointPrefix": "cases", **self.suite["metadata"]},
            "shapes": self.suite["shapes"],
            "operations": {given["name"]: given},
        }
        return described(description, "cases")


def cases(direction: str) -> list[Case]:
    """All cases of `input` or `output`, in the order of their files."""
    return [case for folder in (direction, f"legacy/{direction}") for case in _load(folder)]


def exceptions() -> dict[str, str]:
    """Cases that we do not pass, each with its reason."""
    listed: dict[str, str] = json.loads(EXCEPTIONS.read_text())
    return listed


def body_of(case: Case, body: str) -> bytes:
    return base64.b64decode(body) if case.protocol.endswith("cbor") else body.encode()


def canonical(shape: Any, value: Any) -> Any:
    """A case's value with its types told apart: blobs as bytes, timestamps and reals as floats, NaN comparable."""
    if value is None or shape is None:
        return value
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        return {k: canonical(shape.members[k], v) for k, v in value.items() if v is not None and k in shape.members}
    if shape.type_name == "list":
        return [canonical(shape.member, item) for item in value]
    if shape.type_name == "map":
        return {key: canonical(shape.value, item) for key, item in value.items()}
    return _scalar(shape.type_name, value)


def _scalar(kind: str, value: Any) -> Any:
    if kind == "blob":
        return value.encode() if isinstance(value, str) else value
    if kind == "timestamp":
        return float(value.timestamp() if hasattr(value, "timestamp") else value)
    if kind in ("float", "double"):
        return str(float(value))
    return value


@cache
def _load(folder: str) -> list[Case]:
    return [
        case for file in sorted((CASES / "aws-protocol-cases" / folder).glob("*.json")) for case in _cases(folder, file)
    ]


def _cases(folder: str, file: Path) -> Iterator[Case]:
    for number, suite in enumerate(json.loads(file.read_text())):
        for index, case in enumerate(suite["cases"]):
            label = case.get("id", f"{number}-{index}-{suite['description']}")
            yield Case(f"{folder}/{file.stem}", label, suite, case)
