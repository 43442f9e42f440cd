"""A call of a serverless variant: it takes a slot, waits for the slot's instance if need be, and is sent there.

The slot it holds is the demand that the controller sees. Whoever waits wakes the controller again and again, and looks
for itself whether the instance answers: nothing on the way waits for a timer.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.fleet import Fleets
from clary.capabilities.endpoints.metering import Call, Meter
from clary.capabilities.endpoints.serverless.config import MOST_BYTES
from clary.capabilities.endpoints.serverless.on_demand import OnDemand
from clary.capabilities.model_containers.plan import HOST
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.runtime.backend import Backend
from clary.serving.gateway import NoInstance, Variant
from clary.serving.ready import ready
from clary.serving.serial import Forwarded
from clary.serving.slots import Slots
from clary.wire.errors import AwsError

PATIENCE_SECONDS = 58.0
"""From a call's arrival to its answer: AWS and its clients give up after 60 s."""
LOOK_SECONDS = 0.01
POKE_SECONDS = 0.5
REMEMBERED = 1000

Send = Callable[[Variant], Awaitable[Forwarded]]


def check(request: dict[str, Any]) -> None:
    """Raises ValidationError for a call that serverless endpoints do not take."""
    if len(request.get("Body", b"")) > MOST_BYTES:
        raise AwsError(
            f"The request body may hold at most {MOST_BYTES} bytes for a serverless endpoint.",
            code="ValidationError",
            status=400,
        )


class Serverless:
    """One per server process, on its event loop."""

    def __init__(self, store: Store, backend: Backend, wake: Wake, meter: Meter) -> None:
        self._store, self._backend, self._wake, self._meter = store, backend, wake, meter
        self._slots: dict[Path, Slots] = {}
        self._looked: dict[str, tuple[float, Fleets | None]] = {}

    async def invoke(self, variant: Variant, told: OnDemand, send: Send) -> Forwarded:
        """Raises ThrottlingException above MaxConcurrency, ModelNotReadyException when no instance comes up in time,
        and what `send` raises."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        slots = self._open(told)
        slot = slots.take(_order(told))
        if slot is None:
            raise AwsError("Rate exceeded", code="ThrottlingException", status=429)
        try:
            self._count(variant, told, slot)
            return await self._seated(variant, told, slot, deadline, send)
        finally:
            slots.give(slot)

    async def _seated(self, variant: Variant, told: OnDemand, slot: int, deadline: float, send: Send) -> Forwarded:
        sockets = told.ready[slot] if slot < len(told.ready) else None
        while True:
            if sockets is None:
                sockets = await self._started(variant, told, slot, deadline)
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    return await send(replace(variant, sockets=(sockets,), instances=()))
            except AwsError as error:
                if not isinstance(error.__cause__, NoInstance):
                    raise
                # It ended a moment ago; the call has reached nobody.
                sockets = None
            except TimeoutError:
                raise _late(variant) from None

    async def _started(self, variant: Variant, told: OnDemand, slot: int, deadline: float) -> tuple[Path, ...]:
        """The sockets of the slot's instance once it answers."""
        began = time.monotonic()
        next_poke = began
        while (now := time.monotonic()) < deadline:
            if now >= next_poke:
                self._wake.poke(told.record)
                next_poke = now + POKE_SECONDS
            sockets = self._planned(variant, told, slot)
            if sockets and await ready(sockets, min(POKE_SECONDS, deadline - now)):
                self._meter.set_up(_call(variant, told), time.monotonic() - began)
                return sockets
            await asyncio.sleep(LOOK_SECONDS)
        raise AwsError(
            f"Variant {variant.name} has no instance that is ready; its resources are still being provisioned.",
            code="ModelNotReadyException",
            status=429,
        )

    def _planned(self, variant: Variant, told: OnDemand, slot: int) -> tuple[Path, ...] | None:
        """Where the slot's instance is called, started or not: of the fleet that serves now."""
        fleets = self._look(told.record)
        for each in fleets.serving.variants if fleets and fleets.serving else ():
            if each.name == variant.name and slot < len(each.instances):
                return tuple(self._backend.socket(name, HOST) for name in each.instances[slot].workloads)
        return None

    def _look(self, record_id: str) -> Fleets | None:
        """Read once for all calls that wait."""
        at, known = self._looked.get(record_id, (0.0, None))
        now = time.monotonic()
        if now - at < LOOK_SECONDS:
            return known
        record = self._store.by_id(record_id)
        if len(self._looked) > REMEMBERED:
            self._looked.clear()
        found = fleet.load(record.state) if record else None
        self._looked[record_id] = (now, found)
        return found

    def _open(self, told: OnDemand) -> Slots:
        slots = self._slots.get(told.slots)
        if slots is None:
            if len(self._slots) > REMEMBERED:
                self._forget()
            try:
                slots = self._slots[told.slots] = Slots(told.slots)
            except FileNotFoundError:
                raise AwsError(
                    f"Endpoint {told.endpoint} of account {told.account} not found.", code="ValidationError", status=400
                ) from None
        return slots

    def _forget(self) -> None:
        for file in [file for file, slots in self._slots.items() if not slots.mine]:
            self._slots.pop(file).close()

    def _count(self, variant: Variant, told: OnDemand, slot: int) -> None:
        """Slots are taken from the first on, so the number of one is about how many are in use."""
        counts, parts = [], {"ServerlessConcurrentExecutionsUtilization": (slot + 1) / told.most}
        if told.provisioned:
            kind = "Invocations" if slot < told.provisioned else "SpilloverInvocations"
            counts.append(f"ServerlessProvisionedConcurrency{kind}")
            parts["ServerlessProvisionedConcurrencyUtilization"] = min(1.0, (slot + 1) / told.provisioned)
        self._meter.use(_call(variant, told), *counts, **parts)


def _order(told: OnDemand) -> list[int]:
    """Slots in the order in which they are tried: those whose instance is ready, then the others, lowest first."""
    count = min(len(told.ready), told.most)
    warm = [slot for slot in range(count) if told.ready[slot] is not None]
    return [*warm, *(slot for slot in range(told.most) if slot >= count or told.ready[slot] is None)]


def _late(variant: Variant) -> AwsError:
    name = variant.containers[0]
    message = f"Your invocation timed out while waiting for a response from container {name}"
    return AwsError(
        f'Received server error (0) from {name} with message "{message}"',
        code="ModelError",
        status=424,
        OriginalStatusCode=0,
        OriginalMessage=message,
    )


def _call(variant: Variant, told: OnDemand) -> Call:
    return Call(told.account, told.region, told.endpoint, variant.name)
