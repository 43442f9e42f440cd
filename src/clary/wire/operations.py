"""Which function answers which operation.

`@operation` only marks a function; `app.py` gathers the marked ones of every capability into one `Registry`.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from clary.wire.context import Context

Request = dict[str, Any]
Response = dict[str, Any]
Handler = Callable[[Context, Request], Response | Awaitable[Response | None] | None]
Depth = Literal["executes", "records", "refuses"]
"""`refuses`: a handler only to say why not; most of what is not built has none."""


@dataclass(frozen=True)
class Operation:
    """A built operation. Where `quick`, it is a short read that runs on the event loop; the rest get a thread.

    `quick` may depend on the request. `async def` handlers always run on the loop.
    """

    service: str
    name: str
    handler: Handler
    depth: Depth = "executes"
    quick: bool | Callable[[Request], bool] = False

    @cached_property
    def waits(self) -> bool:
        """Whether its handler is an `async def`."""
        return inspect.iscoroutinefunction(self.handler)

    def is_quick(self, request: Request) -> bool:
        return self.quick if isinstance(self.quick, bool) else self.quick(request)


def operation(
    name: str, service: str = "sagemaker", *, depth: Depth = "executes", quick: bool = False
) -> Callable[[Handler], Operation]:
    """Make a handler the answer to `service`'s operation `name`."""

    def mark(handler: Handler) -> Operation:
        return Operation(service, name, handler, depth, quick)

    return mark


class Registry:
    """All built operations, by service and name. Two answers to one operation are refused at start."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._by_name: dict[tuple[str, str], Operation] = {}
        for entry in operations:
            key = (entry.service, entry.name)
            if key in self._by_name:
                raise ValueError(f"two handlers for {entry.service}.{entry.name}")
            self._by_name[key] = entry

    def find(self, service: str, name: str) -> Operation | None:
        return self._by_name.get((service, name))

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._by_name.values())
