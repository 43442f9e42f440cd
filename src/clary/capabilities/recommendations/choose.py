"""Which trials a job makes: the instance types asked for, or those that suit this fleet. Pure."""

import uuid
from collections.abc import Iterable, Sequence
from itertools import islice, product
from typing import Any

from clary.capabilities.recommendations.trials import Trial
from clary.catalogue.types import InstanceType

DEFAULT_TYPES = 5
"""How many a job of type Default tries."""


def trials(record_id: str, config: dict[str, Any], types: Sequence[str]) -> tuple[Trial, ...]:
    """`types`: what a job tries that names none, nor an endpoint. The user's own endpoints come last."""
    wanted = list(_wanted(config, types))
    limit = config.get("ResourceLimit", {}).get("MaxNumberOfTests", len(wanted))
    made = [
        Trial(number=number, endpoint=_name(record_id, number), **members)
        for number, members in enumerate(wanted[:limit])
    ]
    theirs = [entry["EndpointName"] for entry in config.get("Endpoints", [])]
    made += [Trial(number=len(made) + at, endpoint=name, own=False) for at, name in enumerate(theirs)]
    return tuple(made)


def _wanted(config: dict[str, Any], types: Sequence[str]) -> Iterable[dict[str, Any]]:
    own: list[dict[str, Any]] = [] if config.get("Endpoints") else [{"InstanceType": name} for name in types]
    given: list[dict[str, Any]] = config.get("EndpointConfigurations") or own
    for entry in given:
        for environment in _environments(entry.get("EnvironmentParameterRanges", {})):
            members = {"instance_type": entry.get("InstanceType", ""), "environment": environment}
            yield members | ({"serverless": entry["ServerlessConfig"]} if "ServerlessConfig" in entry else {})


def _environments(ranges: dict[str, Any]) -> Iterable[dict[str, str]]:
    """Every combination of the values; one without any where none are given."""
    parameters = ranges.get("CategoricalParameterRanges", [])
    names = [each["Name"] for each in parameters]
    return (dict(zip(names, values, strict=True)) for values in product(*(each["Value"] for each in parameters)))


def _name(record_id: str, number: int) -> str:
    """In AWS's form, and always the same: what a crash left is found again."""
    return f"sm-epc-{uuid.uuid5(uuid.NAMESPACE_OID, f'{record_id}/{number}')}"


def suitable(types: Iterable[InstanceType], cpus: int, memory_mib: float, supported: Sequence[str]) -> list[str]:
    """For a job that names none: the cheapest of each size that fits whole, current generations first.

    Where nothing fits, the smallest are capped. `supported`: those of the container, where it says.
    """
    able = [one for one in types if "hosting" in one.uses and (not supported or one.name in supported)]
    fit = [one for one in able if (one.cpus or 0) <= cpus and (one.mib or 0) <= memory_mib]
    if not fit:
        return [one.name for one in islice(sorted(able, key=_size), DEFAULT_TYPES)]
    if supported:
        return [one.name for one in sorted(fit, key=_cost)[:DEFAULT_TYPES]]
    by_size: dict[tuple[Any, ...], InstanceType] = {}
    for one in sorted(fit, key=_cost):
        by_size.setdefault((one.cpus, one.mib, one.gpus), one)
    return [one.name for one in sorted(by_size.values(), key=_cost)[:DEFAULT_TYPES]]


def _cost(one: InstanceType) -> tuple[bool, bool, float, str]:
    return not one.current, one.usd is None, one.usd or 0.0, one.name


def _size(one: InstanceType) -> tuple[int, int, str]:
    return one.cpus or 0, one.mib or 0, one.name
