"""Gives the requests of asynchronous endpoints to free instances. Runs in the controller, beside the runner.

A thread with an event loop of its own. What it must know is in the store: it looks when a server pokes it, when a
request ends, and once a second. Calls under way are in memory only; those of a killed controller are made again.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Coroutine, Iterable
from typing import Any

from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.asynchronous import ending, metrics
from clary.capabilities.endpoints.asynchronous.config import concurrent
from clary.capabilities.endpoints.asynchronous.queue import Queue
from clary.capabilities.endpoints.asynchronous.seating import Bench, seats
from clary.capabilities.endpoints.asynchronous.ticket import Request
from clary.capabilities.endpoints.asynchronous.work import Work
from clary.companions.cloudwatch import MetricStore
from clary.resources.store import Store
from clary.runtime.backend import Backend

POLL_SECONDS = 1.0
METRICS_SECONDS = 10.0
PARTING_SECONDS = 2.0
"""How long a controller that is told to end waits for answers; afterwards the next one asks for them again."""
log = logging.getLogger(__name__)


class Dispatcher:
    """One per server that leads. `work` does what is to be done with a request, this says when and where."""

    def __init__(self, queue: Queue, work: Work, store: Store, backend: Backend, metric_store: MetricStore) -> None:
        self._queue, self._work, self._store, self._backend = queue, work, store, backend
        self._metrics = metric_store
        self._bench = Bench()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """By request."""
        self._owners: set[str] = set()
        self._without: set[str] = set()
        """Those of them that have no instance: said as soon as it is so, for alarms that scale from zero."""
        self._stopping = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._news = asyncio.Event()
        self._listener = queue.wake.listen()
        self._threads = [
            threading.Thread(target=self._run, name="clary-async"),
            threading.Thread(target=self._listen, name="clary-async-wake"),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._loop.call_soon_threadsafe(self._news.set)
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._loop.close()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            if owners := self._listener.receive(POLL_SECONDS):
                self._loop.call_soon_threadsafe(self._poked, owners)

    def _poked(self, owners: Iterable[str]) -> None:
        self._owners.update(owners)
        self._news.set()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())

    async def _main(self) -> None:
        next_poll = next_metrics = 0.0
        starved = set[str]()
        while not self._stopping.is_set():
            self._news.clear()
            now = time.monotonic()
            try:
                if now >= next_poll:
                    next_poll = now + POLL_SECONDS
                    await self._poll()
                for owner in list(self._owners):
                    await self._dispatch(owner)
                starved &= self._without
                if now >= next_metrics or self._without - starved:
                    next_metrics, starved = now + METRICS_SECONDS, set(self._without)
                    await self._publish()
            except Exception:
                # A border: the database may be away for a while, and the next look tries again.
                log.exception("could not look after the queues of asynchronous endpoints")
            await self._wait(max(0.01, next_poll - time.monotonic()))
        await self._part()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    async def _part(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=PARTING_SECONDS)
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._publish()

    async def _poll(self) -> None:
        """What needs no instance, and who has something for one."""
        now = self._store.now()
        self._owners |= await self._work.thread(self._queue.owners)
        for request in await self._work.thread(self._queue.unfinished, now):
            self._begin(request, self._work.finish(request))
        for request in await self._work.thread(self._queue.expired, now):
            told = (ending.EXPIRED, ending.EXPIRED)
            self._begin(request, self._work.fail(request, told, "ExpiredRequests", "InvocationFailures"))

    async def _dispatch(self, owner: str) -> None:
        record = await self._work.thread(self._store.by_id, owner)
        if record is None or record.status in ("Deleting", "Failed"):
            await self._give_up(owner)
            return
        fleets = fleet.load(record.state)
        config = fleets.serving.asynchronous if fleets.serving else None
        offered = seats(fleets, self._backend)
        free = self._bench.free(offered, concurrent(config or {}))
        busy = self._bench.of(owner)
        waiting = await self._work.thread(self._queue.next, owner, self._store.now(), len(busy) + len(free) + 1)
        (self._without.add if waiting and not offered else self._without.discard)(owner)
        if not waiting:
            self._owners.discard(owner)
        fresh = [each for each in waiting if each.id not in self._tasks and each.expires > self._store.now()]
        for request, seat in zip(fresh, free, strict=False):
            self._bench.take(owner, request.id, seat.workload)
            self._begin(request, self._work.serve(request, seat))

    async def _give_up(self, owner: str) -> None:
        waiting = await self._work.thread(self._queue.next, owner, float("inf"), 1000)
        if not waiting:
            self._owners.discard(owner)
        for request in waiting:
            self._begin(request, self._work.fail(request, (ending.DELETED, ending.DELETED), "InvocationFailures"))

    def _begin(self, request: Request, work: Coroutine[Any, Any, None]) -> None:
        if request.id in self._tasks:
            work.close()
            return
        self._tasks[request.id] = self._loop.create_task(self._see_through(request, work))

    async def _see_through(self, request: Request, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            # A border: the store may be away. The request is where its row says, and is taken up again.
            log.exception("the asynchronous request %s was put back", request.id)
            await asyncio.sleep(POLL_SECONDS)
        finally:
            del self._tasks[request.id]
            self._bench.leave(request.id)
            self._news.set()

    async def _publish(self) -> None:
        now, recent = self._store.now(), time.monotonic() - 60.0
        for place, found in self._work.tallies.take(now).items():
            await self._work.thread(self._metrics.add, *place, found)
        seen = {owner for owner, at in list(self._queue.seen.items()) if at > recent}
        for owner in seen | self._owners:
            await self._work.thread(self._publish_backlog, owner, now)

    def _publish_backlog(self, owner: str, now: float) -> None:
        record = self._store.by_id(owner)
        if record is None:
            return
        serving = fleet.load(record.state).serving
        instances = sum(len(variant.ready) for variant in serving.production) if serving else 0
        found = metrics.backlog(record.name, self._queue.depth(owner), instances, now)
        self._metrics.add(record.account, record.region, found)
