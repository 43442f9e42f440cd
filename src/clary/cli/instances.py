"""`clary instances`: AWS's types beside what the hosts of this Clary can stand in for, and why not.

EC2's and Pricing's answers say what is carried where and what it costs; the fleet of the same settings says why.
"""

from typing import Any

from clary.capabilities.instances import Machine, NoCapacity, fit, fleet, short_of
from clary.catalogue import types
from clary.catalogue.fleet import Fleet, Host
from clary.catalogue.types import GIB, InstanceType
from clary.cli.api import client, every
from clary.cli.failures import CliFailure
from clary.cli.prices import Prices
from clary.cli.screen import show
from clary.settings import Settings

Row = dict[str, Any]
UNLIMITED = 10**9
"""Of what a host does not say how much it has."""


def instances(
    settings: Settings,
    *,
    usage: str | None,
    family: str | None,
    gpu: bool,
    min_memory: float,
    region: str | None,
    as_json: bool,
) -> None:
    """Raises `NotRunning`, or `CliFailure` for what AWS does not have."""
    region = region or settings.region
    if region not in types.regions():
        raise CliFailure(f"{region} is not an AWS Region")
    wanted = [one for one in types.every().values() if _wanted(one, usage, family, gpu, min_memory)]
    ec2 = client(settings, "ec2", region)
    zones = _zones(ec2)
    prices = Prices(client(settings, "pricing"), region)
    here = fleet(settings)
    rows = [_row(one, zones.get(one.bare, []), prices, here, settings, region) for one in wanted]
    show(rows if as_json else [_flat(row) for row in rows], as_json=as_json, title=f"Instance types in {region}")


def _wanted(one: InstanceType, usage: str | None, family: str | None, gpu: bool, min_memory: float) -> bool:
    return (
        (usage is None or usage in one.uses)
        and (family is None or one.family == family.removeprefix("ml."))
        and (not gpu or one.gpus > 0)
        and (one.mib or 0) >= min_memory * 1024
    )


def _zones(ec2: Any) -> dict[str, list[str]]:
    """EC2's names to the zones in which some host carries them."""
    found: dict[str, list[str]] = {}
    offers = every(ec2, "describe_instance_type_offerings", "InstanceTypeOfferings", LocationType="availability-zone")
    for offer in offers:
        found.setdefault(offer["InstanceType"], []).append(offer["Location"])
    return found


def _row(one: InstanceType, zones: list[str], prices: Prices, here: Fleet, settings: Settings, region: str) -> Row:
    state, why = _state(one, zones, here, settings, region)
    acc = one.acc
    return {
        "type": one.name,
        "vcpu": one.cpus,
        "memory_gib": one.mib / 1024 if one.mib else None,
        "accelerators": f"{acc.count} x {acc.model}, {acc.mib / 1024:.0f} GiB" if acc else "",
        "network": one.net,
        "usages": list(one.uses),
        "usd_hour": next((known for use in one.uses if (known := prices.of(one.name, use)) is not None), None),
        "zones": zones,
        "here": state,
        "why": why,
    }


def _state(one: InstanceType, zones: list[str], here: Fleet, settings: Settings, region: str) -> tuple[str, str]:
    hosts = here.hosts(region)
    if zones:
        short = [short_of(one.name, _machine(host)) for host in hosts if here.carries(host, one)]
        return ("capped", short[0]) if all(short) and short else ("fits", "")
    if one.cpus is None:
        return "refused", "nothing is known of it but its name"
    if not hosts:
        return "refused", f"no host stands in {region}"
    try:
        for host in hosts:
            fit(one.name, _machine(host), settings.gpu_types_on_cpu)
    except NoCapacity:
        return "refused", "no host has its accelerators"
    return "refused", "no host lists it"


def _machine(host: Host) -> Machine:
    memory = UNLIMITED if host.memory_gib is None else host.memory_gib
    return Machine(UNLIMITED if host.cpus is None else host.cpus, int(memory * GIB), host.gpus)


def _flat(row: Row) -> Row:
    """For people: no nulls, no lists."""
    said = {"usages": " ".join(row["usages"]), "zones": " ".join(row["zones"])}
    price = "unknown" if row["usd_hour"] is None else f"{row['usd_hour']:g}"
    unknown = {name: "" if row[name] is None else f"{row[name]:g}" for name in ("vcpu", "memory_gib")}
    return row | said | unknown | {"usd_hour": price}
