"""The network of a workload's containers.

One container for a job shares the machine's network, as a sandboxed process does; one that serves has its own, since
all listen on port 8080; several share a network of their own, in which each has a fixed address, so that their names
are known before any of them runs and need no name server.
"""

import contextlib
import ipaddress
from typing import Any, Literal

from clary.runtime.containers.engine import Engine, EngineError
from clary.runtime.containers.find import Found
from clary.runtime.workload import Instance, Workload

FIRST = 10
"""Of the addresses that instances get; those below are the engine's."""
Mode = Literal["host", "none", "bridge", "job"]


def mode(workload: Workload) -> Mode:
    """What the workload's containers get."""
    if len(workload.instances) > 1:
        return "job"
    if workload.isolated:
        return "none"
    return "bridge" if workload.purpose == "serve" else "host"


def name(workload_id: str) -> str:
    """The network of a workload with several instances."""
    return f"clary-{workload_id}"


def open_network(workload: Workload, found: Found) -> None:
    """Make the workload's network unless it is there. Raises `EngineError`."""
    if mode(workload) != "job" or _subnet(found.engine, workload.id) is not None:
        return
    wanted = {
        "Name": name(workload.id),
        "Driver": "bridge",
        "CheckDuplicate": True,
        "Internal": workload.isolated,
        "Labels": {"clary.workload": workload.id},
    }
    found.engine.call("POST", "/networks/create", wanted, accept=(409,))


def close_network(workload_id: str, engine: Engine) -> None:
    """Remove it, once no container is in it."""
    with contextlib.suppress(EngineError):
        engine.call("DELETE", f"/networks/{name(workload_id)}", accept=(404,))


def host_config(workload: Workload, found: Found) -> dict[str, Any]:
    """The part of a create call's `HostConfig`."""
    kind = mode(workload)
    if kind != "job":
        rootless = kind == "bridge" and found.rootless and found.name == "podman"
        return {"NetworkMode": "slirp4netns" if rootless else kind}
    hosts = _addresses(workload, found)
    return {
        "NetworkMode": name(workload.id),
        "ExtraHosts": [f"{host}:{address}" for host, address in hosts.items()],
    }


def endpoint_config(workload: Workload, instance: Instance, found: Found) -> dict[str, Any]:
    """The part of a create call that gives an instance its address."""
    if mode(workload) != "job":
        return {}
    address = _addresses(workload, found)[instance.host]
    settings = {"IPAMConfig": {"IPv4Address": address}, "Aliases": [instance.host]}
    return {"NetworkingConfig": {"EndpointsConfig": {name(workload.id): settings}}}


def _addresses(workload: Workload, found: Found) -> dict[str, str]:
    subnet = _subnet(found.engine, workload.id)
    if subnet is None:
        raise EngineError(404, f"the network of {workload.id} is gone")
    return {
        instance.host: str(subnet.network_address + FIRST + number)
        for number, instance in enumerate(workload.instances)
    }


def _subnet(engine: Engine, workload_id: str) -> ipaddress.IPv4Network | None:
    try:
        found = engine.call("GET", f"/networks/{name(workload_id)}")
    except EngineError as error:
        if error.status == 404:
            return None
        raise
    ranges = [ipaddress.ip_network(each["Subnet"]) for each in found["IPAM"]["Config"] or ()]
    return next((each for each in ranges if isinstance(each, ipaddress.IPv4Network)), None)
