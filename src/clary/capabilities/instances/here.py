"""This machine as a host of the fleet, where no file lists the hosts. `app.py` makes the `Fleet` part with it."""

import socket

from clary.catalogue.fleet import Fleet, Host, read
from clary.catalogue.types import GIB
from clary.runtime import limits
from clary.settings import Settings


def fleet(settings: Settings) -> Fleet:
    """Raises `msgspec.ValidationError` for a wrong fleet file."""
    hosts = read(settings.fleet) if settings.fleet else ()
    return Fleet(settings.region, _machine, hosts, settings.gpu_types_on_cpu)


def _machine(region: str) -> Host:
    return Host(
        name=socket.gethostname(),
        region=region,
        zone=f"{region}a",
        cpus=limits.cores(),
        memory_gib=limits.memory() / GIB,
        gpus=limits.gpus(),
    )
