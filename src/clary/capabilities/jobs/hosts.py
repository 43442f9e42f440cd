"""The hosts of a job, `algo-1`, `algo-2`, …, numbered across its instance groups."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

ONLY_GROUP = "homogeneousCluster"
"""What AWS calls the group of a job that has no groups."""


@dataclass(frozen=True, slots=True)
class Host:
    """`number` counts from 0."""

    name: str
    number: int
    group: str
    instance_type: str

    def gets(self, groups: Collection[str]) -> bool:
        """Whether a channel for these groups, or for all, is delivered here."""
        return not groups or self.group in groups


def hosts(config: Mapping[str, Any]) -> list[Host]:
    """Of a ResourceConfig, in the order of their numbers."""
    groups = config.get("InstanceGroups") or [
        {
            "InstanceGroupName": ONLY_GROUP,
            "InstanceType": config["InstanceType"],
            "InstanceCount": config["InstanceCount"],
        }
    ]
    owners = [group for group in groups for _ in range(group["InstanceCount"])]
    return [
        Host(f"algo-{number + 1}", number, group["InstanceGroupName"], group["InstanceType"])
        for number, group in enumerate(owners)
    ]
