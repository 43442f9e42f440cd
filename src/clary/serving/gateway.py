"""Takes one call to one instance: picks the variant by weight and the least busy instance, forwards, measures.

`capabilities/endpoints` calls it with routes from the store; it knows sockets and HTTP and nothing of AWS.
One per server process, on the event loop.
"""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clary.serving.flow import Flow
from clary.serving.http import Pool, Room, request_bytes
from clary.serving.multimodel import Line, Models, Source, Target
from clary.serving.order import LEAST_BUSY, Order
from clary.serving.pieces import FRAMED
from clary.serving.reply import Unreachable
from clary.serving.serial import Forwarded, entry_headers, streamed_through, through

MAX_ANSWER_BYTES = 64 * 1024 * 1024
TIMEOUT_SECONDS = 60.0
"""AWS gives a model this long for one answer."""
IDLE_POOL_SECONDS = 120.0


class NoInstance(Exception):
    """No instance of the variant takes a connection now."""


@dataclass(frozen=True, slots=True)
class Variant:
    """`sockets` are those of the instances that are ready: for each instance, one for each of its containers."""

    name: str
    weight: float
    sockets: tuple[tuple[Path, ...], ...]
    containers: tuple[str, ...] = ("primary",)
    """Their names, in order."""
    direct: bool = False
    """Each call names its container; else it goes through all of them."""
    share: float = 1.0
    """Its part of the calls that are for a variant of its name."""
    config: str = ""
    """What tells variants of one name apart."""
    models: Source | None = None
    """Where one of its containers has its models from, if it has several."""
    instances: tuple[str, ...] = ()
    """What tells its instances apart, in the order of `sockets`."""
    order: Order = LEAST_BUSY
    spare: tuple[tuple[Path, ...], ...] = ()
    """Sockets of instances of the same variant of another fleet: for calls that reach none of its own."""


def choose(variants: Sequence[Variant]) -> Variant:
    """One variant, with probability weight / sum of weights. Raises `NoInstance` when no weight is above zero."""
    if len(variants) == 1:
        return variants[0]
    weights = [variant.weight for variant in variants]
    if not sum(weights):
        raise NoInstance("no variant has a weight above zero")
    return random.choices(variants, weights)[0]


def choose_named(variants: Sequence[Variant], name: str) -> Variant | None:
    """One of those of this name, by their shares."""
    named = [variant for variant in variants if variant.name == name]
    return random.choices(named, [variant.share for variant in named])[0] if len(named) > 1 else next(iter(named), None)


class Gateway:
    """Keep-alive pools to every instance in use."""

    def __init__(self, timeout: float = TIMEOUT_SECONDS) -> None:
        self._timeout = timeout
        self._pools: dict[Path, Pool] = {}
        self._room = Room()
        self._models = Models()

    async def invoke(
        self,
        variant: Variant,
        headers: Mapping[str, str],
        body: bytes,
        container: int | None = None,
        hint: bytes = b"",
        model: Target | None = None,
    ) -> Forwarded:
        """The answer of one container, or of all in a row, whatever its status. `model`: of one that has several.

        Raises `NoInstance`, another `HttpError` (its `container` says which did not answer), or `ValueError`. Only a
        call that reached no instance is tried on another one: a model may have acted on the others.
        """
        wanted = range(len(variant.containers)) if container is None else (container,)
        first = request_bytes("POST", "/invocations", entry_headers(headers, len(wanted)), body)
        for lines in self._in_order(variant, body, hint, model):
            try:
                return await through(lines, wanted, first, headers, self._timeout)
            except Unreachable:
                continue
        raise NoInstance(f"no instance of variant {variant.name} is reachable")

    async def open(
        self,
        variant: Variant,
        headers: Mapping[str, str],
        body: bytes,
        container: int | None = None,
        hint: bytes = b"",
        model: Target | None = None,
    ) -> Flow | Forwarded:
        """As `invoke`, but the last container's answer is to be taken piece by piece. Whoever gets a flow closes it.

        Of several containers, the whole answer of the first whose status is no success.
        """
        wanted = range(len(variant.containers)) if container is None else (container,)
        first = request_bytes("POST", "/invocations", (*entry_headers(headers, len(wanted)), FRAMED), body)
        for lines in self._in_order(variant, body, hint, model):
            try:
                return await streamed_through(lines, wanted, first, headers, self._timeout)
            except Unreachable:
                continue
        raise NoInstance(f"no instance of variant {variant.name} is reachable")

    def quietest(self, variant: Variant) -> int:
        """The place of the instance that would get the next call. Raises `NoInstance`."""
        if not variant.sockets:
            raise NoInstance(f"variant {variant.name} has no instance")
        order = variant.order.sort(self._lines(variant.sockets), b"", b"")
        return next(place for place, sockets in enumerate(variant.sockets) if sockets[0] == order[0][0].socket)

    def outstanding(self, variant: Variant) -> int:
        """Calls that its instances have from this process now."""
        pools = [self._pools.get(socket) for sockets in variant.sockets for socket in sockets]
        return sum([pool.outstanding for pool in pools if pool])

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def _in_order(
        self, variant: Variant, body: bytes, hint: bytes, model: Target | None
    ) -> Sequence[Sequence[Pool | Line]]:
        instances = self._lines(variant.sockets)
        if model:
            return self._models.in_order(instances, model)
        found = variant.order.sort(instances, body, hint) if len(instances) > 1 else instances
        return [*found, *self._lines(variant.spare)] if variant.spare else found

    def _lines(self, instances: Sequence[Sequence[Path]]) -> list[list[Pool]]:
        """The pools of each instance, one for each container."""
        return [[self._pool(socket) for socket in sockets] for sockets in instances]

    def _pool(self, socket: Path) -> Pool:
        pool = self._pools.get(socket)
        if pool is None:
            self._forget_unused()
            pool = self._pools[socket] = Pool(socket, MAX_ANSWER_BYTES, self._room)
        pool.used = time.monotonic()
        return pool

    def _forget_unused(self) -> None:
        """Instances come and go; a new one is the moment to drop the pools of those that went."""
        oldest = time.monotonic() - IDLE_POOL_SECONDS
        for pool in [pool for pool in self._pools.values() if pool.used < oldest and not pool.outstanding]:
            self._pools.pop(pool.socket).close()
