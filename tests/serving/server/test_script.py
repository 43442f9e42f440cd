"""Which of the user's functions are called, with what, and what stands in for those that are missing."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from clary.serving.server.invocation import Answer, Invocation, Refused, choose_accept
from clary.serving.server.script import Defaults, build, load_module


class Echo:
    """Defaults that say what they were given."""

    default_accept = "application/json"
    accepts = frozenset({"application/json", "text/csv"})

    def model_fn(self, model_dir: str) -> Any:
        return "default model"

    def input_fn(self, body: bytes | str, content_type: str) -> Any:
        return body

    def predict_fn(self, data: Any, model: Any) -> Any:
        return f"{data!r} by {model}"

    def output_fn(self, prediction: Any, accept: str) -> tuple[bytes, str]:
        return str(prediction).encode(), accept


def module(**functions: Any) -> ModuleType:
    made = ModuleType("inference")
    for name, function in functions.items():
        setattr(made, name, function)
    return made


def answer(call: Invocation, script: ModuleType | None = None, default_accept: str = "") -> Answer:
    defaults: Defaults = Echo()
    return build(script, defaults, Path("/models"), default_accept)(call)


def test_without_a_script_the_defaults_answer() -> None:
    assert answer(Invocation(b"1")) == Answer(200, "application/json", b"'1' by default model")


@pytest.mark.parametrize(
    ("content_type", "seen"),
    [
        ("text/csv", "'1'"),
        ("text/csv; charset=utf-8", "'1'"),
        ("application/json", "'1'"),
        ("", "'1'"),
        ("application/x-npy", "b'1'"),
    ],
)
def test_text_types_reach_the_input_function_as_text(content_type: str, seen: str) -> None:
    assert answer(Invocation(b"1", content_type)).body.decode() == f"{seen} by default model"


def test_each_function_of_the_script_is_used() -> None:
    script = module(
        model_fn=lambda model_dir: f"model of {model_dir}",
        input_fn=lambda body, content_type: (body, content_type),
        predict_fn=lambda data, model: (*data, model),
        output_fn=lambda prediction, accept: f"{prediction} as {accept}",
    )
    call = Invocation(b"1", "text/csv", "text/csv")
    assert answer(call, script) == Answer(200, "text/csv", b"('1', 'text/csv', 'model of /models') as text/csv")


def test_functions_may_take_the_context() -> None:
    script = module(
        model_fn=lambda model_dir, context: context.system_properties["model_dir"],
        predict_fn=lambda data, model, context: context.get_request_header(0, "X-Trace"),
    )
    assert answer(Invocation(b"1", headers={"x-trace": "7"}), script).body == b"7"


def test_transform_function_replaces_three() -> None:
    script = module(transform_fn=lambda model, body, content_type, accept: (f"{model}{body}{accept}", "text/plain"))
    assert answer(Invocation(b"1"), script) == Answer(200, "text/plain", b"default model1application/json")


def test_transform_function_beside_another_is_refused_at_start() -> None:
    script = module(transform_fn=lambda *_: "", predict_fn=lambda data, model: data)
    with pytest.raises(ValueError, match="Cannot use transform_fn implementation in conjunction with predict_fn"):
        answer(Invocation(b"1"), script)


def test_functions_around_loading_are_called_in_order() -> None:
    calls: list[str] = []
    script = module(
        pre_model_fn=lambda model_dir: calls.append("before"),
        model_fn=lambda model_dir: calls.append("load"),
        model_warmup_fn=lambda model_dir, model: calls.append("after"),
    )
    answer(Invocation(b"1"), script)
    assert calls == ["before", "load", "after"]


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("image/png, text/csv;q=0.5", "text/csv"),
        ("text/html, */*", "application/json"),
    ],
)
def test_first_supported_type_of_an_accept_list(accept: str, chosen: str) -> None:
    assert choose_accept(accept, "application/json", Echo.accepts) == chosen


def test_no_supported_type_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        choose_accept("image/png", "application/json", Echo.accepts)
    assert caught.value.status == 406


def test_own_output_function_gets_any_type_and_the_default_of_the_environment() -> None:
    script = module(output_fn=lambda prediction, accept: accept)
    assert answer(Invocation(b"1", "", "image/png"), script).body == b"image/png"
    assert answer(Invocation(b"1"), script, default_accept="text/csv").body == b"text/csv"


def test_answer_that_is_neither_text_nor_bytes_is_an_error() -> None:
    with pytest.raises(TypeError, match="output_fn must return text or bytes, not dict"):
        answer(Invocation(b"1"), module(output_fn=lambda prediction, accept: {}))


def test_script_with_its_own_modules_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "own_lib_of_script.py").write_text("name = 'mine'")
    (tmp_path / "own_script.py").write_text("from own_lib_of_script import name\n")
    assert load_module(tmp_path, "absent.py") is None
    loaded = load_module(tmp_path, "own_script.py")
    assert loaded and loaded.name == "mine"


def test_prediction_in_parts_is_an_answer_in_pieces() -> None:
    def parts(data: str, model: Any) -> Any:
        yield from data.split()

    def shouted(prediction: Any, accept: str) -> Any:
        return (part.upper() for part in prediction)

    one = answer(Invocation(b"a b", "text/csv"), module(predict_fn=parts))
    two = answer(Invocation(b"a b", "text/csv"), module(predict_fn=parts, output_fn=shouted))
    three = answer(
        Invocation(b"a b", "text/csv"),
        module(transform_fn=lambda model, body, kind, accept: (iter(body.split()), "text/x")),
    )
    assert [[*(each.pieces or ())] for each in (one, two, three)] == [[b"a", b"b"], [b"A", b"B"], [b"a", b"b"]]
    assert (one.content_type, three.content_type) == ("application/json", "text/x")
