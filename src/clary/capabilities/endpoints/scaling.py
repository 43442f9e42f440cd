"""What Application Auto Scaling may scale of endpoints: the instances of a variant, or what of a
serverless one is kept ready."""

import re
from collections.abc import Mapping

from clary.capabilities.endpoints import api, fleet
from clary.capabilities.endpoints.components.scaling import ComponentCopies
from clary.capabilities.endpoints.fleet import Variant
from clary.capabilities.endpoints.kind import ENDPOINT
from clary.capabilities.endpoints.serverless import config as serverless
from clary.companions.application_autoscaling import Capacity, Place, Scalable
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
    idle_metrics: tuple[str, ...] = ("InvocationsPerInstance", "ConcurrentRequestsPerModel")

    def dimensions(self, resource: str) -> dict[str, str] | None:
        return _dimensions(resource)

    def least(self, parts: Parts, place: Place) -> int:
        """Only an asynchronous endpoint may have none."""
        fleets = fleet.load(_endpoint(parts, place).state)
        return 0 if fleets.current and fleets.current.asynchronous else 1

    def look(self, parts: Parts, place: Place) -> Capacity:
        record = _endpoint(parts, place)
        variant = _variant(record, place)
        if serverless.of(variant.production):
            raise ValidationException(f"Variant {variant.name} is a serverless variant and has no instance count.")
        failure = fleet.load(record.state).failure
        return Capacity(variant.count, len(variant.ready), record.status == "InService", failure)

    def set(self, parts: Parts, place: Place, capacity: int) -> None:
        record = _endpoint(parts, place)
        api.resize(parts, place.account, place.region, record.name, _variant(record, place).name, capacity)


class VariantProvisionedConcurrency:
    """`endpoint/<name>/variant/<name>`, the ProvisionedConcurrency of a serverless variant."""

    word = "desired provisioned concurrency"
    idle_metrics: tuple[str, ...] = ("ServerlessProvisionedConcurrencyUtilization",)

    def dimensions(self, resource: str) -> dict[str, str] | None:
        return _dimensions(resource)

    def least(self, parts: Parts, place: Place) -> int:
        return 1

    def look(self, parts: Parts, place: Place) -> Capacity:
        record = _endpoint(parts, place)
        variant = _variant(record, place)
        config = serverless.of(variant.production)
        if config is None:
            raise ValidationException(f"Variant {variant.name} is not a serverless variant.")
        count = serverless.provisioned(config)
        return Capacity(count, count, record.status == "InService", fleet.load(record.state).failure)

    def set(self, parts: Parts, place: Place, capacity: int) -> None:
        record = _endpoint(parts, place)
        api.set_provisioned(parts, place.account, place.region, record.name, _variant(record, place).name, capacity)


SCALABLE: Mapping[str, Scalable] = {
    "sagemaker:variant:DesiredInstanceCount": VariantInstances(),
    "sagemaker:variant:DesiredProvisionedConcurrency": VariantProvisionedConcurrency(),
    "sagemaker:inference-component:DesiredCopyCount": ComponentCopies(),
}
"""By scalable dimension."""


def _dimensions(resource: str) -> dict[str, str] | None:
    found = RESOURCE.fullmatch(resource)
    return {"EndpointName": found[1], "VariantName": found[2]} if found else None


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
