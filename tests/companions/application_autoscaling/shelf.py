"""Something to scale that is no endpoint: a number for each place, changed at once or when told."""

import re
from dataclasses import dataclass, field

from clary.companions.application_autoscaling import Capacity, Place
from clary.wire.context import Parts
from clary.wire.errors import ValidationException

DIMENSION = "sagemaker:variant:DesiredInstanceCount"
RESOURCE = re.compile(r"endpoint/(\w+)/variant/(\w+)")


@dataclass
class Shelf:
    word: str = "desired instance count"
    idle_metrics: tuple[str, ...] = ("InvocationsPerInstance",)
    counts: dict[Place, int] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    refusal: str = ""
    settled: bool = True

    def dimensions(self, resource: str) -> dict[str, str] | None:
        found = RESOURCE.fullmatch(resource)
        return {"EndpointName": found[1], "VariantName": found[2]} if found else None

    def least(self, parts: Parts, place: Place) -> int:
        return 1

    def look(self, parts: Parts, place: Place) -> Capacity:
        if place not in self.counts:
            raise ValidationException(f"Could not find {place.resource}.")
        count = self.counts[place]
        return Capacity(count, count, self.settled)

    def set(self, parts: Parts, place: Place, capacity: int) -> None:
        if self.refusal:
            raise ValidationException(self.refusal)
        self.asked.append(capacity)
        self.counts[place] = capacity


SHELF = Shelf()
"""The one that the companions' server scales."""
