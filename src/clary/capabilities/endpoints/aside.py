"""What happens beside a call and never in its way: it is captured, and copied to the endpoint's shadow variants.

A copy is sent when the client's call is over. Its answer goes to nobody; it is counted and captured as the shadow's.
Copies under way are bounded: past that, calls are not copied.
"""

import asyncio
import random
import time
from collections.abc import Mapping

import msgspec

from clary.capabilities.endpoints.capture import Payload, Seen
from clary.capabilities.endpoints.metering import Call, Meter
from clary.capabilities.endpoints.recording import Place, Recorder
from clary.capabilities.endpoints.routes import Route
from clary.serving.gateway import Gateway, NoInstance, Variant
from clary.serving.reply import HttpError

COPIES = 64
COPIED_BYTES = 64 * 1024 * 1024
"""Of one server process, at once."""


class Asked(msgspec.Struct, frozen=True):
    """A client's call as the model was asked it."""

    account: str
    region: str
    endpoint: str
    headers: Mapping[str, str]
    body: bytes
    container: int | None


class Aside:
    """Used from the event loop only; one per server process."""

    def __init__(self, gateway: Gateway, meter: Meter, recorder: Recorder) -> None:
        self._gateway = gateway
        self._meter = meter
        self.recorder = recorder
        self._copies: set[asyncio.Task[None]] = set()
        self._copied = 0

    def captures(self, route: Route) -> bool:
        """Whether this call, by chance, is to be captured."""
        return route.capture is not None and random.random() * 100 < route.capture.percent

    def capture(self, route: Route, asked: Asked, variant: str, content_type: str, body: bytes) -> None:
        assert route.capture
        seen = Seen(
            at=time.time(),
            input=Payload(asked.headers.get("content-type", ""), asked.body),
            output=Payload(content_type, body),
            inference_id=asked.headers.get("x-amzn-sagemaker-inference-id", ""),
            custom_attributes=asked.headers.get("x-amzn-sagemaker-custom-attributes", ""),
        )
        self.recorder.add(Place(asked.account, asked.endpoint, variant, route.capture), seen)

    def copy(self, route: Route, asked: Asked) -> None:
        """To each shadow variant, by its weight."""
        for shadow in route.shadows:
            room = len(self._copies) < COPIES and self._copied + len(asked.body) <= COPIED_BYTES
            if room and shadow.sockets and random.random() < shadow.weight:
                self._copied += len(asked.body)
                task = asyncio.get_running_loop().create_task(self._send(route, shadow, asked))
                self._copies.add(task)
                task.add_done_callback(self._copies.discard)

    async def _send(self, route: Route, shadow: Variant, asked: Asked) -> None:
        start = time.perf_counter()
        call = Call(asked.account, asked.region, asked.endpoint, shadow.name)
        try:
            forwarded = await self._gateway.invoke(shadow, asked.headers, asked.body, asked.container)
        except (NoInstance, HttpError) as error:
            self._meter.lost(call, len(shadow.sockets), error)
            return
        finally:
            self._copied -= len(asked.body)
        overhead = time.perf_counter() - start - forwarded.model_seconds
        reply = forwarded.reply
        self._meter.answered(call, len(shadow.sockets), reply.status, forwarded.model_seconds, overhead)
        if 200 <= reply.status < 300 and self.captures(route):
            self.capture(route, asked, shadow.name, reply.headers.get("content-type", ""), reply.body)
