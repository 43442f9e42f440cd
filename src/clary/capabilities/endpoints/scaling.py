"""What Application Auto Scaling may scale of endpoints: the instances of a variant."""

import re

from clary.capabilities.endpoints import api, fleet
from clary.capabilities.endpoints.fleet import Variant
from clary.capabilities.endpoints.kind import ENDPOINT
from clary.companions.application_autoscaling import Capacity, Place
from clary.resources.records import Record
from clary.resources.refusals import missing
from clary.resources.store import Store
from clary.wire.context import Parts
from clary.wire.errors import ValidationException

RESOURCE = re.compile(r"endpoint/([A-Za-z0-9-]{1,63})/variant/([A-Za-z0-9-]{1,63})")
OVER = ("Failed", "Deleting", "OutOfService")


class VariantInstances:
    """`endpoint/<name>/variant/<name>`, its DesiredInstanceCount."""

    word = "desired instance count"
    summed = "InvocationsPerInstance"

    def dimensions(self, resource: str) -> dict[str, str] | None:
        found = RESOURCE.fullmatch(resource)
        return {"EndpointName": found[1], "VariantName": found[2]} if found else None

    def least(self, parts: Parts, place: Place) -> int:
        """Only an asynchronous endpoint may have none."""
        fleets = fleet.load(_endpoint(parts, place).state)
        return 0 if fleets.current and fleets.current.asynchronous else 1

    def look(self, parts: Parts, place: Place) -> Capacity:
        record = _endpoint(parts, place)
        variant = _variant(record, place)
        failure = fleet.load(record.state).failure
        return Capacity(variant.count, len(variant.ready), record.status == "InService", failure)

    def set(self, parts: Parts, place: Place, capacity: int) -> None:
        record = _endpoint(parts, place)
        api.resize(parts, place.account, place.region, record.name, _variant(record, place).name, capacity)


def _endpoint(parts: Parts, place: Place) -> Record:
    found = RESOURCE.fullmatch(place.resource)
    name = found[1] if found else place.resource
    record = parts.need(Store).get(ENDPOINT.noun, place.account, place.region, name)
    if record is None:
        raise missing(ENDPOINT, name, f"arn:aws:sagemaker:{place.region}:{place.account}:endpoint/{name}".lower())
    if record.status in OVER:
        raise ValidationException(f'Endpoint "{record.arn}" is in status {record.status}.')
    return record


def _variant(record: Record, place: Place) -> Variant:
    current = fleet.load(record.state).current
    name = place.resource.rpartition("/")[2]
    found = next((each for each in current.variants if each.name == name), None) if current else None
    if found is None:
        raise ValidationException(f'Could not find variant "{name}" of endpoint "{record.arn}".')
    return found
