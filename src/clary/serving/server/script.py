"""User code: `model_fn`, `input_fn`, `predict_fn`, `output_fn` or `transform_fn`, with a framework's defaults.

The functions' signatures are AWS's inference toolkit's; each may take one more argument, the context
(`context.py`).
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from clary.serving.server.context import Context
from clary.serving.server.invocation import TEXT_TYPES, Answer, Invocation, Serve, choose_accept, media_type

Function = Callable[..., Any]


class Defaults(Protocol):
    """What a framework does where the user's script says nothing. Each may raise `Refused`."""

    default_accept: str
    accepts: frozenset[str]

    def model_fn(self, model_dir: str) -> Any: ...

    def input_fn(self, body: bytes | str, content_type: str) -> Any: ...

    def predict_fn(self, data: Any, model: Any) -> Any: ...

    def output_fn(self, prediction: Any, accept: str) -> tuple[bytes, str]: ...


def load_module(code_dir: Path, program: str) -> ModuleType | None:
    """The user's script with its folder and `lib/` importable; `None` when there is no such file."""
    file = code_dir / program
    if not file.is_file():
        return None
    wanted = (str(file.parent), str(code_dir), str(code_dir / "lib"))
    sys.path[:0] = [folder for folder in dict.fromkeys(wanted) if folder not in sys.path]
    return importlib.import_module(file.stem)


def build(module: ModuleType | None, defaults: Defaults, model_dir: Path, default_accept: str = "") -> Serve:
    """Load the model through the script and return what answers calls.

    Raises `ValueError` when the script gives `transform_fn` beside one that it replaces.
    """
    given = {name: getattr(module, name, None) for name in FUNCTIONS}
    folder = str(model_dir)
    model = _load(given, defaults, folder)
    accept = default_accept or defaults.default_accept
    transform = given["transform_fn"]
    if transform is None:
        return _pipeline(given, defaults, model, accept, folder)
    if rivals := [name for name in FUNCTIONS[1:4] if given[name]]:
        raise ValueError(f"Cannot use transform_fn implementation in conjunction with {', '.join(rivals)}")
    return _transformer(transform, model, accept, folder)


def execution_parameters(module: ModuleType | None) -> Function | None:
    """The script's own answer to `GET /execution-parameters`, where it gives one."""
    return getattr(module, "execution_parameters_fn", None)


FUNCTIONS = ("model_fn", "input_fn", "predict_fn", "output_fn", "transform_fn", "pre_model_fn", "model_warmup_fn")


def _load(given: dict[str, Function | None], defaults: Defaults, model_dir: str) -> Any:
    context = Context(model_dir)
    if prepare := given["pre_model_fn"]:
        _with_context(prepare, 1)(context, model_dir)
    model = _with_context(given["model_fn"] or defaults.model_fn, 1)(context, model_dir)
    if warm_up := given["model_warmup_fn"]:
        _with_context(warm_up, 2)(context, model_dir, model)
    return model


def _pipeline(
    given: dict[str, Function | None], defaults: Defaults, model: Any, default_accept: str, model_dir: str
) -> Serve:
    three = [given[name] or getattr(defaults, name) for name in FUNCTIONS[1:4]]
    read, predict, write = (_with_context(function, 2) for function in three)
    own_output = given["output_fn"] is not None
    accepts = None if own_output else defaults.accepts
    with_context = any(_takes_context(function, 2) for function in three)

    def serve(call: Invocation) -> Answer:
        context = Context(model_dir, call) if with_context else None
        accept = _accept(call, default_accept, accepts)
        data = read(context, _decoded(call), call.content_type or JSON)
        prediction = predict(context, data, model)
        if isinstance(prediction, Iterator) and not own_output:
            return _answer(context, _each_written(partial(write, context), prediction, accept), accept)
        return _answer(context, write(context, prediction, accept), accept)

    return serve


def _each_written(write: Function, predictions: Iterator[Any], accept: str) -> Iterator[Any]:
    """What a framework's default `output_fn` makes of each part of a prediction that comes in parts."""
    for prediction in predictions:
        yield write(prediction, accept)[0]


def _transformer(function: Function, model: Any, default_accept: str, model_dir: str) -> Serve:
    with_context = _takes_context(function, 4)
    transform = _with_context(function, 4)

    def serve(call: Invocation) -> Answer:
        context = Context(model_dir, call) if with_context else None
        accept = _accept(call, default_accept, None)
        given = _decoded(call), call.content_type or JSON, accept
        return _answer(context, transform(context, model, *given), accept)

    return serve


JSON = "application/json"


def _accept(call: Invocation, default: str, supported: frozenset[str] | None) -> str:
    """A user's `output_fn` sees the first type the client named; the defaults, the first they can write."""
    if supported is not None:
        return choose_accept(call.accept, default, supported)
    first = media_type(call.accept.partition(",")[0])
    return default if first in ("", "*/*") else first


def _decoded(call: Invocation) -> bytes | str:
    return call.body.decode() if media_type(call.content_type or JSON) in TEXT_TYPES else call.body


def _answer(context: Context | None, result: Any, accept: str) -> Answer:
    """A type given with the body counts more than one set on the context, and that more than the one asked for."""
    status = context.get_response_status(0)[0] if context else 200
    told = dict(context.get_response_headers(0)) if context else {}
    default = told.pop("content-type", accept)
    body, content_type = result if isinstance(result, tuple) and len(result) == 2 else (result, default)
    if isinstance(body, Iterator):
        return Answer(status, content_type, b"", told, (_bytes(piece) for piece in body))
    return Answer(status, content_type, _bytes(body), told)


def _bytes(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    if body is None:
        return b""
    raise TypeError(f"output_fn must return text or bytes, not {type(body).__name__}")


def _with_context(function: Function, arguments: int) -> Function:
    """`function` as called with the context first, which is dropped unless it takes it."""
    if _takes_context(function, arguments):
        return lambda context, *given: function(*given, context)
    return lambda context, *given: function(*given)


def _takes_context(function: Function, arguments: int) -> bool:
    """Whether it takes one argument more than it needs."""
    try:
        inspect.signature(function).bind(*range(arguments + 1))
    except TypeError:
        return False
    return True
