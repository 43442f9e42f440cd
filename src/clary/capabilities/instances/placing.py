"""On which hosts instances may be, and what each gets there. Reconcilers ask before they start anything."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from clary.capabilities.instances.fitting import Fit, Machine, NoCapacity, fit, short_of
from clary.catalogue.fleet import Fleet, Host, lists
from clary.catalogue.types import GIB
from clary.runtime import limits
from clary.runtime.backend import Away
from clary.settings import Settings
from clary.wire.context import Context, Parts
from clary.wire.errors import ValidationException

UNKNOWN = 10**9
"""Of what a host does not say how much it has."""


@dataclass(frozen=True, slots=True)
class Placing:
    """`fit` is the smallest of all: a workload's instances are alike. `hosts`: for `Backend.room`."""

    fit: Fit
    hosts: tuple[tuple[str, ...], ...] = ()


def place(parts: Parts, region: str, types: Sequence[str]) -> Placing:
    """`types`: of each instance. Raises `NoCapacity`; `Away` where no host is known yet."""
    settings = parts.need(Settings)
    if settings.backend == "ray":
        return _on_nodes(parts.need(Fleet), region, types, settings)
    here = Machine(limits.cores(), limits.memory(), limits.gpus(), settings.processes)
    return Placing(_smallest([fit(name, here, settings.gpu_types_on_cpu) for name in sorted(set(types))]))


def check_isolation(ctx: Context, isolated: bool, count: int) -> None:
    """Nodes share their networks with whatever else is there. Raises `ValidationException`."""
    if isolated and count > 1 and ctx.need(Settings).backend == "ray":
        raise ValidationException(
            "EnableNetworkIsolation is not supported for jobs with several instances on the nodes of a Ray cluster. "
            "Use one instance, or the local backend of this Clary."
        )


def machine(host: Host, processes: int = 4096) -> Machine:
    """What a node has to give."""
    memory = UNKNOWN if host.memory_gib is None else host.memory_gib
    return Machine(
        UNKNOWN if host.cpus is None else host.cpus, int(memory * GIB), host.gpus, processes, f"node {host.name}"
    )


def _on_nodes(fleet: Fleet, region: str, types: Sequence[str], settings: Settings) -> Placing:
    if not fleet.anywhere():
        raise Away("no node of the Ray cluster is there")
    found = {name: _able(fleet.hosts(region), name, types.count(name), settings) for name in sorted(set(types))}
    fits = [one for able in found.values() for _, one in able]
    hosts = {name: tuple(host.name for host, _ in able) for name, able in found.items()}
    return Placing(_smallest(fits), tuple(hosts[name] for name in types))


def _able(hosts: Sequence[Host], name: str, count: int, settings: Settings) -> list[tuple[Host, Fit]]:
    """Those that are all that the type is, if they suffice, else also those that have less. Raises `NoCapacity`."""
    able = []
    why = NoCapacity(
        "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance "
        f"type. No node in the Region carries {name}."
    )
    for host in hosts:
        if lists(host, name):
            try:
                able.append((host, fit(name, machine(host, settings.processes), settings.gpu_types_on_cpu)))
            except NoCapacity as error:
                why = error
    whole = [(host, one) for host, one in able if not short_of(name, machine(host))]
    if not able:
        raise why
    return whole if len(whole) >= count else able


def _smallest(fits: list[Fit]) -> Fit:
    every = [one.limits for one in fits]
    least = msgspec.structs.replace(
        every[0],
        cpus=min((one.cpus for one in every if one.cpus is not None), default=None),
        memory_bytes=min((one.memory_bytes for one in every if one.memory_bytes is not None), default=None),
        gpus=min(one.gpus for one in every),
    )
    return Fit(least, next((one.note for one in fits if one.note), ""))
