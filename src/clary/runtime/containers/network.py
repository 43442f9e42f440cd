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
TRIES = 10
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
    wanted = _plain(workload.id, name(workload.id)) | {"Internal": workload.isolated}
    for _ in range(TRIES):
        if found.name == "docker":
            wanted["IPAM"] = {"Config": [{"Subnet": _unused(workload.id, found.engine)}]}
        try:
            found.engine.call("POST", "/networks/create", wanted, accept=(409,))
            return
        except EngineError as error:
            # Another network took it meanwhile.
            if "overlap" not in str(error):
                raise
    raise EngineError(0, "other networks take every range of addresses that the container engine offers")


def close_network(workload_id: str, engine: Engine) -> None:
    """Remove it, once no container is in it."""
    for each in (name(workload_id), _trial(workload_id)):
        with contextlib.suppress(EngineError):
            engine.remove(f"/networks/{each}")


def _plain(workload_id: str, called: str) -> dict[str, Any]:
    return {"Name": called, "Driver": "bridge", "CheckDuplicate": True, "Labels": {"clary.workload": workload_id}}


def _unused(workload_id: str, engine: Engine) -> str:
    """A range of addresses that Docker would take: it lets containers have fixed ones only where it was told a range.

    What it takes by itself is neither another network's nor one that the machine has a route to.
    """
    trial = _trial(workload_id)
    engine.call("POST", "/networks/create", _plain(workload_id, trial), accept=(409,))
    try:
        found = _ranges(engine, trial)
    finally:
        engine.remove(f"/networks/{trial}")
    if not found:
        raise EngineError(0, "the container engine gives its networks no addresses of version 4")
    return str(found[0])


def _trial(workload_id: str) -> str:
    return f"{name(workload_id)}-trial"


def host_config(workload: Workload, found: Found) -> dict[str, Any]:
    """The part of a create call's `HostConfig`."""
    kind = mode(workload)
    if kind == "bridge":
        # The engine knows its own name for it.
        return {"NetworkMode": "slirp4netns" if found.rootless and found.name == "podman" else kind}
    own = {instance.host: "127.0.0.1" for instance in workload.instances}
    hosts = _addresses(workload, found) if kind == "job" else own
    return {
        "NetworkMode": name(workload.id) if kind == "job" else kind,
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
        return next(iter(_ranges(engine, name(workload_id))), None)
    except EngineError as error:
        if error.status == 404:
            return None
        raise


def _ranges(engine: Engine, called: str) -> list[ipaddress.IPv4Network]:
    found = engine.call("GET", f"/networks/{called}")
    ranges = [ipaddress.ip_network(each["Subnet"]) for each in found["IPAM"]["Config"] or ()]
    return [each for each in ranges if isinstance(each, ipaddress.IPv4Network)]
