"""Ends what takes too long, with one timer for all that wait: each of them may wait for as long. The server has one."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

Result = TypeVar("Result")


class Patience:
    """Of one event loop. It costs a call a tenth of what `asyncio.timeout` does."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[asyncio.Task[Any], float] = {}
        """Of tasks that wait, who began first first."""
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, awaited: Awaitable[Result]) -> Result:
        """Raises `TimeoutError`."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task
        self._until[task] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._end_late, loop)
        try:
            return await awaited
        except asyncio.CancelledError:
            if task in self._until or task.uncancel():
                raise  # somebody else has cancelled it
            raise TimeoutError from None
        finally:
            self._until.pop(task, None)

    def _end_late(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        for task, until in list(self._until.items()):
            if until > loop.time():
                self._timer = loop.call_at(until, self._end_late, loop)
                return
            del self._until[task]
            task.cancel()
