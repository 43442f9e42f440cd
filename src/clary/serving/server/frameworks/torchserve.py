"""A TorchServe handler of the user's (`SAGEMAKER_HANDLER`): `handle(data, context)`, or a class that has it.

Its batches are of one request. `pytorch.py` calls it where the variable is set.
"""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from clary.serving.server.context import Context
from clary.serving.server.invocation import Answer, Invocation, Serve, media_type

JSON = "application/json"
Handle = Callable[[list[dict[str, Any]], Context], Any]


def build(named: str, code_dir: Path, model_dir: Path) -> Serve:
    """`named`: `handler.py`, `package.module` or either with `:function`. Raises what importing it raises."""
    file, _, function = named.partition(":")
    sys.path[:0] = [str(code_dir), str(model_dir)]
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    handle = _handle(module, function, Context(str(model_dir)))

    def serve(call: Invocation) -> Answer:
        context = Context(str(model_dir), call)
        results = handle([{"body": _body(call)}], context)
        if not isinstance(results, list) or len(results) != 1:
            raise TypeError("handle must return a list of one answer for its batch of one request")
        told = dict(context.get_response_headers(0))
        body, kind = _encoded(results[0])
        return Answer(context.get_response_status(0)[0], told.pop("content-type", kind), body, told)

    return serve


def _handle(module: ModuleType, function: str, context: Context) -> Handle:
    if found := getattr(module, function or "handle", None):
        found(None, context)  # TorchServe's way of telling a function that it should load its model
        return found  # type: ignore[no-any-return]
    classes = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]
    able = [each for each in classes if hasattr(each, "handle")]
    if len(able) != 1:
        raise ValueError(f"{module.__name__} needs a function handle(data, context), or one class that has it")
    instance = able[0]()
    if hasattr(instance, "initialize"):
        instance.initialize(context)
    return instance.handle  # type: ignore[no-any-return]


def _body(call: Invocation) -> Any:
    return json.loads(call.body) if media_type(call.content_type) == JSON else call.body


def _encoded(result: Any) -> tuple[bytes, str]:
    if isinstance(result, bytes | bytearray):
        return bytes(result), "application/octet-stream"
    if isinstance(result, str):
        return result.encode(), "text/plain"
    return json.dumps(result).encode(), JSON
