"""The context that user functions may take: AWS's toolkits and TorchServe shape it, so their scripts must run on it."""

from pathlib import Path
from typing import Any

import pytest
from tests.serving.server.test_script import Echo, module

from clary.serving.server.context import Context
from clary.serving.server.invocation import Answer, Invocation
from clary.serving.server.script import build

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
CALL = Invocation(b"1", "text/csv", "application/json", {ATTRIBUTES.lower(): "trace=7"})


def answer(**functions: Any) -> Answer:
    return build(module(**functions), Echo(), Path("/models"))(CALL)


def test_custom_attributes_are_read_and_answered() -> None:
    def output_fn(prediction: Any, accept: str, context: Any) -> str:
        asked = context.get_request_header(0, ATTRIBUTES)
        context.set_response_header(0, ATTRIBUTES, f"seen {asked}")
        return "body"

    expected = Answer(200, "application/json", b"body", {ATTRIBUTES.lower(): "seen trace=7"})
    assert answer(output_fn=output_fn) == expected


def test_one_context_goes_through_all_functions() -> None:
    def predict_fn(data: Any, model: Any, context: Any) -> str:
        context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", context.get_request_id())
        return "1"

    def output_fn(prediction: Any, accept: str, context: Any) -> str:
        assert context.get_response_headers(0) == {ATTRIBUTES.lower(): context.get_request_id(0)}
        return "1"

    assert answer(predict_fn=predict_fn, output_fn=output_fn).status == 200


def test_transform_function_sets_status_and_type() -> None:
    def transform_fn(model: Any, body: str, content_type: str, accept: str, context: Any) -> str:
        context.set_response_content_type(0, "text/x-own")
        context.set_response_status(code=422, phrase="No", idx=0)
        return "no"

    assert answer(transform_fn=transform_fn) == Answer(422, "text/x-own", b"no")


def test_type_given_with_the_body_counts_more() -> None:
    def output_fn(prediction: Any, accept: str, context: Any) -> tuple[str, str]:
        context.set_response_content_type(0, "text/x-own")
        return "1", "text/csv"

    assert answer(output_fn=output_fn) == Answer(200, "text/csv", b"1")


def test_what_the_toolkits_ask_of_it() -> None:
    context = Context("/models", CALL)
    properties = context.request_processor[0].get_request_properties()
    assert (properties["Content-Type"], properties.get("content-type"), properties.get("absent")) == (
        "text/csv",
        "text/csv",
        None,
    )
    assert context.system_properties.get("model_dir") == "/models"
    assert context.get_all_request_header(0)["Accept"] == "application/json"
    assert context.get_response_status(0) == (200, None)
    context.set_all_response_status(500, "Oh")
    assert context.get_response_status(0) == (500, "Oh")
    assert context.get_request_id(1) is None


def test_no_request_while_the_model_is_loaded() -> None:
    with pytest.raises(IndexError):
        Context("/models").get_request_header(0, "Accept")


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", "a\r\nset-cookie: b"), ("x", "ä"), ("x y", "a"), ("x:y", "a"), ("", "a"), ("x", "a\0")],
)
def test_header_that_would_break_the_answer_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="header"):
        Context("/models", CALL).set_response_header(0, name, value)


def test_framing_is_the_servers_own() -> None:
    context = Context("/models", CALL)
    context.set_response_header(0, "Content-Length", "7")
    assert context.get_response_headers(0) == {}


def test_status_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="status"):
        Context("/models", CALL).set_response_status(1000)
