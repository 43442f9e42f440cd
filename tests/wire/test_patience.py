"""What takes too long is ended, by one timer for all."""

import asyncio

import pytest

from clary.wire.patience import Patience


def test_what_comes_in_time_is_passed_on_and_what_is_late_is_ended() -> None:
    async def journey() -> list[object]:
        patience = Patience(0.05)
        late: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        waits = [patience.wait(_soon("first")), patience.wait(late), patience.wait(_soon("third")), patience.wait(late)]
        found = await asyncio.gather(*waits, return_exceptions=True)
        # Once more, after the timer of the others has rung.
        return [*found, *await asyncio.gather(patience.wait(_never()), return_exceptions=True)]

    found = asyncio.run(journey())
    assert [each if isinstance(each, str) else type(each) for each in found] == [
        "first",
        TimeoutError,
        "third",
        TimeoutError,
        TimeoutError,
    ]


def test_who_is_cancelled_by_somebody_else_is_not_late() -> None:
    async def journey() -> bool:
        task = asyncio.create_task(Patience(60).wait(_never()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return task.cancelled()

    assert asyncio.run(journey())


def test_errors_pass() -> None:
    async def fail() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        asyncio.run(Patience(60).wait(fail()))


async def _soon(answer: str) -> str:
    await asyncio.sleep(0)
    return answer


async def _never() -> None:
    await asyncio.get_running_loop().create_future()
