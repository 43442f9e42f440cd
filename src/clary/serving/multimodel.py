"""What the gateway knows of containers with several models: which has loaded what, and how it is made to load more.

A call of a loaded model goes straight to it. A model that is not known to be loaded is fetched, then loaded by the
container's `POST /models`; where the container has no memory left, the one that was used longest ago is unloaded first.
Nothing here must be right for longer than a moment: the container is the truth, and what it answers corrects it.
"""

import asyncio
import contextlib
import json
import time
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import msgspec

from clary.serving.flow import Flow
from clary.serving.http import Pool, request_bytes
from clary.serving.reply import HttpError, Reply, TimedOut

LOAD_SECONDS = 360.0
"""AWS lets a container load a model for so long; the call that asked for it is told to come back after 60 s."""
UNLOAD_SECONDS = 60.0
REMEMBERED = 100_000
HELP = 16
"""Calls under way that an instance has more than the next before that one takes a call in its stead."""
TRIES = (False, False, False, True)
"""Whether it is the last: a model may be unloaded between two looks, by another server process say."""
UNLOADED = "x-clary-model-unloaded"
"""Header of our own model server's 404: it says that the model has not seen the call."""
MODEL_FOLDER = "/opt/ml/models/{}/model"

Note = Callable[[str, float], None]
"""Told a metric's name and its seconds, or 0 and 1 for `ModelCacheHit`, or a count for `LoadedModelCount`."""


class NoModel(HttpError):
    """The call names a model that is not there, or is none."""


class NotReady(HttpError):
    """It is still being loaded."""


class Refused(Exception):
    """The container did not load it; what it said is the answer."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model's name in the container, and the seconds that fetching it took; 0: it was there."""

    name: str
    seconds: float


class Source(Protocol):
    """Where a container's models come from, and the folder that it sees them in."""

    @property
    def place(self) -> int:
        """Of the container among those of its instance."""

    @property
    def keeps(self) -> bool:
        """Whether models stay loaded after a call."""

    async def fetch(self, target: str) -> Fetched:
        """Have it in the folder. Raises `NoModel`."""

    def used(self, name: str) -> None:
        """It was called just now."""

    def longest_unused(self, names: Sequence[str]) -> str | None:
        """Of these."""

    async def surplus(self, keep: str) -> list[str]:
        """Names of those that are too much for the disk, never `keep`."""

    async def remove(self, name: str) -> None:
        """From the folder."""


class Target(msgspec.Struct, frozen=True):
    """The model that a call is for."""

    name: str
    source: Source
    note: Note


class Models:
    """One per server process, used from its event loop."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, str], str] = {}
        self._loading: dict[tuple[Path, str], asyncio.Task[str]] = {}
        self._calls: dict[tuple[Path, str], int] = {}
        self._chores: set[asyncio.Task[None]] = set()

    def in_order(self, instances: list[list[Pool]], target: Target) -> list[list["Pool | Line"]]:
        """Instances as this model prefers them, each with a line to it in place of its container's pool.

        By the model's name alone, which all server processes know: so it is loaded in one instance. The next one
        helps out where the first has much more to do.
        """
        place = target.source.place
        ranked = _ranked(instances, target) if len(instances) > 1 else instances
        containers = [pools[place] for pools in ranked]
        return [[*pools[:place], Line(self, pools[place], containers, target), *pools[place + 1 :]] for pools in ranked]

    def known(self, socket: Path, target: Target) -> str | None:
        return self._known.get((socket, target.name))

    def forget(self, socket: Path, target: Target) -> None:
        self._known.pop((socket, target.name), None)

    async def load(self, pool: Pool, others: Sequence[Pool], target: Target, timeout: float) -> str:
        """Its name in the container. Goes on when the caller no longer waits: raises `NotReady` then."""
        key = (pool.socket, target.name)
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.get_running_loop().create_task(self._load(pool, others, target))
            task.add_done_callback(lambda done: self._loaded(key, done))
        start = time.perf_counter()
        await asyncio.wait((task,), timeout=timeout)
        target.note("ModelLoadingWaitTime", time.perf_counter() - start)
        if not task.done():
            raise NotReady(f"model {target.name} is being loaded")
        return task.result()

    def _loaded(self, key: tuple[Path, str], done: asyncio.Task[str]) -> None:
        self._loading.pop(key, None)
        if done.cancelled() or done.exception():
            return
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[key] = done.result()

    async def _load(self, pool: Pool, others: Sequence[Pool], target: Target) -> str:
        fetched = await target.source.fetch(target.name)
        if fetched.seconds:
            target.note("ModelDownloadingTime", fetched.seconds)
        for surplus in await target.source.surplus(fetched.name):
            for each in others:
                await self._unload(each, surplus, target.note)
            await target.source.remove(surplus)
        start = time.perf_counter()
        body = json.dumps({"model_name": fetched.name, "url": MODEL_FOLDER.format(fetched.name)}).encode()
        try:
            reply = await _ask(pool, "POST", "/models", body, LOAD_SECONDS)
            while reply.status == 507 and await self.make_room(pool, target, fetched.name):
                reply = await _ask(pool, "POST", "/models", body, LOAD_SECONDS)
        except TimedOut as error:
            raise NotReady(f"model {target.name} was not loaded within {LOAD_SECONDS:g} seconds") from error
        if reply.status not in (200, 409):
            raise Refused(reply)
        target.note("ModelLoadingTime", time.perf_counter() - start)
        target.source.used(fetched.name)
        await self._count(pool, target)
        return fetched.name

    async def make_room(self, pool: Pool, target: Target, keep: str) -> bool:
        """Unload the model that was used longest ago. False when there is none but `keep`."""
        names = [name for name in await _listed(pool) if name != keep]
        oldest = target.source.longest_unused(names)
        if oldest is None:
            return False
        await self._unload(pool, oldest, target.note)
        return True

    async def _unload(self, pool: Pool, name: str, note: Note) -> None:
        for key in [key for key, known in self._known.items() if known == name and key[0] == pool.socket]:
            del self._known[key]
        start = time.perf_counter()
        with contextlib.suppress(HttpError):
            reply = await _ask(pool, "DELETE", f"/models/{name}", b"", UNLOAD_SECONDS)
            if reply.status == 200:
                note("ModelUnloadingTime", time.perf_counter() - start)

    async def _count(self, pool: Pool, target: Target) -> None:
        with contextlib.suppress(HttpError):
            target.note("LoadedModelCount", len(await _listed(pool)))

    def begun(self, socket: Path, name: str) -> None:
        self._calls[socket, name] = self._calls.get((socket, name), 0) + 1

    def ended(self, pool: Pool, name: str, target: Target) -> None:
        """The last call of a model that is not to be kept unloads it."""
        left = self._calls[pool.socket, name] = self._calls[pool.socket, name] - 1
        if not left:
            del self._calls[pool.socket, name]
            chore = asyncio.get_running_loop().create_task(self._let_go(pool, name, target))
            self._chores.add(chore)
            chore.add_done_callback(self._chores.discard)

    async def _let_go(self, pool: Pool, name: str, target: Target) -> None:
        await self._unload(pool, name, target.note)
        await target.source.remove(name)


def _ranked(instances: list[list[Pool]], target: Target) -> list[list[Pool]]:
    place = target.source.place
    ranked = sorted(instances, key=lambda pools: zlib.crc32(f"{target.name}\0{pools[place].socket}".encode()))
    if ranked[0][place].outstanding > ranked[1][place].outstanding + HELP:
        ranked[:2] = ranked[1], ranked[0]
    return ranked


class Line:
    """To one model of a container, as a `Pool` is to a container that is one model."""

    def __init__(self, models: Models, pool: Pool, others: Sequence[Pool], target: Target) -> None:
        self._models, self._pool, self._others, self._target = models, pool, others, target

    @property
    def outstanding(self) -> int:
        return self._pool.outstanding

    async def send(self, request: bytes, timeout: float) -> Reply:
        """Like `Pool.send`; `request` is one to `/invocations`. Raises `NoModel` and `NotReady` too."""
        end = time.monotonic() + timeout
        name = self._known()
        for last in TRIES:
            try:
                name = name or await self._load(end)
            except Refused as refused:
                return refused.reply
            reply = await self._call(name, request, end)
            if last or reply.status < 400 or not await self._is_unloaded(reply, name, end):
                break
            name = None
        return reply

    async def open(self, request: bytes, timeout: float) -> Flow:
        """Like `Pool.open`. Raises `Refused` for a model that the container does not load, and what `send` raises."""
        end = time.monotonic() + timeout
        name = self._known()
        for last in TRIES:
            name = name or await self._load(end)
            self._target.source.used(name)
            flow = await self._pool.open(_addressed(request, name, self._target.name), end - time.monotonic())
            head = Reply(flow.head.status, flow.head.headers, b"")
            if last or head.status < 400 or not await self._is_unloaded(head, name, end):
                break
            flow.close()
            name = None
        return flow

    def _known(self) -> str | None:
        name = self._models.known(self._pool.socket, self._target)
        self._target.note("ModelCacheHit", 1.0 if name else 0.0)
        return name

    async def _load(self, end: float) -> str:
        return await self._models.load(self._pool, self._others, self._target, end - time.monotonic())

    def _call(self, name: str, request: bytes, end: float) -> Awaitable[Reply]:
        addressed = _addressed(request, name, self._target.name)
        source = self._target.source
        if not source.keeps:
            return self._call_once(name, addressed, end)
        source.used(name)
        return self._pool.send(addressed, end - time.monotonic())

    async def _call_once(self, name: str, addressed: bytes, end: float) -> Reply:
        self._models.begun(self._pool.socket, name)
        try:
            return await self._pool.send(addressed, end - time.monotonic())
        finally:
            self._models.ended(self._pool, name, self._target)

    async def _is_unloaded(self, reply: Reply, name: str, end: float) -> bool:
        """Whether the answer is the container's, and the call can be made again."""
        if reply.status == 507:
            return await self._models.make_room(self._pool, self._target, name)
        if reply.status != 404:
            return False
        if UNLOADED not in reply.headers:
            shown = await _ask(self._pool, "GET", f"/models/{name}", b"", end - time.monotonic())
            if shown.status == 200:
                return False
        self._models.forget(self._pool.socket, self._target)
        return True


def _addressed(request: bytes, name: str, target: str) -> bytes:
    """The request to `/invocations` as one to the model."""
    first = f"POST /models/{name}/invoke HTTP/1.1\r\nx-amzn-sagemaker-target-model: {target}\r\n"
    return first.encode("latin-1") + request[request.index(b"\n") + 1 :]


async def _ask(pool: Pool, method: str, path: str, body: bytes, timeout: float) -> Reply:
    headers = [("content-type", "application/json")] if body else []
    return await pool.send(request_bytes(method, path, headers, body), timeout)


async def _listed(pool: Pool) -> list[str]:
    """All models that the container has loaded, page by page; those of a page that makes no sense are none."""
    names: list[str] = []
    token = ""
    while True:
        query = f"?next_page_token={quote(token, safe='')}" if token else ""
        reply = await _ask(pool, "GET", f"/models{query}", b"", UNLOAD_SECONDS)
        try:
            page = json.loads(reply.body)
            found = [str(each["modelName"]) for each in page["models"]]
            after = str(page.get("nextPageToken") or "")
        except (ValueError, KeyError, TypeError, AttributeError):
            return names
        if not found or not after or after == token or len(names) > REMEMBERED:
            return names + found
        names, token = names + found, after
