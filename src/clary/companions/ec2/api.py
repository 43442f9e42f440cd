"""The operations of EC2. Instance types have EC2's names here, without `ml.`."""

from collections.abc import Iterable
from typing import Any, NoReturn

from clary.catalogue import types
from clary.catalogue.fleet import Fleet, Host, zone_id
from clary.catalogue.types import InstanceType
from clary.companions import tokens
from clary.companions.ec2.filters import matching
from clary.companions.ec2.info import info
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import Request, Response, operation

Items = list[dict[str, Any]]


@operation("DescribeRegions", "ec2")
def describe_regions(ctx: Context, request: Request) -> Response:
    """Those of the fleet are opted in; the rest of AWS's are shown when all are asked for, or named."""
    _refuse_dry_run(request)
    own = set(ctx.need(Fleet).regions)
    named = request.get("RegionNames")
    if unknown := [name for name in named or () if name not in types.regions()]:
        _invalid(f"Invalid region names: {_listed(unknown)}")
    shown = named or (types.regions() if request.get("AllRegions") else own)
    regions = [_region(name, name in own) for name in types.regions() if name in shown]
    return {"Regions": matching(ctx, "Regions", regions, request)}


def _region(name: str, own: bool) -> dict[str, Any]:
    domain = "amazonaws.com.cn" if name.startswith("cn-") else "amazonaws.com"
    status = "opted-in" if own else "not-opted-in"
    return {"RegionName": name, "Endpoint": f"ec2.{name}.{domain}", "OptInStatus": status}


@operation("DescribeAvailabilityZones", "ec2")
def describe_availability_zones(ctx: Context, request: Request) -> Response:
    """The zones of the request's Region in which the fleet has a host; each names its hosts in its messages."""
    _refuse_dry_run(request)
    fleet = ctx.need(Fleet)
    zones = [_zone(ctx.region, zone, fleet.hosts(ctx.region)) for zone in fleet.zones(ctx.region)]
    for member, key in (("ZoneNames", "ZoneName"), ("ZoneIds", "ZoneId")):
        wanted = request.get(member)
        if unknown := [name for name in wanted or () if name not in {zone[key] for zone in zones}]:
            _invalid(f"Invalid availability zone: {_listed(unknown)}")
        zones = [zone for zone in zones if not wanted or zone[key] in wanted]
    return {"AvailabilityZones": matching(ctx, "AvailabilityZones", zones, request)}


def _zone(region: str, name: str, hosts: Iterable[Host]) -> dict[str, Any]:
    return {
        "ZoneName": name,
        "ZoneId": zone_id(name),
        "RegionName": region,
        "State": "available",
        "OptInStatus": "opt-in-not-required",
        "ZoneType": "availability-zone",
        "GroupName": f"{region}-zg-1",
        "NetworkBorderGroup": region,
        "Messages": [{"Message": f"host {host.name}"} for host in hosts if host.zone == name],
    }


@operation("DescribeInstanceTypes", "ec2")
def describe_instance_types(ctx: Context, request: Request) -> Response:
    """The types that the fleet carries in the Region; those of the catalogue that it does not, when asked for."""
    _refuse_dry_run(request)
    named = request.get("InstanceTypes")
    if named and "MaxResults" in request:
        text = "The parameter instanceTypes cannot be used with the parameter maxResults"
        raise AwsError(text, code="InvalidParameterCombination", status=400)
    carried = {one.bare: one for one in ctx.need(Fleet).types(ctx.region)}
    shown = _every() if request.get("IncludeUnsupportedInRegion") else carried
    if unknown := [name for name in named or () if name not in shown]:
        text = f"The following supplied instance types do not exist: {_listed(unknown)}"
        raise AwsError(text, code="InvalidInstanceType", status=400)
    items = [info(one, bare in carried) for bare, one in sorted(shown.items()) if not named or bare in named]
    found = matching(ctx, "InstanceTypes", items, request)
    return _page(found, "InstanceTypes", lambda item: str(item["InstanceType"]), request, 100)


def _every() -> dict[str, InstanceType]:
    return {one.bare: one for one in types.every().values() if one.cpus is not None}


@operation("DescribeInstanceTypeOfferings", "ec2")
def describe_instance_type_offerings(ctx: Context, request: Request) -> Response:
    """What the fleet carries in the Region, or in each of its zones."""
    _refuse_dry_run(request)
    kind = request.get("LocationType", "region")
    items = [
        {"InstanceType": one.bare, "LocationType": kind, "Location": location}
        for location, zone in _locations(ctx, kind)
        for one in ctx.need(Fleet).types(ctx.region, zone)
    ]
    found = matching(ctx, "InstanceTypeOfferings", sorted(items, key=_place), request)
    return _page(found, "InstanceTypeOfferings", _place, request, 1000)


def _locations(ctx: Context, kind: str) -> list[tuple[str, str]]:
    """How a location is called, and the zone that it is; no zone is the whole Region."""
    if kind == "region":
        return [(ctx.region, "")]
    zones = ctx.need(Fleet).zones(ctx.region)
    if kind == "availability-zone":
        return [(zone, zone) for zone in zones]
    return [(zone_id(zone), zone) for zone in zones] if kind == "availability-zone-id" else []


def _place(item: dict[str, Any]) -> str:
    return f"{item['InstanceType']} {item['Location']}"


def _page(items: Items, member: str, key: Any, request: Request, most: int) -> Response:
    listing = f"{member} {request.get('LocationType', '')} {request.get('Filters', '')}"
    try:
        found, more = tokens.page(items, key, listing, request.get("NextToken"), request.get("MaxResults", most))
    except tokens.BadToken:
        _invalid("Invalid value for parameter NextToken.")
    return {member: found} | ({"NextToken": more} if more else {})


def _refuse_dry_run(request: Request) -> None:
    if request.get("DryRun"):
        text = "Request would have succeeded, but DryRun flag is set."
        raise AwsError(text, code="DryRunOperation", status=412)


def _listed(names: list[str]) -> str:
    return f"[{', '.join(names)}]"


def _invalid(text: str) -> NoReturn:
    raise AwsError(text, code="InvalidParameterValue", status=400)
