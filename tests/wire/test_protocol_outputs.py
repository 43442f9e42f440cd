"""AWS's output cases: what we write for a result, botocore's parser reads as AWS's expected result."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from botocore.awsrequest import HeadersDict
from botocore.eventstream import EventStream
from botocore.parsers import create_parser
from tests.wire.cases import ABSENT, Case, canonical, cases, exceptions

from clary.wire.errors import AwsError
from clary.wire.messages import Reply
from clary.wire.models import OperationModel, ServiceModel
from clary.wire.protocols import codecs, event_stream

CASES = cases("output")
NOT_OURS = ("x-amzn-requestid", "x-amz-target", "content-length")
"""Headers whose values in the cases are made up, or the HTTP server's business."""

pytestmark = pytest.mark.skipif(not CASES, reason=ABSENT)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_answer_is_read_as_the_result(case: Case) -> None:
    if case.name in exceptions():
        pytest.skip(exceptions()[case.name])
    model = case.model()
    if "errorCode" in case.case:
        _check_error(case, model)
    else:
        _check_result(case, model)


def _check_result(case: Case, model: ServiceModel) -> None:
    operation = model.operation_model(case.case["given"]["name"])
    shape = operation.output_shape
    if operation.has_event_stream_output:
        _check_events(case, operation)
        return
    result = canonical(shape, case.case["result"])
    reply = codecs()[case.protocol].answer(operation, _typed(shape, result), "the-id")
    parsed = _parse(case, reply, shape)
    parsed.pop("ResponseMetadata", None)
    assert dict(reply.headers)["x-amzn-requestid"] == "the-id"
    assert _as_text(_without_our_headers(shape, canonical(shape, parsed), result)) == _as_text(result)
    assert reply.status == case.case["given"].get("http", {}).get("responseCode", 200) or shape is not None
    _check_headers(case, reply)


def _check_events(case: Case, operation: OperationModel) -> None:
    """As botocore's client reads a stream."""
    shape = operation.output_shape
    given = canonical(shape, {name: value for name, value in case.case["result"].items() if name != "Payload"})
    events = case.case["result"]["Payload"]
    reply = codecs()[case.protocol].answer(operation, {**given, "Payload": _each(events)}, "the-id")
    assert dict(reply.headers) | {"content-type": event_stream.TYPE} == dict(reply.headers)
    parser = create_parser(case.protocol)._event_stream_parser
    stream: Any = EventStream(_Raw(_all(reply)), shape.members["Payload"], parser, "OperationName")
    if case.protocol == "json":
        assert json.loads(stream.get_initial_response().payload) == given
    read = [canonical(shape.members["Payload"], each) for each in stream]
    assert _as_text(read) == _as_text([canonical(shape.members["Payload"], each) for each in events])


async def _each(events: list[Any]) -> AsyncIterator[Any]:
    for each in events:
        yield each


def _all(reply: Reply) -> bytes:
    async def gather() -> bytes:
        assert reply.stream
        return b"".join([piece async for piece in reply.stream])

    return asyncio.run(gather())


class _Raw:
    """The body as botocore's event stream takes it: urllib3's answer."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def _check_error(case: Case, model: ServiceModel) -> None:
    given = case.case
    extra = {name: value for name, value in given.get("error", {}).items() if name.lower() != "message"}
    shape = model.shape_for_error_code(given["errorCode"])
    error = AwsError(given.get("errorMessage", ""), code=given["errorCode"], status=given["response"]["status_code"])
    error.extra = _typed(shape, canonical(shape, extra)) if shape else {}
    reply = codecs()[case.protocol].refuse(model, error, "the-id")
    assert reply.status == given["response"]["status_code"]
    parsed = _parse(case, reply, None)
    told = parsed["Error"]["Code"], parsed["Error"]["Message"] or ""
    assert told == (given["errorCode"], given.get("errorMessage", ""))
    assert dict(reply.headers)["x-amzn-requestid"] == "the-id"
    if shape is not None:
        assert canonical(shape, extra).items() <= canonical(shape, _parse(case, reply, shape)).items()


def _parse(case: Case, reply: Reply, shape: Any) -> Any:
    headers = HeadersDict(dict(reply.headers))
    response = {"status_code": reply.status, "headers": headers, "body": reply.body, "context": {"operation_name": "x"}}
    return create_parser(case.protocol).parse(response, shape)


def _typed(shape: Any, value: Any) -> Any:
    """`canonical` spells reals so that NaN compares; a handler gives numbers."""
    if shape is None or value is None or getattr(shape, "is_document_type", False):
        return value
    if shape.type_name == "structure":
        return {name: _typed(shape.members[name], item) for name, item in value.items()}
    if shape.type_name == "list":
        return [_typed(shape.member, item) for item in value]
    if shape.type_name == "map":
        return {key: _typed(shape.value, item) for key, item in value.items()}
    return float(value) if shape.type_name in ("float", "double") else value


def _without_our_headers(shape: Any, parsed: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """A map of all headers would hold those of every answer too."""
    for name, member in ({} if shape is None else shape.members).items():
        if member.serialization.get("location") == "headers":
            parsed[name] = {key: value for key, value in parsed[name].items() if key in result[name]}
    return parsed


def _as_text(value: Any) -> Any:
    """A raw payload reaches botocore's parser as a stream of bytes, and leaves it as text."""
    if isinstance(value, dict):
        return {key: _as_text(item) for key, item in value.items()}
    return value.decode() if isinstance(value, bytes) else value


def _check_headers(case: Case, reply: Reply) -> None:
    """Only of the newer cases: the older ones write headers as some service once did."""
    wanted = {} if case.path.startswith("legacy") else case.case["response"].get("headers", {})
    given = dict(reply.headers)
    for name, value in wanted.items():
        assert given.get(name.lower(), "").split(";")[0] == value.split(";")[0] or name.lower() in NOT_OURS


def test_all_cases_are_here() -> None:
    assert len(CASES) == 475
    assert not {name for name in exceptions() if "output/" in name} - {case.name for case in CASES}
