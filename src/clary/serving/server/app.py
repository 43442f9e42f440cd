"""One worker of the model server: HTTP on one side, a loaded model on the other. granian calls it over RSGI.

A model is called by one thread at a time, as in AWS's own servers: user code need not be thread-safe. `/ping`
is answered by the event loop meanwhile.
"""

import asyncio
import json
import os
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from clary.serving.pieces import FRAMED
from clary.serving.server import preload, streaming
from clary.serving.server.config import Config
from clary.serving.server.invocation import Answer, Invocation, Refused, Serve

MEGABYTES_PER_BATCH = 6
STREAM_SECONDS = 540.0
"""A streamed answer that takes longer has been given up by the platform, and its worker is replaced."""


class App:
    """`inline_bytes`: calls with a body up to this size are answered on the event loop, without a thread.

    Only for a `serve` known to take well under a millisecond then.
    """

    def __init__(
        self,
        serve: Serve,
        *,
        timeout: float,
        workers: int = 1,
        inline_bytes: int = -1,
        max_body: int | None = None,
        execution_parameters: Callable[[], Any] | None = None,
        stuck: Callable[[], Any],
    ) -> None:
        self._serve = serve
        self._timeout = timeout
        self._workers = workers
        self._inline_bytes = inline_bytes
        self._max_body = max_body
        self._own_parameters = execution_parameters
        self._stuck = stuck
        self._thread = ThreadPoolExecutor(1, "model")

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        if scope.path == "/invocations" and scope.method == "POST":
            reply_with(proto, await self.invoke(scope, proto, self._serve, self._inline_bytes))
        elif scope.path == "/ping":
            proto.response_empty(200, [])
        elif scope.path == "/execution-parameters":
            reply_with(proto, self._execution_parameters())
        else:
            reply_with(proto, text(404, "not found"))

    async def invoke(self, scope: Any, proto: Any, serve: Serve, inline_bytes: int) -> Answer | None:
        """The answer; `None` when it has been sent."""
        headers = dict(scope.headers.items())
        if self._max_body is not None and int(headers.get("content-length") or 0) > self._max_body:
            return text(413, f"the request holds more than {self._max_body} bytes")
        body = await proto()
        call = Invocation(body, headers.get("content-type", ""), headers.get("accept", ""), headers)
        if len(body) <= inline_bytes:
            return guarded(serve, call)
        if streaming.is_wanted(headers):
            return await self._stream(proto, serve, call)
        work = asyncio.get_running_loop().run_in_executor(self._thread, guarded, serve, call)
        done, _ = await asyncio.wait((work,), timeout=self._timeout)
        return work.result() if done else self._timed_out()

    async def _stream(self, proto: Any, serve: Serve, call: Invocation) -> Answer | None:
        """The answer, or `None` when it has been sent: piece by piece, as the model's thread makes it."""
        loop = asyncio.get_running_loop()
        begun: asyncio.Future[tuple[Answer, streaming.Outlet] | Answer] = loop.create_future()
        work = loop.run_in_executor(self._thread, _play, serve, call, loop, begun)
        done, _ = await asyncio.wait((begun,), timeout=self._timeout)
        if not done:
            return self._timed_out()
        result = begun.result()
        if isinstance(result, Answer):
            return result
        answer, outlet = result
        proto.response_file(answer.status, [*_headers(answer), FRAMED], outlet.file)
        await asyncio.wait((work,), timeout=STREAM_SECONDS)
        if not work.done():
            self._stuck()
        return None

    def _timed_out(self) -> Answer:
        """A thread cannot be ended, so the worker is, as soon as the caller has been told."""
        asyncio.get_running_loop().call_later(0.5, self._stuck)
        return text(500, f"the model did not answer within {self._timeout:g} seconds")

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


def guarded(serve: Serve, call: Invocation, finish: Callable[[Answer], Answer] = streaming.whole) -> Answer:
    """The border to user code: whatever it raises becomes an answer and a line in the log."""
    try:
        return finish(serve(call))
    except Refused as refusal:
        return text(refusal.status, str(refusal))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return text(500, f"{error}\n{traceback.format_exc()}")


def _play(serve: Serve, call: Invocation, loop: asyncio.AbstractEventLoop, begun: "asyncio.Future[Any]") -> None:
    """In the model's thread: all of an answer, also of one that is sent in pieces."""

    def tell(result: Answer | tuple[Answer, streaming.Outlet]) -> None:
        if not begun.done():
            begun.set_result(result)

    answer = guarded(serve, call, streaming.begun)
    if answer.pieces is None:
        loop.call_soon_threadsafe(tell, answer)
        return
    outlet = streaming.Outlet()
    loop.call_soon_threadsafe(tell, (answer, outlet))
    outlet.send(answer.pieces)


def worker(config: Config) -> App:
    """What each granian process runs first. The model is loaded before a connection is accepted."""
    given = int(os.environ.get("OMP_NUM_THREADS") or config.threads)
    os.environ["OMP_NUM_THREADS"] = str(min(given, config.threads))
    preload.give_threads()
    if config.register:
        from clary.serving.server.multi.app import MultiModelApp

        return MultiModelApp(config, stuck=lambda: os._exit(1))
    from clary.serving.server.frameworks import load

    loaded = load(config)
    return App(
        loaded.serve,
        timeout=config.timeout,
        workers=config.workers,
        inline_bytes=loaded.inline_bytes,
        max_body=config.max_body,
        execution_parameters=loaded.execution_parameters,
        stuck=lambda: os._exit(1),
    )


def _told(parameters: Any) -> Answer:
    if hasattr(parameters, "get_data"):
        parameters = parameters.get_data()
    if isinstance(parameters, dict):
        parameters = json.dumps(parameters)
    return Answer(200, "application/json", parameters if isinstance(parameters, bytes) else str(parameters).encode())


def text(status: int, message: str) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", message.encode())


def reply_with(proto: Any, answer: Answer | None) -> None:
    if answer is None:
        return
    headers = _headers(answer)
    if answer.status == 204:
        proto.response_empty(204, headers[1:])
    else:
        proto.response_bytes(answer.status, headers, answer.body)


def _headers(answer: Answer) -> list[tuple[str, str]]:
    return [("content-type", answer.content_type), *answer.headers.items()]
