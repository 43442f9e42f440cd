"""Users: each sends a call, waits for the whole answer, and sends the next, on a connection of its own."""

import asyncio
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

from clary.serving.load.asked import Ask, Step, Tally, is_over, step
from clary.serving.load.line import Line
from clary.serving.load.signing import Signer
from clary.serving.reply import HttpError, Reply

TIMEOUT_SECONDS = 75.0
"""Longer than a model may take: the endpoint says so first."""
SIGNED_SECONDS = 300.0
READY_SECONDS = 60.0
NOT_READY = (429, 503)
"""What an endpoint answers whose instance is being started again. It is waited for before the first step."""
PAUSE_SECONDS = 0.2
"""After an error, which is otherwise quicker than any answer."""
SHORT_SECONDS = 0.02


class Users:
    """`told` is called after each step. `trouble` is the first error that a call was answered with."""

    def __init__(
        self, ask: Ask, signer: Signer, told: Callable[[Step], None], ready_seconds: float = READY_SECONDS
    ) -> None:
        self._ask = ask
        self._told = told
        self._ready_seconds = ready_seconds
        self._requests = _Requests(ask, signer)
        self._tally = Tally()
        self._users: list[asyncio.Task[None]] = []
        self.trouble = ""
        self.over = ""

    async def run(self) -> list[Step]:
        """All steps, or as many as the limits let, or as were over when it was cancelled."""
        found: list[Step] = []
        try:
            await self._warm_up()
            for users, seconds in self._ask.steps:
                found.append(await self._step(users, seconds))
                self._told(found[-1])
                if over := is_over(self._ask, found):
                    self.over = over
                    break
        except asyncio.CancelledError:
            self.over = "it was stopped"
        finally:
            await self._have(0)
        return found

    async def _warm_up(self) -> None:
        """One call, which counts nowhere: the first of a model is slow. Again while the endpoint is not ready."""
        end = time.monotonic() + self._ready_seconds
        while time.monotonic() < end:
            line = await self._connect()
            reply = await self._answer(line) if line else None
            if line:
                line.close()
            if reply and reply.status not in NOT_READY:
                break
            await asyncio.sleep(PAUSE_SECONDS)
        self.trouble = ""

    async def _step(self, users: int, seconds: float) -> Step:
        await self._have(users)
        self._tally = Tally()
        begin = time.perf_counter()
        await asyncio.sleep(seconds)
        while self._users and not (self._tally.answered or self._tally.errors):
            # Shorter than a call: what the first one takes is what it shows.
            await asyncio.sleep(SHORT_SECONDS)
        return step(users, time.perf_counter() - begin, self._tally)

    async def _have(self, users: int) -> None:
        while len(self._users) < users:
            self._users.append(asyncio.create_task(self._user()))
        gone, self._users = self._users[users:], self._users[:users]
        for each in gone:
            each.cancel()
        await asyncio.gather(*gone, return_exceptions=True)

    async def _user(self) -> None:
        connection: Line | None = None
        try:
            while True:
                if connection is None or not connection.reusable:
                    connection = await self._connect()
                if connection is None or not await self._call(connection):
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            if connection:
                connection.close()

    async def _connect(self) -> Line | None:
        place = urlsplit(self._ask.url)
        try:
            _, made = await asyncio.get_running_loop().create_connection(Line, place.hostname or "", place.port or 80)
        except OSError as error:
            self._failed(f"the endpoint cannot be reached: {error}")
            return None
        return made

    async def _call(self, connection: Line) -> bool:
        begin = time.perf_counter()
        reply = await self._answer(connection)
        if reply is None:
            return False
        if 200 <= reply.status < 300:
            self._tally.add(time.perf_counter() - begin)
            return True
        self._failed(_said(reply))
        return False

    async def _answer(self, connection: Line) -> Reply | None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await connection.exchange(self._requests.next())
        except (HttpError, TimeoutError) as error:
            connection.close()
            self._failed(str(error) or "no answer in time")
            return None

    def _failed(self, why: str) -> None:
        self._tally.errors += 1
        self.trouble = self.trouble or why


def _said(reply: Reply) -> str:
    return f"{reply.status} {reply.headers.get('x-amzn-errortype', '')}: {reply.body[:600].decode('utf-8', 'replace')}"


class _Requests:
    """The sample payloads in turn, signed now and then rather than each time."""

    def __init__(self, ask: Ask, signer: Signer) -> None:
        """Raises `ValueError` where there is no payload."""
        self._ask, self._signer = ask, signer
        self._bodies = [file.read_bytes() for file in sorted(Path(ask.payloads).rglob("*")) if file.is_file()]
        if not self._bodies:
            raise ValueError("the archive of SamplePayloadUrl holds no file")
        self._signed = 0.0
        self._turn: Iterator[bytes] = iter(())

    def next(self) -> bytes:
        now = time.monotonic()
        if now - self._signed > SIGNED_SECONDS or not self._signed:
            self._signed, self._turn = now, cycle([self._request(body) for body in self._bodies])
        return next(self._turn)

    def _request(self, body: bytes) -> bytes:
        ask = self._ask
        given = {"content-type": ask.content_type} | ({"accept": ask.accept} if ask.accept else {})
        headers = self._signer.headers(urlsplit(ask.url).netloc, ask.path, given, body)
        lines = [f"POST {ask.path} HTTP/1.1", f"content-length: {len(body)}", *map(": ".join, headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
