"""What lets AWS clients inside a job find this server and prove who they are; its variables; where its log goes."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from clary.capabilities.jobs import landing
from clary.capabilities.jobs.site import Site
from clary.companions.iam import KeyRing
from clary.companions.logs import LogStore
from clary.objects import Objects
from clary.resources.records import Record
from clary.resources.wake import Wake
from clary.runtime import network
from clary.runtime.workload import Limits, Store
from clary.settings import Settings
from clary.wire.context import Parts

PLUGIN = "/opt/clary/client"
CLIENT_PLUGIN = Path(__file__).parents[2] / "client_plugin"
OUTLIVE_RUN_SECONDS = 86400.0
"""How much longer a job's credentials last than it may run: it may wait for room before."""


def site(parts: Parts, record: Record, limits: Limits, *, group: str, hosts: Sequence[str], isolated: bool) -> Site:
    """Of a job with credentials of its role and a log stream for each host, in the log group `group`."""
    settings = parts.need(Settings)
    issued = credentials(parts, record, record.spec["StoppingCondition"]["MaxRuntimeInSeconds"])
    return Site(
        jobs=settings.home / "jobs",
        wake=str(parts.need(Wake).path),
        endpoint=settings.url,
        limits=limits,
        card=network.interface(len(hosts), isolated),
        logs={host: log_file(parts, record, group, host) for host in hosts},
        credentials={} if isolated else issued,
        store=store(parts.need(Objects), settings.url, record.region, issued),
        measure_seconds=settings.host_metrics_seconds,
        plugin=CLIENT_PLUGIN if CLIENT_PLUGIN.is_dir() else None,
    )


def environment(record: Record, site: Site, own: Mapping[str, str], *, isolated: bool) -> dict[str, str]:
    """Variables of every instance: the platform's, `own` of which belong to the kind of job, then the request's."""
    given: dict[str, str] = record.spec.get("Environment", {})
    ours = {**own, "AWS_REGION": record.region, "AWS_DEFAULT_REGION": record.region}
    if site.limits.cpus:
        ours["CLARY_CPUS"] = str(math.ceil(site.limits.cpus))
    if not isolated:
        ours |= _variables(site, given)
    return ours | {name: value for name, value in given.items() if name != "PYTHONPATH" or "PYTHONPATH" not in ours}


def _variables(site: Site, given: Mapping[str, str]) -> dict[str, str]:
    """Of an instance that is not isolated. `given`: the request's own variables."""
    own = {"AWS_ENDPOINT_URL": site.endpoint, "S3_ENDPOINT_URL": site.endpoint, **site.credentials}
    if site.plugin is None:
        return own
    path = ":".join(part for part in (given.get("PYTHONPATH", ""), PLUGIN) if part)
    return own | {"BOTOCORE_EXPERIMENTAL__PLUGINS": "clary=clary_client", "PYTHONPATH": path}


def credentials(parts: Parts, record: Record, run_seconds: float) -> dict[str, str]:
    """Temporary ones of the job's role."""
    role = record.spec["RoleArn"].rpartition("/")[2]
    issued = parts.need(KeyRing).assume(record.account, role, "SageMaker", run_seconds + OUTLIVE_RUN_SECONDS)
    return {
        "AWS_ACCESS_KEY_ID": issued.access_key,
        "AWS_SECRET_ACCESS_KEY": issued.secret,
        "AWS_SESSION_TOKEN": issued.token,
    }


def store(objects: Objects, endpoint: str, region: str, issued: Mapping[str, str]) -> Store:
    """What a host fetches the job's objects with: from an external S3 without a detour through this server."""
    if origin := objects.origin:
        return landing.store(origin)
    return Store(
        endpoint=endpoint,
        region=region,
        access_key=issued["AWS_ACCESS_KEY_ID"],
        secret=issued["AWS_SECRET_ACCESS_KEY"],
        token=issued["AWS_SESSION_TOKEN"],
    )


def log_file(parts: Parts, record: Record, group: str, host: str) -> str:
    """Where a host's shim writes its lines."""
    return str(parts.need(LogStore).stream(record.account, record.region, group, log_stream(record, host)))


def log_stream(record: Record, host: str) -> str:
    return f"{record.name}/{host}-{int(record.created * 1000)}"
