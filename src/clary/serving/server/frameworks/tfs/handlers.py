"""A user's script: `input_handler` and `output_handler` around the model, or one `handler` that calls it itself.

Each gets the request's body as something to `read()`, and the context that AWS's image gives.
"""

import io
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from clary.serving.server.invocation import Answer, Invocation

NAMES = ("handler", "input_handler", "output_handler")

Ask = Callable[[str, bytes], tuple[int, bytes]]
Answered = Callable[[Invocation, "Context"], Answer]


class Context(NamedTuple):
    """AWS's, in its order. There is no gRPC, so `grpc_port` is empty and `channel` is `None`."""

    model_name: str
    model_version: str
    method: str
    rest_uri: str
    grpc_port: str
    channel: None
    custom_attributes: str
    request_content_type: str
    accept_header: str
    content_length: int


def are_in(module: ModuleType) -> bool:
    """Whether a script is of this kind."""
    return any(hasattr(module, name) for name in NAMES)


def build(module: ModuleType, ask: Ask, path: Callable[[str], str]) -> Answered | None:
    """What answers through the script; `None` for a script without handlers. `path` is that of a context's URI.

    Raises `ValueError` for half a pair.
    """
    whole, before, after = (getattr(module, name, None) for name in NAMES)
    if whole is not None:
        return lambda call, context: _answer(whole(io.BytesIO(call.body), context))
    if before is None and after is None:
        return None
    if before is None or after is None:
        raise ValueError("Handlers are not implemented correctly in user script: give both input and output_handler.")

    def around(call: Invocation, context: Context) -> Answer:
        given = before(io.BytesIO(call.body), context)
        status, text = ask(path(context.rest_uri), given.encode() if isinstance(given, str) else bytes(given))
        return _answer(after(_response(status, text), context))

    return around


def _response(status: int, text: bytes) -> Any:
    """As the library `requests` would give it."""
    import requests

    made = requests.Response()
    made.status_code = status
    made.encoding = "utf-8"
    made.headers["content-type"] = "application/json"
    made._content = text
    return made


def _answer(result: Any) -> Answer:
    body, content_type = result
    return Answer(200, content_type, body.encode() if isinstance(body, str) else bytes(body))
