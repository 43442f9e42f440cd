"""The nodes of a Ray cluster as hosts of the fleet: their labels say where they stand and which types they carry.

`ray.io/availability-region` and `ray.io/availability-zone` are Ray's own labels, which clusters on Kubernetes may have
anyway. Each label `instance-type.clary/<name>` is a type (`ml.m5.xlarge`) or a family (`ml.m5`); without any of them, a
node carries all.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec

from clary.catalogue.fleet import Host, wrong
from clary.catalogue.types import GIB
from clary.runtime import roster
from clary.runtime.roster import Node

log = logging.getLogger(__name__)

REGION, ZONE = "ray.io/availability-region", "ray.io/availability-zone"
TYPE = "instance-type.clary/"

_told = set[str]()


def hosts(home: Path) -> tuple[Host, ...]:
    """As last seen. A node whose labels are wrong is none, and the log says so once."""
    found = []
    for node in roster.read(home):
        host = _host(node)
        if why := wrong(host):
            _warn(f"node {node.name} takes no instances: {why}")
        else:
            found.append(host)
    return tuple(found)


def described(name: str, labelled: Mapping[str, str]) -> Host:
    """A host of which only this is known."""
    region = labelled.get(REGION, "")
    zone = (labelled.get(ZONE) or f"{region}a") if region else ""
    return Host(name=name, region=region, zone=zone, types=_types(labelled) or ("*",))


def labels(region: str, zone: str, types: tuple[str, ...]) -> dict[str, str]:
    """What a node is to be labelled with. `types`: names, or families as `ml.m5` or `ml.m5.*`."""
    place = {REGION: region, ZONE: zone} if region else {}
    return place | {f"{TYPE}{name.removesuffix('.*')}": "yes" for name in types}


def _host(node: Node) -> Host:
    known = described(node.name, node.labels)
    gib = node.memory_bytes / GIB or None
    return msgspec.structs.replace(known, cpus=node.cpus or None, memory_gib=gib, gpus=node.gpus)


def _types(labelled: Mapping[str, str]) -> tuple[str, ...]:
    names = sorted(key.removeprefix(TYPE) for key in labelled if key.startswith(TYPE))
    return tuple(name if name.count(".") > 1 else f"{name}.*" for name in names)


def _warn(text: str) -> None:
    if text not in _told:
        _told.add(text)
        log.warning(text)
