"""What one worker of the model server answers: requests on one side, a loaded model on the other. `front.py` asks it.

A model is called by one thread at a time, as in AWS's own servers: user code need not be thread-safe.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

from clary.serving.server import preload, streaming
from clary.serving.server.config import Config
from clary.serving.server.invocation import Answer, Invocation, Refused, Serve, text
from clary.serving.server.requests import Request

MEGABYTES_PER_BATCH = 6


@dataclass(frozen=True, slots=True)
class Work:
    """What makes an answer, or finds out what does: in the model's thread, or by `executor`. Raises nothing."""

    run: Callable[[], "Answer | Work"]
    executor: Executor | None = None


class App:
    """Of one model. `max_body`: bytes of a request's body."""

    def __init__(
        self,
        serve: Serve,
        *,
        workers: int = 1,
        max_body: int | None = None,
        execution_parameters: Callable[[], Any] | None = None,
    ) -> None:
        self.max_body = max_body
        self._serve = serve
        self._workers = workers
        self._own_parameters = execution_parameters

    def take(self, request: Request) -> Answer | Work:
        """What a request is answered, or how to find out."""
        if request.path == "/invocations" and request.method == "POST":
            return call(self._serve, request)
        if request.path == "/ping":
            return Answer(200, "", b"")
        if request.path == "/execution-parameters":
            return Work(self._execution_parameters)
        return text(404, "not found")

    def _execution_parameters(self) -> Answer:
        """The script's own, where it has them: text, bytes, a dictionary, or a response of flask's."""
        if self._own_parameters is not None:
            try:
                return _told(self._own_parameters())
            except Exception as error:
                traceback.print_exc(file=sys.stderr)
                return text(500, str(error))
        parameters = {
            # Connections fall to the workers by chance: more than one for each, so that none is idle for long.
            "MaxConcurrentTransforms": 2 * self._workers,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": MEGABYTES_PER_BATCH,
        }
        return Answer(200, "application/json", json.dumps(parameters).encode())


def call(serve: Serve, request: Request) -> Work:
    """A call of a model."""
    headers = request.headers
    invocation = Invocation(request.body, headers.get("content-type", ""), headers.get("accept", ""), headers)
    finish = streaming.begun if streaming.is_wanted(headers) else streaming.whole
    return Work(partial(guarded, serve, invocation, finish))


def guarded(serve: Serve, call: Invocation, finish: Callable[[Answer], Answer]) -> Answer:
    """The border to user code: whatever it raises becomes an answer and a line in the log."""
    try:
        return finish(serve(call))
    except Refused as refusal:
        return text(refusal.status, str(refusal))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return text(500, f"{error}\n{traceback.format_exc()}")


def load(config: Config) -> App:
    """What each worker does first. The model is loaded before a connection is accepted."""
    given = int(os.environ.get("OMP_NUM_THREADS") or config.threads)
    os.environ["OMP_NUM_THREADS"] = str(min(given, config.threads))
    preload.give_threads()
    if config.register:
        from clary.serving.server.multi.app import MultiModelApp

        return MultiModelApp(config, config.register)
    from clary.serving.server import frameworks

    loaded = frameworks.load(config)
    return App(
        loaded.serve,
        workers=config.workers,
        max_body=config.max_body,
        execution_parameters=loaded.execution_parameters,
    )


def _told(parameters: Any) -> Answer:
    if hasattr(parameters, "get_data"):
        parameters = parameters.get_data()
    if isinstance(parameters, dict):
        parameters = json.dumps(parameters)
    return Answer(200, "application/json", parameters if isinstance(parameters, bytes) else str(parameters).encode())
