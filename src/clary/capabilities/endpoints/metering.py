"""Counts calls and their times, and hands them to CloudWatch's store every few seconds, off the event loop.

However many calls there are, an interval costs a few dozen rows: counts are exact, times fall into bands 10 % wide.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from clary.companions.cloudwatch.store import Metric, MetricStore, Sample
from clary.serving.serial import Forwarded
from clary.wire.errors import AwsError

logger = logging.getLogger(__name__)

NAMESPACE = "AWS/SageMaker"
HOST_NAMESPACE = "/aws/sagemaker/Endpoints"
FLUSH_SECONDS = 10.0
BANDS = 1 / math.log(1.1)


class Shared(NamedTuple):
    """What metrics are called that are for one of several."""

    calls: str
    concurrent: str


INSTANCE = Shared("InvocationsPerInstance", "ConcurrentRequestsPerModel")
COPY = Shared("InvocationsPerCopy", "ConcurrentRequestsPerCopy")


def failures(error: Exception) -> tuple[str, ...]:
    """As what a call counts to which no model answered.

    AWS says what it counts by the statuses that models give, and nothing of calls that it refuses itself: what the
    client did wrong, or too often, counts here as such an answer would, all else as the platform's. Broken connections,
    answers that are none and timeouts are among AWS's InvocationModelErrors.
    """
    if isinstance(error, AwsError) and (error.status == 400 or error.code == "ThrottlingException"):
        return ("Invocation4XXErrors",)
    reached = not isinstance(error, AwsError) or error.code in ("ModelError", "ServiceUnavailable")
    return ("Invocation5XXErrors", *(("InvocationModelErrors",) if reached else ()))


class Call(msgspec.Struct, frozen=True):
    """What calls are counted by."""

    account: str
    region: str
    endpoint: str
    variant: str
    config: str = ""
    """The configuration that was called, while an update shifts traffic; these calls are counted by it too."""
    component: str = ""
    """The inference component that was called; its calls are counted by it too."""


@dataclass(slots=True)
class Times:
    """Band to how many fell into it and their sum, in microseconds, as AWS counts them."""

    bands: dict[int, tuple[int, float]] = field(default_factory=dict)

    def add(self, seconds: float) -> None:
        value = max(seconds * 1e6, 1.0)
        band = int(math.log(value) * BANDS)
        count, total = self.bands.get(band, (0, 0.0))
        self.bands[band] = (count + 1, total + value)


@dataclass(slots=True)
class Tally:
    """One variant since the last flush."""

    counts: dict[str, int] = field(default_factory=dict)
    model: Times = field(default_factory=Times)
    overhead: Times = field(default_factory=Times)
    containers: dict[str, Times] = field(default_factory=dict)
    """By name, where the model has several."""
    models: dict[str, Times] = field(default_factory=dict)
    """Of a multi-model container, by metric."""
    hits: dict[float, int] = field(default_factory=dict)
    """How many calls found their model loaded (1), or did not (0)."""
    loaded: list[float] = field(default_factory=list)
    """How many models there were after each load."""
    calls: int = 0
    shares: float = 0.0
    """Each call's part of one instance: 1 / instances, as AWS counts InvocationsPerInstance."""
    most: float = 0.0
    """The most calls for each instance that were under way at once."""
    running: Callable[[], int] | None = None
    """How many are under way now."""
    instances: int = 1
    """Those that `running` is about."""
    setup: Times = field(default_factory=Times)
    gauges: dict[str, Times] = field(default_factory=dict)
    """By name: parts of one, in millionths."""

    def call(self, instances: int) -> None:
        self.count("Invocations")
        self.calls += 1
        self.shares += 1 / max(1, instances)

    def count(self, *names: str) -> None:
        for name in names:
            self.counts[name] = self.counts.get(name, 0) + 1


class Meter:
    """Used from the event loop only; one per server process. A process that is killed loses its last interval.

    `instances`: how many shared the calls when this one came.
    """

    def __init__(
        self,
        store: MetricStore,
        clock: Callable[[], float] = time.time,
        flush_seconds: float = FLUSH_SECONDS,
        processes: int = 1,
    ) -> None:
        self._store = store
        self._processes = processes
        self._flush_seconds = flush_seconds
        self._clock = clock
        self._tallies: dict[Call, Tally] = {}
        self._flushing: asyncio.Task[None] | None = None

    def begins(self, call: Call, instances: int, running: Callable[[], int]) -> None:
        """`running` says how many of its variant's calls this process has under way, without this one."""
        tally = self._tally(call)
        tally.running, tally.instances = running, instances
        self._reached(tally, running() + 1)

    def _reached(self, tally: Tally, running: int) -> None:
        # Each server process sees its part of the calls; the kernel gives all about as many.
        tally.most = max(tally.most, running * self._processes / max(1, tally.instances))

    def answered(self, call: Call, instances: int, status: int, model_seconds: float, overhead_seconds: float) -> None:
        tally = self._tally(call)
        tally.call(instances)
        if status >= 400:
            tally.count("Invocation5XXErrors" if status >= 500 else "Invocation4XXErrors", "InvocationModelErrors")
        tally.model.add(model_seconds)
        tally.overhead.add(overhead_seconds)

    def passed(self, call: Call, containers: Sequence[str], forwarded: Forwarded) -> None:
        """The containers, of several, that an answered call went through: the last of them is `forwarded.container`."""
        if len(containers) == 1:
            return
        tally = self._tally(call)
        first = forwarded.container + 1 - len(forwarded.seconds)
        for name, seconds in zip(containers[first:], forwarded.seconds, strict=False):
            tally.containers.setdefault(name, Times()).add(seconds)

    def model(self, call: Call, metric: str, value: float) -> None:
        """What was noted of a model of a multi-model container: see `serving.multimodel.Note`."""
        tally = self._tally(call)
        if metric == "ModelCacheHit":
            tally.hits[value] = tally.hits.get(value, 0) + 1
        elif metric == "LoadedModelCount":
            tally.loaded.append(value)
        else:
            tally.models.setdefault(metric, Times()).add(value)

    def lost(self, call: Call, instances: int, error: Exception) -> None:
        """No answer of the model reached the client, which got `error`, if anybody did."""
        tally = self._tally(call)
        tally.call(instances)
        tally.count(*failures(error))

    def set_up(self, call: Call, seconds: float) -> None:
        """A serverless call waited so long for an instance."""
        self._tally(call).setup.add(seconds)

    def use(self, call: Call, *counts: str, **parts: float) -> None:
        """What a serverless call counts towards, and how much of what there is was in use then, from 0 to 1."""
        tally = self._tally(call)
        tally.count(*counts)
        for name, part in parts.items():
            tally.gauges.setdefault(name, Times()).add(part)

    async def flush(self) -> None:
        """Hand over what was counted since the last time."""
        tallies, self._tallies = self._tallies, {}
        now = int(self._clock() * 1000)
        for call, tally in tallies.items():
            if tally.running and (running := tally.running()):
                fresh = self._tally(call)
                fresh.running, fresh.instances = tally.running, tally.instances
                self._reached(fresh, running)
        await asyncio.to_thread(self._hand_over, tallies, now)

    def flush_now(self) -> None:
        """Likewise, blocking: for a process that is about to end."""
        tallies, self._tallies = self._tallies, {}
        self._hand_over(tallies, int(self._clock() * 1000))

    def _hand_over(self, tallies: dict[Call, Tally], now: int) -> None:
        for call, tally in tallies.items():
            self._store.add(call.account, call.region, samples(call, tally, now))

    def _tally(self, call: Call) -> Tally:
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.get_running_loop().create_task(self._flush_later())
        tally = self._tallies.get(call)
        if tally is None:
            tally = self._tallies[call] = Tally()
        return tally

    async def _flush_later(self) -> None:
        """Again and again while there is anything to count, calls that take long too."""
        while self._tallies:
            await asyncio.sleep(self._flush_seconds)
            try:
                await self.flush()
            except Exception:
                # A border: calls are served whether or not they can be counted.
                logger.exception("metrics of invocations were lost")


def samples(call: Call, tally: Tally, now: int) -> list[tuple[Metric, Sample]]:
    """A tally as CloudWatch's samples; `now` is epoch milliseconds."""
    dimensions = (("EndpointName", call.endpoint), ("VariantName", call.variant))
    found = _counted(dimensions, tally, now)
    if call.component:
        found += _counted((("InferenceComponentName", call.component),), tally, now, COPY)
    return found + _counted((("EndpointConfigName", call.config), *dimensions), tally, now) if call.config else found


def _counted(
    dimensions: tuple[tuple[str, str], ...], tally: Tally, now: int, shared_as: Shared = INSTANCE
) -> list[tuple[Metric, Sample]]:
    found = [
        (Metric(NAMESPACE, name, dimensions), Sample(now, "None", count, count, 1, 1))
        for name, count in tally.counts.items()
    ]
    if tally.calls:
        mean = tally.shares / tally.calls
        shared = Sample(now, "None", tally.calls, tally.shares, mean, mean)
        found.append((Metric(NAMESPACE, shared_as.calls, dimensions), shared))
    if tally.most:
        concurrent = Metric(NAMESPACE, shared_as.concurrent, dimensions)
        found.append((concurrent, Sample(now, "Count", 1, tally.most, tally.most, tally.most)))
    found += _bands(Metric(NAMESPACE, "ModelLatency", dimensions), tally.model, now)
    found += _bands(Metric(NAMESPACE, "OverheadLatency", dimensions), tally.overhead, now)
    found += _bands(Metric(NAMESPACE, "ModelSetupTime", dimensions), tally.setup, now)
    found += _gauges(dimensions, tally, now)
    for name, spent in tally.models.items():
        found += _bands(Metric(NAMESPACE, name, dimensions), spent, now)
    hit = Metric(NAMESPACE, "ModelCacheHit", dimensions)
    found += [(hit, Sample(now, "None", count, count * was, was, was)) for was, count in tally.hits.items()]
    loaded = Metric(HOST_NAMESPACE, "LoadedModelCount", dimensions)
    found += [(loaded, Sample(now, "None", 1, count, count, count)) for count in tally.loaded[-1:]]
    for container, times in tally.containers.items():
        own = tuple(sorted((*dimensions, ("ContainerName", container))))
        found += _bands(Metric(NAMESPACE, "ContainerLatency", own), times, now)
    return found


def _gauges(dimensions: tuple[tuple[str, str], ...], tally: Tally, now: int) -> list[tuple[Metric, Sample]]:
    bands = [(name, *band) for name, parts in tally.gauges.items() for band in parts.bands.values()]
    return [
        (Metric(NAMESPACE, name, dimensions), Sample(now, "None", count, total / 1e6, mean, mean))
        for name, count, total in bands
        for mean in [total / count / 1e6]
    ]


def _bands(metric: Metric, times: Times, now: int) -> list[tuple[Metric, Sample]]:
    return [
        (metric, Sample(now, "Microseconds", count, total, total / count, total / count))
        for count, total in times.bands.values()
    ]
