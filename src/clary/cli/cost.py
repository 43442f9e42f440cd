"""`clary cost`: what this Clary's jobs and endpoints would have cost on AWS, by job, tag or day."""

import csv
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from clary.catalogue import types
from clary.cli.api import client, every
from clary.cli.charges import Charge, charges
from clary.cli.failures import CliFailure
from clary.cli.prices import Prices
from clary.cli.screen import note, show
from clary.settings import Settings

Row = dict[str, Any]
UNTAGGED = "(untagged)"


def cost(settings: Settings, *, by: str, region: str | None, as_csv: bool, as_json: bool) -> None:
    """Raises `NotRunning`, or `CliFailure` for what is not a Region."""
    region = region or settings.region
    if region not in types.regions():
        raise CliFailure(f"{region} is not an AWS Region")
    sagemaker, prices = client(settings, "sagemaker", region), Prices(client(settings, "pricing"), region)
    found = charges(sagemaker, client(settings, "cloudwatch", region), prices, datetime.now(UTC))
    if by == "job":
        rows = [job_row(charge) for charge in found]
    elif by == "day":
        rows = grouped("day", ((day, charge, part) for charge in found for day, part in charge.days()))
    else:
        rows = grouped("tag", _by_tag(found, lambda arn: _tags(sagemaker, arn)))
    _print(rows, as_csv, as_json, f"Cost at list price in {region}")
    if not as_csv and not as_json:
        note(total(found, region, prices.date))


def job_row(charge: Charge) -> Row:
    return {
        "what": charge.what,
        "name": charge.name,
        "type": charge.instance_type,
        "count": charge.count,
        "seconds": round(charge.seconds),
        "usd_hour": charge.usd_hour,
        "usd": None if charge.usd is None else round(charge.usd, 6),
    }


@dataclass(slots=True)
class _Sum:
    hours: float = 0.0
    usd: float = 0.0
    priced: set[str] = field(default_factory=set)
    unpriced: set[str] = field(default_factory=set)


def grouped(key: str, parts: Iterator[tuple[str, Charge, float]]) -> list[Row]:
    """One row for each group, in order: `usd` of what has a price, and how many jobs and endpoints have none."""
    sums: dict[str, _Sum] = {}
    for group, charge, part in parts:
        into = sums.setdefault(group, _Sum())
        into.hours += charge.hours * part
        if charge.usd is None:
            into.unpriced.add(charge.arn)
        else:
            into.priced.add(charge.arn)
            into.usd += charge.usd * part
    return [
        {
            key: group,
            "jobs_and_endpoints": len(one.priced | one.unpriced),
            "instance_hours": round(one.hours, 6),
            "usd": round(one.usd, 6) if one.priced else None,
            "without_price": len(one.unpriced),
        }
        for group, one in sorted(sums.items())
    ]


def total(found: list[Charge], region: str, date: str) -> str:
    """A line for people."""
    known = sum(charge.usd for charge in found if charge.usd is not None)
    missing = {charge.arn for charge in found if charge.usd is None}
    source = f" (list prices of {region} as of {date})" if date else f" (no list price of {region} is known)"
    without = f"; {len(missing)} more without a known price" if missing else ""
    return f"Total: ${known:.4f}{source}{without}"


def _by_tag(found: list[Charge], tags: Callable[[str], list[str]]) -> Iterator[tuple[str, Charge, float]]:
    """A charge is in the group of each of its tags: groups may overlap, and do not add up to the total."""
    known: dict[str, list[str]] = {}
    for charge in found:
        if charge.arn not in known:
            known[charge.arn] = tags(charge.arn) or [UNTAGGED]
        yield from ((tag, charge, 1.0) for tag in known[charge.arn])


def _tags(sagemaker: Any, arn: str) -> list[str]:
    return [f"{tag['Key']}={tag['Value']}" for tag in every(sagemaker, "list_tags", "Tags", ResourceArn=arn)]


def _print(rows: list[Row], as_csv: bool, as_json: bool, title: str) -> None:
    if as_json:
        show(rows, as_json=True)
        return
    said = [{key: "unknown" if value is None else value for key, value in row.items()} for row in rows]
    if not as_csv:
        show(said, title=title)
    elif said:
        writer = csv.DictWriter(sys.stdout, said[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(said)
