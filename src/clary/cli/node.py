"""`clary node`: this machine as a node of the Ray cluster that `clary up --backend ray` runs instances on.

It becomes Ray's own process, in the foreground: Ctrl-C takes the machine out of the cluster.
"""

import importlib.util
import json
import os
import sys
from typing import NamedTuple

from clary.capabilities.instances.nodes import described, labels
from clary.catalogue.fleet import wrong
from clary.catalogue.types import GIB
from clary.cli.failures import CliFailure
from clary.cli.screen import note
from clary.runtime import limits
from clary.settings import Settings

OBJECT_STORE_BYTES = 256 * 1024 * 1024
"""Only what starts an instance passes through Ray; data does not."""


class CannotJoin(CliFailure):
    """Ray is not there, or what was said of the node is wrong."""


class Given(NamedTuple):
    """What the node has to give."""

    slots: int
    cpus: int
    memory_bytes: int
    gpus: int


def node(
    settings: Settings,
    *,
    action: str,
    address: str = "",
    ray_port: int = 0,
    slots: int | None = None,
    region: str = "",
    zone: str = "",
    types: str = "",
    cpus: int | None = None,
    memory: float | None = None,
    gpus: int | None = None,
) -> None:
    """Does not return. Raises `CannotJoin`."""
    if importlib.util.find_spec("ray") is None:
        raise CannotJoin("the package ray is not installed: pip install 'clary[ray]'")
    cores = limits.cores()
    given = Given(
        slots=_positive("slots", slots or settings.slots or max(2, 4 * cores)),
        cpus=_positive("cpus", cores if cpus is None else cpus),
        memory_bytes=_positive("memory", limits.memory() if memory is None else int(memory * GIB)),
        gpus=limits.gpus() if gpus is None else gpus,
    )
    said = _labels(region, zone, types)
    where = [f"--address={address}"] if action == "join" else ["--head", f"--port={ray_port}"]
    if action == "head":
        where.append("--include-dashboard=false")
        note(f"On each other machine:  clary node join <this machine>:{ray_port}")
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
    os.execve(sys.executable, [*command, *where, *_options(given, said)], os.environ | environment(settings))


def environment(settings: Settings) -> dict[str, str]:
    """What the node's actors find their places by. A server's home may be the same."""
    return {
        "CLARY_NODE_HOME": str(settings.home / "node"),
        "CLARY_ENVIRONMENTS": str(settings.environments or settings.home / "environments"),
    }


def _options(given: Given, said: dict[str, str]) -> list[str]:
    named = [f"--labels={','.join(f'{name}={value}' for name, value in said.items())}"] if said else []
    return [
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        f"--resources={json.dumps({'clary_slot': given.slots})}",
        f"--num-cpus={given.cpus}",
        f"--memory={given.memory_bytes}",
        f"--num-gpus={given.gpus}",
        *named,
    ]


def _labels(region: str, zone: str, types: str) -> dict[str, str]:
    if zone and not region:
        raise CannotJoin("--zone needs --region")
    said = labels(region, zone or f"{region}a", tuple(name.strip() for name in types.split(",") if name.strip()))
    if why := wrong(described("this", said)):
        raise CannotJoin(why)
    return said


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise CannotJoin(f"--{name} must be more than 0")
    return value
