"""Short writes that the event loop waits for: one thread runs all that have come and commits once.

So a request costs neither a thread's turn nor a commit of its own. Before it begins, the thread waits a moment for as
many writers as were there at the last commit: fewer commits, and the loop prepares all of them undisturbed, where
two busy threads would take the interpreter from each other at every statement. `Database.committed` hands them over; on
PostgreSQL, which has many writers, it does without.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

MOST = 32
"""Writes in one commit: other processes wait for the same lock."""
GATHER_SECONDS = 0.003
"""How long the first write waits for others, where others were there at the last commit."""

Block = Callable[[], AbstractContextManager[Any]]


@dataclass(eq=False, slots=True)
class Job:
    """`act` runs inside the transaction; what it gives or raises is told when that has been committed."""

    act: Callable[[], Any]
    told: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def run(self) -> None:
        self.error = None
        try:
            self.result = self.act()
        except BaseException as error:
            self.error = error
            raise

    def tell(self) -> None:
        if self.told.done():
            return
        if self.error is None:
            self.told.set_result(self.result)
        else:
            self.told.set_exception(self.error)


class Spoiled(Exception):
    """A write that failed had changed something, so that the others must be done again without it."""


class Batches:
    """`write` opens a transaction of the calling thread, durable when its block ends.

    `part` is the block of one write in it; it raises `Spoiled` in place of an error that left changes.
    """

    def __init__(self, write: Block, part: Block) -> None:
        self._write, self._part = write, part
        self._thread = ThreadPoolExecutor(1, "clary-commit")
        self._gate = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._running = False
        self._expected = 1
        """Writers that were there at the last commit: those in it and those that had come meanwhile."""

    async def committed(self, act: Callable[[], Any]) -> Any:
        """What `act` gave, durable; or raises what it raised, undone, or what kept the commit from being one."""
        job = Job(act, asyncio.get_running_loop().create_future())
        with self._gate:
            self._waiting.append(job)
            start, self._running = not self._running, True
            if len(self._waiting) == self._expected:
                self._gate.notify()
        if start:
            self._thread.submit(self._run)
        return await job.told

    def close(self) -> None:
        self._thread.shutdown()

    def _run(self) -> None:
        while jobs := self._take():
            self._run_all(jobs)
            self._expected = min(MOST, len(jobs) + len(self._waiting))
            _tell(jobs)

    def _run_all(self, jobs: Sequence[Job]) -> None:
        try:
            with self._write():
                for job in jobs:
                    self._run_one(job)
        except BaseException as error:
            # A border: nothing of this transaction was kept.
            if isinstance(error, Spoiled) and len(jobs) > 1:
                for job in jobs:
                    self._run_all([job])
                return
            for job in jobs:
                job.error = job.error or error

    def _run_one(self, job: Job) -> None:
        try:
            with self._part():
                job.run()
        except BaseException as error:
            if error is not job.error:
                raise

    def _take(self) -> list[Job]:
        with self._gate:
            if self._waiting:
                self._gate.wait_for(lambda: len(self._waiting) >= self._expected, GATHER_SECONDS)
            jobs = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            self._running = bool(jobs)
            return jobs


def _tell(jobs: Sequence[Job]) -> None:
    """One wake-up for each loop, of which there is one but in tests."""
    for loop in {job.told.get_loop() for job in jobs}:
        mine = [job for job in jobs if job.told.get_loop() is loop]
        # Its loop may have ended.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell_all, mine)


def _tell_all(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.tell()
