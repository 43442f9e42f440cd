"""Keeps what instances are forked from: an interpreter that has imported the framework of their models."""

from clary.capabilities import images
from clary.capabilities.endpoints.fleet import Fleets, Variant
from clary.capabilities.endpoints.place import room
from clary.capabilities.instances import NoCapacity
from clary.capabilities.model_containers.plan import preloaded
from clary.capabilities.model_containers.spec import containers
from clary.resources.records import Record
from clary.runtime.backend import Away, Backend
from clary.settings import Settings
from clary.wire.context import Parts


def warm(fleets: Fleets, record: Record, parts: Parts) -> None:
    """For the reconciler, at each look and before it starts anything: it is wanted as long as there is a variant."""
    for each in fleets.present:
        for variant in each.variants:
            _warm(variant, record, parts)


def _warm(variant: Variant, record: Record, parts: Parts) -> None:
    backend: Backend = parts.need(Backend)  # type: ignore[type-abstract]
    defined = containers(variant.model)
    if not defined:
        return
    try:
        limits = room(record, variant, parts).limits
    except (NoCapacity, Away):
        return
    for container in defined:
        if wanted := preloaded(images.framework(container["Image"]), container, limits):
            url = parts.need(Settings).url
            backend.warm(images.canonical(container["Image"], url, record.account, record.region), wanted)
