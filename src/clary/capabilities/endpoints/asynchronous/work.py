"""Takes one request from the queue to its end: input, model, object, notification. Run by the dispatcher's event loop.

Each step is stored before the next, so whoever comes after a kill goes on where the last one stopped.
"""

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from clary.capabilities.endpoints.asynchronous import ending, notify
from clary.capabilities.endpoints.asynchronous.call import call
from clary.capabilities.endpoints.asynchronous.journal import Journal
from clary.capabilities.endpoints.asynchronous.metrics import Place, Tallies
from clary.capabilities.endpoints.asynchronous.queue import Queue
from clary.capabilities.endpoints.asynchronous.spool import NoInput, Spool
from clary.capabilities.endpoints.asynchronous.ticket import Answer, Request
from clary.companions.sns import TRIES, TRY_SECONDS, NotDelivered, Sinks
from clary.objects.errors import S3Error
from clary.objects.interface import DEFAULT_TYPE
from clary.serving.reply import HttpError

Result = TypeVar("Result")
SHOWN = 128 * 1024
"""Bytes of a model's error that are told."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seat:
    """A place of an instance that is free for one request. `containers` and `sockets` are in calling order."""

    variant: str
    workload: str
    containers: tuple[str, ...]
    sockets: tuple[Path, ...]


class Work:
    def __init__(self, queue: Queue, spool: Spool, sinks: Sinks, journal: Journal, threads: int = 8) -> None:
        self._queue, self._spool, self._sinks, self._journal = queue, spool, sinks, journal
        self.tallies = Tallies()
        self._threads = ThreadPoolExecutor(threads, "clary-async")

    async def thread(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """What would block the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(*arguments, **named))

    async def serve(self, request: Request, seat: Seat) -> None:
        """Have an instance answer it, if it can, and see it to its end."""
        place = _place(request, seat.variant)
        begun = time.time()
        self.tallies.time(place, "TimeInBacklog", begun - request.received)
        answered = await self._answer(request, seat, place)
        await self.thread(self._spool.drop, request.id)
        if answered is None:
            return
        await self.finish(answered)
        self.tallies.time(place, "TotalProcessingTime", time.time() - request.received)

    async def fail(self, request: Request, told: tuple[str, str], *counts: str) -> None:
        """End it without asking a model."""
        self.tallies.count(_place(request, ""), *counts)
        await self.finish(await self._fail(request, told, Answer(ok=False, at=time.time())))

    async def finish(self, request: Request) -> None:
        """From a known answer to the end, or to a later try."""
        if request.phase == "answered":
            stored = await self._store(request)
            if stored is None:
                return
            request = stored
        if await self._told(request):
            await self.thread(self._queue.over, [request.id])
            with suppress(OSError):
                await self.thread(self._spool.answer(request.id).unlink, missing_ok=True)

    # --- input and model

    async def _answer(self, request: Request, seat: Seat, place: Place) -> Request | None:
        """The request with its answer; `None`: it is to be tried again."""
        start = time.perf_counter()
        blank = Answer(ok=False, variant=seat.variant, workload=seat.workload)
        try:
            source = await self.thread(self._spool.input, request)
        except NoInput as error:
            self.tallies.count(place, "RequestDownloadFailures", "InvocationFailures")
            return await self._fail(request, ending.no_input(str(error)), blank)
        download = time.perf_counter() - start
        self.tallies.time(place, "RequestDownloadLatency", download)
        start = time.perf_counter()
        try:
            answered, target = await call(seat.sockets, request, source, self._spool)
        except (HttpError, ValueError) as error:
            return await self._unanswered(request, seat, place, error, blank)
        model = time.perf_counter() - start
        self.tallies.time(place, "ModelLatency", model)
        blank = msgspec.structs.replace(blank, download=download, model=model)
        if not 200 <= answered.status < 300:
            self.tallies.count(place, f"Invocation{answered.status // 100}XXErrors", "InvocationFailures")
            return await self._fail(request, await self.thread(_refusal, request, seat, answered.status, target), blank)
        self.tallies.count(place, "InvocationsProcesssed")
        await self.thread(target.rename, self._spool.answer(request.id))
        found = msgspec.structs.replace(blank, ok=True, content_type=content_type(answered.headers), size=answered.size)
        return await self._answered(request, found)

    async def _unanswered(
        self, request: Request, seat: Seat, place: Place, error: HttpError | ValueError, blank: Answer
    ) -> Request | None:
        if isinstance(error, ValueError):
            return await self._fail(request, (str(error), f"ClientError: {error}"), blank)
        pause = ending.again(request, error)
        if pause is not None:
            await self.thread(self._queue.again, request, pause, attempts=ending.attempts(request, error))
            return None
        self.tallies.count(place, "InvocationFailures")
        return await self._fail(request, ending.no_answer(request, seat.containers[-1], error), blank)

    async def _fail(self, request: Request, told: tuple[str, str], answer: Answer) -> Request:
        text, reason = told
        await self.thread(_write, self._spool.answer(request.id), text.encode())
        failure = msgspec.structs.replace(
            answer, ok=False, content_type="text/plain; charset=utf-8", reason=reason, size=len(text.encode())
        )
        return await self._answered(request, failure)

    async def _answered(self, request: Request, answer: Answer) -> Request:
        if request.ticket.topics.includes(answer.ok) and answer.size <= notify.LARGEST_INCLUDED:
            body = await self.thread(self._spool.answer(request.id).read_bytes)
            answer = msgspec.structs.replace(answer, included=base64.b64encode(body).decode())
        answer = msgspec.structs.replace(answer, at=time.time())
        await self.thread(self._queue.answered, request, answer)
        return msgspec.structs.replace(request, phase="answered", answer=answer, attempts=0)

    # --- object and notification

    async def _store(self, request: Request) -> Request | None:
        assert request.answer
        place, start = _place(request, request.answer.variant), time.perf_counter()
        try:
            await self.thread(self._spool.store, request)
        except FileNotFoundError:
            log.warning("the answer of the asynchronous request %s is lost; it is asked again", request.id)
            await self.thread(self._queue.unanswered, request)
            return None
        except S3Error as error:
            self.tallies.count(place, "ResponseUploadFailures")
            return await self._unstored(request, error)
        except Exception as error:
            # A border: the store may be away, and the answer is kept until it is back.
            log.warning("cannot store the answer of the asynchronous request %s yet: %s", request.id, error)
            await self.thread(self._queue.again, request, ending.pause(request.attempts), attempts=request.attempts + 1)
            return None
        seconds = time.perf_counter() - start
        self.tallies.time(place, "ResponseUploadLatency", seconds)
        await self.thread(self._journal.ended, request, seconds)
        return await self._now_stored(request)

    async def _unstored(self, request: Request, error: S3Error) -> Request | None:
        """An answer that nothing can make an object is a failure; a failure that cannot be one is only told."""
        assert request.answer
        if request.answer.ok:
            told = ending.no_output(request.location, str(error))
            return await self._store(await self._fail(request, told, request.answer))
        await self.thread(self._journal.ended, request, 0.0)
        return await self._now_stored(request)

    async def _now_stored(self, request: Request) -> Request:
        if notify.topic(request):
            await self.thread(self._queue.stored, request)
        return msgspec.structs.replace(request, phase="stored", attempts=0)

    async def _told(self, request: Request) -> bool:
        """Whether there is nobody left to tell."""
        if not notify.topic(request):
            return True
        try:
            await self.thread(self._sinks.send, notify.told(request))
        except Exception as error:
            # A border: whatever the sink is, its faults are not the request's.
            known = isinstance(error, NotDelivered | S3Error)
            log.warning("a notification was not delivered: %s", error, exc_info=not known)
            if request.attempts + 1 < TRIES:
                await self.thread(self._queue.again, request, TRY_SECONDS, attempts=request.attempts + 1)
                return False
            variant = request.answer.variant if request.answer else ""
            self.tallies.count(_place(request, variant), "NotificationFailures")
        return True


def content_type(headers: Mapping[str, str]) -> str:
    """What the object is stored as: a model's header that S3 could not send on is none."""
    told = headers.get("content-type", "")
    return told if told.isascii() and told.isprintable() and told else DEFAULT_TYPE


def _place(request: Request, variant: str) -> Place:
    ticket = request.ticket
    return (ticket.account, ticket.region, ticket.endpoint, variant)


def _refusal(request: Request, seat: Seat, status: int, body: Path) -> tuple[str, str]:
    ticket = request.ticket
    with body.open("rb") as file:
        text = file.read(SHOWN).decode("utf-8", "replace")
    group = f"/aws/sagemaker/Endpoints/{ticket.endpoint}"
    place = (
        f"https://{ticket.region}.console.aws.amazon.com/cloudwatch/home?region={ticket.region}"
        f"#logEventViewer:group={group} in account {ticket.account}"
    )
    return ending.model_error(_last(seat.containers), status, text, place)


def _last(containers: Sequence[str]) -> str:
    return containers[-1]


def _write(file: Path, content: bytes) -> None:
    fresh = file.with_suffix(".fresh")
    fresh.write_bytes(content)
    fresh.replace(file)
