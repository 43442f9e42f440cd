"""AWS's input cases: what their client sends for some parameters, we read as these parameters."""

from typing import Any

import pytest
from tests.wire.cases import ABSENT, Case, body_of, canonical, cases, exceptions

from clary.wire.messages import Head
from clary.wire.models import OperationModel
from clary.wire.protocols import codecs
from clary.wire.rest_paths import RestPaths

CASES = cases("input")
pytestmark = pytest.mark.skipif(not CASES, reason=ABSENT)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_request_is_read_as_its_parameters(case: Case) -> None:
    if case.name in exceptions():
        pytest.skip(exceptions()[case.name])
    model = case.model()
    operation = model.operation_model(case.case["given"]["name"])
    assert _parse(case, operation) == canonical(operation.input_shape, case.case.get("params", {}))


def _parse(case: Case, operation: OperationModel) -> Any:
    sent = case.case["serialized"]
    path, _, query = sent.get("uri", "/").partition("?")
    headers = [(name.lower(), value) for name, value in sent.get("headers", {}).items()]
    method = sent.get("method") or case.case["given"].get("http", {}).get("method", "POST")
    head = Head(method, path, query, headers)
    labels: dict[str, str] = {}
    if case.protocol.startswith("rest"):
        matched = RestPaths(operation.service_model).match(head)
        assert matched is not None
        labels = matched[1]
    request = codecs()[case.protocol].parse(operation, head, body_of(case, sent.get("body", "")), labels)
    return canonical(operation.input_shape, request)


def test_all_cases_are_here() -> None:
    assert len(CASES) == 529
    assert not {name for name in exceptions() if "input/" in name} - {case.name for case in CASES}
