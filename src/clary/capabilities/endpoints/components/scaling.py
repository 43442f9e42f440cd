"""What Application Auto Scaling may scale of inference components: their copies."""

import re

from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.components.api import set_copies
from clary.capabilities.endpoints.components.kind import INFERENCE_COMPONENT
from clary.companions.application_autoscaling import Capacity, Place
from clary.resources.records import Record
from clary.resources.refusals import missing
from clary.resources.store import Store
from clary.wire.context import Parts
from clary.wire.errors import ValidationException

RESOURCE = re.compile(r"inference-component/([A-Za-z0-9-]{1,63})")


class ComponentCopies:
    """`inference-component/<name>`, its CopyCount."""

    word = "desired copy count"
    idle_metrics: tuple[str, ...] = ("InvocationsPerCopy", "ConcurrentRequestsPerCopy")

    def dimensions(self, resource: str) -> dict[str, str] | None:
        found = RESOURCE.fullmatch(resource)
        return {"InferenceComponentName": found[1]} if found else None

    def least(self, parts: Parts, place: Place) -> int:
        return 0

    def look(self, parts: Parts, place: Place) -> Capacity:
        record = _component(parts, place)
        fleets = fleet.load(record.state)
        if fleets.current is None:
            raise ValidationException(f'Inference component "{record.arn}" is in status {record.status}.')
        (copy,) = fleets.current.variants
        return Capacity(copy.count, len(copy.ready), record.status == "InService", fleets.failure)

    def set(self, parts: Parts, place: Place, capacity: int) -> None:
        set_copies(parts, place.account, place.region, _component(parts, place).name, capacity)


def _component(parts: Parts, place: Place) -> Record:
    found = RESOURCE.fullmatch(place.resource)
    name = found[1] if found else place.resource
    record = parts.need(Store).get(INFERENCE_COMPONENT.noun, place.account, place.region, name)
    if record is None:
        arn = f"arn:aws:sagemaker:{place.region}:{place.account}:inference-component/{name}".lower()
        raise missing(INFERENCE_COMPONENT, name, arn)
    return record
