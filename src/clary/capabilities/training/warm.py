"""Warm pools: the room of an ended job stays taken for a while, and a job that matches it starts there at once.

The record of the ended job is the pool, and its state says how far it is: `PoolHeld` while the room is kept,
`WarmPoolStatus` as clients see it, `PoolFor` the id of the job that took it over. `Pools` is the controller's memory of
them: pools are looked at until they end, so a new controller knows them as soon as it has looked at all.
"""

import threading
from math import ceil
from typing import Any

from clary.resources.records import Record

LONGEST_SECONDS = 7 * 86400.0
"""AWS ends a cluster that was handed from job to job after this long."""
MATCHED = ("RoleArn", "VpcConfig", "EnableInterContainerTrafficEncryption", "EnableNetworkIsolation")
MATCHED_RESOURCES = ("InstanceType", "InstanceCount", "VolumeKmsKeyId", "VolumeSizeInGB")


def keep_seconds(record: Record) -> int:
    return int(record.spec["ResourceConfig"].get("KeepAlivePeriodInSeconds") or 0)


def status(record: Record) -> str:
    """Empty for a job that has no pool."""
    return str((shown(record) or {}).get("Status", ""))


def shown(record: Record) -> dict[str, Any] | None:
    """`WarmPoolStatus` of Describe and List."""
    told: dict[str, Any] | None = record.state.get("WarmPoolStatus")
    if told is None and keep_seconds(record):
        return {"Status": "InUse" if record.status in ("InProgress", "Stopping") else "Terminated"}
    return told


def opened(record: Record, now: float) -> dict[str, Any]:
    """The state of a job whose pool begins with its end."""
    return (
        {"PoolHeld": True, "PoolSince": now, "WarmPoolStatus": {"Status": "Available"}} if keep_seconds(record) else {}
    )


def ends(record: Record) -> float:
    """When an available pool is given up."""
    return min(float(record.state["PoolSince"]) + keep_seconds(record), born(record) + LONGEST_SECONDS)


def born(record: Record) -> float:
    """When the first job of the room was created."""
    return float(record.state.get("PoolBorn") or record.created)


def closed(record: Record, now: float) -> dict[str, Any]:
    return {"WarmPoolStatus": {"Status": "Terminated", **_retained(record, now)}}


def reused(record: Record, now: float, by: Record) -> dict[str, Any]:
    told = {"Status": "Reused", "ReusedByJob": by.name, **_retained(record, now)}
    return {"WarmPoolStatus": told, "PoolFor": by.id}


def _retained(record: Record, now: float) -> dict[str, int]:
    return {"ResourceRetainedBillableTimeInSeconds": ceil(max(0.0, now - float(record.state["PoolSince"])))}


def key(record: Record) -> str:
    """Equal for jobs that may follow each other in one pool; empty for those that use none."""
    spec, resources = record.spec, record.spec["ResourceConfig"]
    if spec.get("EnableManagedSpotTraining") or resources.get("InstanceGroups"):
        return ""
    wanted = [spec.get(name) or "" for name in MATCHED] + [resources.get(name) or "" for name in MATCHED_RESOURCES]
    return repr((record.account, record.region, wanted))


class Pools:
    """One per controller. `promised`: the pool that is kept for a job which has not started yet."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open: dict[str, str] = {}
        self._promised: dict[str, str] = {}

    def offer(self, pool: Record) -> None:
        with self._guard:
            self._open[pool.id] = key(pool)

    def withdraw(self, pool_id: str) -> None:
        with self._guard:
            self._open.pop(pool_id, None)
            self._promised = {job: pool for job, pool in self._promised.items() if pool != pool_id}

    def promise(self, pool_id: str, job_id: str) -> None:
        with self._guard:
            self._open.pop(pool_id, None)
            self._promised[job_id] = pool_id

    def promised(self, job_id: str) -> str | None:
        with self._guard:
            return self._promised.get(job_id)

    def matching(self, job: Record) -> list[str]:
        """Ids of pools that it may ask for, oldest first."""
        wanted = key(job)
        with self._guard:
            return [pool for pool, offered in self._open.items() if wanted and offered == wanted]
