"""What can be scaled: each capability that has something gives a `Scalable`, `app.py` gathers them by dimension."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from clary.resources.records import Record
from clary.wire.context import Parts


class Capacity(NamedTuple):
    """`desired` was asked for last, `settled` says that no change is under way, `failure` why the last one failed."""

    desired: int
    current: int
    settled: bool
    failure: str = ""


class Place(NamedTuple):
    """A resource of one account and region, by its ResourceId."""

    account: str
    region: str
    resource: str


class Scalable(Protocol):
    """One scalable dimension of SageMaker. `word` is what AWS calls the number in its activities."""

    word: str
    idle_metrics: tuple[str, ...]
    """Metrics that have values only where there are calls, and of which sum or maximum is looked at."""

    def dimensions(self, resource: str) -> dict[str, str] | None:
        """Of its metrics; None for a ResourceId of another form."""

    def least(self, parts: Parts, place: Place) -> int:
        """The lowest MinCapacity that a target may have. Raises as `look`."""

    def look(self, parts: Parts, place: Place) -> Capacity:
        """Raises the missing error of the resource."""

    def set(self, parts: Parts, place: Place, capacity: int) -> None:
        """Ask for this many. Raises the `AwsError` that a client's call would get."""


class Scalables:
    """A part: every scalable dimension that this assembly can act on."""

    def __init__(self, by_dimension: Mapping[str, Scalable]) -> None:
        self._by_dimension = by_dimension

    def find(self, dimension: str) -> Scalable | None:
        return self._by_dimension.get(dimension)


def scalable_of(parts: Parts, record: Record) -> Scalable:
    """What a target's, a policy's or an activity's record is about."""
    found = parts.need(Scalables).find(record.spec["ScalableDimension"])
    if found is None:
        raise LookupError(f"nothing scales {record.spec['ScalableDimension']}")
    return found


def place_of(record: Record) -> Place:
    return Place(record.account, record.region, record.spec["ResourceId"])
