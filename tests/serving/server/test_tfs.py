"""The parts of TensorFlow Serving's contract that need no TensorFlow."""

import io
import json
import urllib.request
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import HTTPError

import pytest

from clary.serving.server.frameworks.tfs import forms, handlers, rest, versions
from clary.serving.server.invocation import Answer, Invocation, Refused


@pytest.mark.parametrize(
    ("body", "kind", "form"),
    [
        (b'{"inputs": 1, "signature_name": "s"}', "application/json", {"inputs": 1, "signature_name": "s"}),
        (b"5", "application/json", {"instances": [5]}),
        (b'{"a": 1}', "application/json; charset=utf-8", {"instances": [{"a": 1}]}),
        (b"[[1], [2]]", "application/json", {"instances": [[1], [2]]}),
        (b"[1, 2]", "application/json", {"instances": [[1, 2]]}),
        (b'{"a": 1}\n\n{"a": 2}\n', "application/jsonlines", {"instances": [{"a": 1}, {"a": 2}]}),
        (b"1,2\r\n3,4e1\r\n", "text/csv", {"instances": [[1, 2], [3, 40.0]]}),
        (b"1\n2\n", "text/csv", {"instances": [1, 2]}),
        (b'"a, b",1\n"c",2', "text/csv", {"instances": [["a, b", 1], ["c", 2]]}),
        (b"red,1\nblue,2", "text/csv", {"instances": [["red", "1"], ["blue", "2"]]}),
    ],
)
def test_forms(body: bytes, kind: str, form: forms.Form) -> None:
    assert forms.read(body, kind) == form


@pytest.mark.parametrize("body", [b"", b"{", b"[1,", b"\xff", b'{"a": 1}{"a": 2}', b"[" * 100_000])
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(forms.BadForm, match="JSON Parse error"):
        forms.read(body, "application/json")


def test_other_types_are_refused() -> None:
    with pytest.raises(Refused, match="image/png"):
        forms.read(b"", "image/png")


def test_attributes() -> None:
    given = "tfs-model-name=a, other=b,tfs-method=regress,x-tfs-model-version=3"
    assert forms.attributes(given) == {"tfs-model-name": "a", "tfs-method": "regress", "tfs-model-version": "3"}


def test_versions_of_models(tmp_path: Path) -> None:
    for name in ("export/Servo/17", "b/2", "b/10", "c"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "saved_model.pb").touch()
    assert versions.find(tmp_path) == {
        "Servo": {17: tmp_path / "export/Servo/17"},
        "b": {2: tmp_path / "b/2", 10: tmp_path / "b/10"},
    }
    with pytest.raises(ValueError, match="no SavedModel bundles found"):
        versions.find(tmp_path / "c")


def test_rest_address_answers_those_who_know_its_secret() -> None:
    def ask(path: str, body: bytes) -> tuple[int, bytes]:
        return (200, json.dumps([path, body.decode()]).encode()) if body != b"bad" else (400, b'{"error": "bad"}')

    base = rest.open_door(ask)
    with urllib.request.urlopen(f"{base}/v1/models/m:predict", data=b"x") as answer:
        assert json.load(answer) == ["/v1/models/m:predict", "x"]
    stranger = f"{base.rpartition('/')[0]}/v1/models/m"
    for url, data, status in ((f"{base}/v1/models/m:predict", b"bad", 400), (stranger, None, 404)):
        with pytest.raises(HTTPError) as refused:
            urllib.request.urlopen(url, data=data)
        assert refused.value.code == status
        refused.value.close()


def _module(**functions: Any) -> ModuleType:
    made = ModuleType("inference")
    vars(made).update(functions)
    return made


def _context(uri: str) -> handlers.Context:
    return handlers.Context("m", "", "predict", uri, "", None, "", "text/plain", "text/x", 2)


def test_handler_is_given_body_and_context() -> None:
    def handler(data: io.BytesIO, context: handlers.Context) -> tuple[str, str]:
        return f"{data.read().decode()} to {context.rest_uri}", context.accept_header

    handle = handlers.build(_module(handler=handler), lambda path, body: (200, b""), str)
    assert handle and handle(Invocation(b"ab"), _context("uri")) == Answer(200, "text/x", b"ab to uri")


def test_half_a_pair_of_handlers_is_refused() -> None:
    assert handlers.build(_module(), lambda path, body: (200, b""), str) is None
    with pytest.raises(ValueError, match="give both"):
        handlers.build(_module(input_handler=str), lambda path, body: (200, b""), str)
