"""What is in the fleet: a file's hosts, a Ray cluster's nodes, or this machine. `app.py` makes it a part."""

import socket

from clary.capabilities.instances import nodes
from clary.catalogue.fleet import Fleet, Host, read
from clary.catalogue.types import GIB
from clary.runtime import limits
from clary.settings import Settings


def fleet(settings: Settings) -> Fleet:
    """Raises `msgspec.ValidationError` for a wrong fleet file."""
    if settings.backend == "ray":
        return Fleet(settings.region, lambda: nodes.hosts(settings.home), settings.gpu_types_on_cpu)
    if settings.fleet:
        hosts = read(settings.fleet)
        return Fleet(settings.region, lambda: hosts, settings.gpu_types_on_cpu)
    return Fleet(settings.region, _machine, settings.gpu_types_on_cpu)


def _machine() -> tuple[Host, ...]:
    memory = limits.memory() / GIB
    host = Host(
        name=socket.gethostname(), region="", zone="", cpus=limits.cores(), memory_gib=memory, gpus=limits.gpus()
    )
    return (host,)
