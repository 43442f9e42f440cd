"""`clary instances`: AWS's types beside what the hosts of this Clary can stand in for, and why not.

EC2's and Pricing's answers say what is carried where and what it costs; the fleet of the same settings says why.
"""

from typing import Any

from msgspec.structs import replace

from clary.capabilities.instances import NoCapacity, fit, fleet, machine, short_of
from clary.catalogue import types
from clary.catalogue.fleet import Fleet
from clary.catalogue.types import InstanceType
from clary.cli.api import client, every
from clary.cli.failures import CliFailure
from clary.cli.prices import Prices
from clary.cli.screen import show
from clary.runtime import roster
from clary.settings import Settings

Row = dict[str, Any]


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
    # `clary up` may have been told its backend by an option.
    settings = replace(settings, backend="ray") if roster.known(settings.home) else settings
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
        short = [short_of(one.name, machine(host)) for host in hosts if here.carries(host, one)]
        return ("capped", short[0]) if all(short) and short else ("fits", "")
    if one.cpus is None:
        return "refused", "nothing is known of it but its name"
    if not hosts:
        return "refused", f"no host stands in {region}"
    try:
        for host in hosts:
            fit(one.name, machine(host), settings.gpu_types_on_cpu)
    except NoCapacity:
        return "refused", "no host has its accelerators"
    return "refused", "no host lists it"


def _flat(row: Row) -> Row:
    """For people: no nulls, no lists, and no usages, which would take half a screen."""
    return {
        "type": row["type"],
        "vCPU": _number(row["vcpu"]),
        "GiB": _number(row["memory_gib"]),
        "accelerators": row["accelerators"],
        "network": row["network"],
        "USD/h": _number(row["usd_hour"], "unknown"),
        "zones": " ".join(row["zones"]),
        "here": row["here"],
        "why": row["why"],
    }


def _number(value: float | None, unknown: str = "") -> str:
    return unknown if value is None else f"{value:g}"
