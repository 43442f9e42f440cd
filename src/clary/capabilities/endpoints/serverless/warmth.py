"""Keeps what serverless instances are forked from: an interpreter that has imported the model's framework."""

from clary.capabilities import images
from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.fleet import Fleets
from clary.capabilities.endpoints.serverless import config
from clary.resources.records import Record
from clary.runtime.backend import Backend
from clary.serving.server import preload
from clary.settings import Settings
from clary.wire.context import Parts


def warm(fleets: Fleets, record: Record, parts: Parts) -> None:
    """For the reconciler, at each look: it is wanted as long as there is a serverless variant, called or not."""
    backend: Backend = parts.need(Backend)  # type: ignore[type-abstract]
    for each in fleets.present:
        for variant in each.variants:
            for container in fleet.containers(variant.model) if config.of(variant.production) else ():
                framework = images.framework(container["Image"])
                if preload.suits(framework, container.get("Environment", {})):
                    url = parts.need(Settings).url
                    backend.warm(images.canonical(container["Image"], url, record.account, record.region), framework)
