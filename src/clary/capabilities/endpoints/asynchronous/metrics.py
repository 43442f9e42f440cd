"""CloudWatch's metrics of asynchronous endpoints: AWS publishes these instead of those of real-time calls.

Source of names, units and dimensions: the developer guide's page on monitoring asynchronous endpoints. The name
`InvocationsProcesssed` is spelled there so.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from clary.capabilities.endpoints.asynchronous.queue import Depth
from clary.companions.cloudwatch.store import Metric, Sample

NAMESPACE = "AWS/SageMaker"
Place = tuple[str, str, str, str]
"""Account, region, endpoint, variant."""
Found = list[tuple[Metric, Sample]]


@dataclass(slots=True)
class Tallies:
    """Since the last time they were taken. Used from one thread."""

    counts: dict[tuple[Place, str], int] = field(default_factory=dict)
    times: dict[tuple[Place, str], list[float]] = field(default_factory=dict)

    def count(self, place: Place, *names: str) -> None:
        for name in names:
            self.counts[place, name] = self.counts.get((place, name), 0) + 1

    def time(self, place: Place, name: str, seconds: float) -> None:
        self.times.setdefault((place, name), []).append(seconds * 1e6)

    def take(self, now: float) -> dict[tuple[str, str], Found]:
        """The samples of each account and region."""
        at, found = int(now * 1000), dict[tuple[str, str], Found]()
        for (place, name), count in self.counts.items():
            sample = Sample(at, "Count", count, count, 1, 1)
            found.setdefault(place[:2], []).append((_metric(name, place[2:]), sample))
        for (place, name), values in self.times.items():
            metric = _metric(name, place[2:])
            samples = ((metric, Sample(at, "Microseconds", 1, value, value, value)) for value in values)
            found.setdefault(place[:2], []).extend(samples)
        self.counts, self.times = {}, {}
        return found


def backlog(endpoint: str, depth: Depth, instances: int, now: float) -> Found:
    """What is said of a queue. Without an instance there is no backlog per instance, but perhaps one without capacity:
    AWS's advice is to scale from zero by that."""
    values = {
        "ApproximateBacklogSize": (depth.size, "Count"),
        "ApproximateAgeOfOldestRequest": (max(0.0, now - depth.oldest) if depth.size else 0.0, "Seconds"),
        "HasBacklogWithoutCapacity": (float(depth.size > 0 and not instances), "Count"),
    }
    if instances:
        values["ApproximateBacklogSizePerInstance"] = (depth.size / instances, "Count")
    at = int(now * 1000)
    return [
        (_metric(name, (endpoint,)), Sample(at, unit, 1, value, value, value)) for name, (value, unit) in values.items()
    ]


def _metric(name: str, place: Iterable[str]) -> Metric:
    return Metric(NAMESPACE, name, tuple(zip(("EndpointName", "VariantName"), place, strict=False)))
