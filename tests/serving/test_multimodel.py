"""What the gateway does with a container that holds several models; the container is any that keeps AWS's contract."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from clary.serving.gateway import Gateway, Variant
from clary.serving.multimodel import Fetched, NotReady, Target


class Container:
    """Answers the multi-model contract, with room for `room` models; `delay`: seconds that a load takes."""

    def __init__(self, room: int = 2, delay: float = 0.0) -> None:
        self.room, self.delay = room, delay
        self.loaded: list[str] = []
        self.seen: list[str] = []
        self.tasks: list[asyncio.Task[Any]] = []

    @contextlib.asynccontextmanager
    async def at(self, socket: Path) -> AsyncIterator[None]:
        async with await asyncio.start_unix_server(self._serve, socket):
            yield
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.tasks.append(task)
        with (
            contextlib.closing(writer),
            contextlib.suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError),
        ):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                size = int(head.partition("content-length: ")[2].partition("\r\n")[0])
                body = await reader.readexactly(size)
                method, path, _ = head.split(" ", 2)
                status, value = await self._answer(method, path, body)
                text = json.dumps(value).encode()
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(text)}\r\n\r\n".encode() + text)

    async def _answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        self.seen.append(f"{method} {path}")
        if path == "/invocations":
            return 200, "prepared"
        name = path.removeprefix("/models").strip("/").removesuffix("/invoke")
        if method == "POST" and not name:
            return await self._load(json.loads(body)["model_name"])
        if not name:
            return 200, {"models": [{"modelName": each, "modelUrl": ""} for each in self.loaded]}
        if name not in self.loaded:
            return 404, "not loaded"
        if method == "DELETE":
            self.loaded.remove(name)
        return (404, "the model's own") if body == b"absent" else (200, name)

    async def _load(self, name: str) -> tuple[int, Any]:
        await asyncio.sleep(self.delay)
        if name in self.loaded:
            return 409, "there"
        if len(self.loaded) >= self.room:
            return 507, "full"
        self.loaded.append(name)
        return 200, name


class Shelf:
    """A `Source` whose models are called as their targets; the order of their use is kept."""

    place = 0

    def __init__(self, keeps: bool = True, surplus: tuple[str, ...] = ()) -> None:
        self.keeps = keeps
        self.order: list[str] = []
        self.extra = surplus
        self.removed: list[str] = []

    async def fetch(self, target: str) -> Fetched:
        return Fetched(target, 0.0)

    def used(self, name: str) -> None:
        self.order = [*(each for each in self.order if each != name), name]

    def longest_unused(self, names: Sequence[str]) -> str | None:
        return min(names, key=lambda name: self.order.index(name) if name in self.order else -1, default=None)

    async def surplus(self, keep: str) -> list[str]:
        return [name for name in self.extra if name != keep]

    async def remove(self, name: str) -> None:
        self.removed.append(name)


class Caller:
    """Calls models of one variant."""

    def __init__(self, shelf: Shelf, *sockets: Path, timeout: float = 30.0) -> None:
        self.gateway, self.shelf = Gateway(timeout), shelf
        self.variant = Variant("v", 1, tuple((socket,) for socket in sockets), models=shelf)
        self.notes: list[tuple[str, float]] = []

    async def call(self, name: str, body: bytes = b"x") -> tuple[int, Any]:
        target = Target(name, self.shelf, lambda metric, value: self.notes.append((metric, value)))
        reply = (await self.gateway.invoke(self.variant, {}, body, 0, model=target)).reply
        return reply.status, json.loads(reply.body)


def test_a_model_is_loaded_once_and_the_longest_unused_makes_room(tmp_path: Path) -> None:
    async def run() -> Container:
        container, caller = Container(), Caller(Shelf(), tmp_path / "s")
        async with container.at(tmp_path / "s"):
            for name in ("a", "b", "a", "c", "a"):
                assert await caller.call(name) == (200, name)
            hits = [value for metric, value in caller.notes if metric == "ModelCacheHit"]
            assert hits == [0, 0, 1, 0, 1]
            caller.gateway.close()
        return container

    container = asyncio.run(run())
    assert container.loaded == ["a", "c"]
    assert [seen for seen in container.seen if "invoke" not in seen and "GET" not in seen] == [
        "POST /models",
        "POST /models",
        "POST /models",
        "DELETE /models/b",
        "POST /models",
    ]


def test_a_model_that_the_container_has_lost_is_loaded_again(tmp_path: Path) -> None:
    async def run() -> list[str]:
        container, caller = Container(), Caller(Shelf(), tmp_path / "s")
        async with container.at(tmp_path / "s"):
            await caller.call("a")
            container.loaded.clear()
            assert await caller.call("a") == (200, "a")
            # But a model may itself say 404, and is then not called twice.
            assert await caller.call("a", b"absent") == (404, "the model's own")
            caller.gateway.close()
        return [seen for seen in container.seen if seen == "POST /models/a/invoke"]

    assert len(asyncio.run(run())) == 4


def test_a_model_too_large_for_the_container_is_the_containers_answer(tmp_path: Path) -> None:
    async def run() -> tuple[int, Any]:
        container, caller = Container(room=0), Caller(Shelf(), tmp_path / "s")
        async with container.at(tmp_path / "s"):
            answer = await caller.call("a")
            caller.gateway.close()
        return answer

    assert asyncio.run(run()) == (507, "full")


def test_calls_that_wait_share_a_load_which_goes_on_without_them(tmp_path: Path) -> None:
    async def run() -> list[str]:
        container, caller = Container(delay=0.5), Caller(Shelf(), tmp_path / "s", timeout=0.1)
        async with container.at(tmp_path / "s"):
            answers = await asyncio.gather(*(caller.call("a") for _ in range(3)), return_exceptions=True)
            assert [type(answer) for answer in answers] == [NotReady] * 3
            while not container.loaded:
                await asyncio.sleep(0.02)
            patient = Caller(caller.shelf, tmp_path / "s")
            assert await patient.call("a") == (200, "a")
            caller.gateway.close()
            patient.gateway.close()
        return container.seen

    assert asyncio.run(run()).count("POST /models/a/invoke") == 1


def test_a_model_behind_another_container_gets_what_that_one_answers(tmp_path: Path) -> None:
    async def run() -> tuple[int, Any, Container, Container]:
        first, second, shelf = Container(), Container(), Shelf()
        shelf.place = 1
        caller = Caller(shelf)
        caller.variant = Variant("v", 1, ((tmp_path / "1", tmp_path / "2"),), ("one", "two"), models=shelf)
        async with first.at(tmp_path / "1"), second.at(tmp_path / "2"):
            target = Target("a", shelf, lambda metric, value: None)
            forwarded = await caller.gateway.invoke(caller.variant, {}, b"x", None, model=target)
            caller.gateway.close()
        return forwarded.reply.status, forwarded.container, first, second

    status, container, first, second = asyncio.run(run())
    assert (status, container, first.seen) == (200, 1, ["POST /invocations"])
    assert [seen for seen in second.seen if "GET" not in seen] == ["POST /models", "POST /models/a/invoke"]


def test_without_a_cache_a_model_is_unloaded_after_its_last_call(tmp_path: Path) -> None:
    async def run() -> tuple[list[str], list[str]]:
        container, caller = Container(), Caller(Shelf(keeps=False), tmp_path / "s")
        async with container.at(tmp_path / "s"):
            assert {await caller.call("a") for _ in range(2)} == {(200, "a")}
            while not caller.shelf.removed:
                await asyncio.sleep(0.02)
            caller.gateway.close()
        return container.loaded, caller.shelf.removed[:1]

    assert asyncio.run(run()) == ([], ["a"])


def test_what_is_too_much_for_the_disk_is_unloaded_everywhere_first(tmp_path: Path) -> None:
    async def run() -> tuple[list[str], list[str]]:
        container, caller = Container(room=5), Caller(Shelf(), tmp_path / "s")
        async with container.at(tmp_path / "s"):
            await caller.call("old")
            caller.shelf.extra = ("old",)
            await caller.call("new")
            caller.gateway.close()
        return container.loaded, caller.shelf.removed

    assert asyncio.run(run()) == (["new"], ["old"])


@pytest.mark.parametrize("down", [False, True])
def test_each_model_has_its_instance_and_another_when_that_is_down(tmp_path: Path, down: bool) -> None:
    async def run() -> list[list[str]]:
        sockets = [tmp_path / name for name in "abc"]
        containers = [Container(room=99) for _ in sockets]
        caller = Caller(Shelf(), *sockets)
        async with contextlib.AsyncExitStack() as stack:
            for container, socket in list(zip(containers, sockets, strict=True))[1 if down else 0 :]:
                await stack.enter_async_context(container.at(socket))
            for number in [*range(20), *range(20)]:
                assert await caller.call(f"m{number}") == (200, f"m{number}")
            caller.gateway.close()
        return [container.loaded for container in containers]

    loaded = asyncio.run(run())
    assert sum(map(len, loaded)) == 20
    assert [bool(names) for names in loaded] == [not down, True, True]
