"""`resourceconfig.json`: what a container is told of the hosts of its job."""

from collections.abc import Mapping
from typing import Any

from clary.capabilities.jobs.hosts import Host, hosts


def resources(config: Mapping[str, Any], host: Host, card: str) -> dict[str, Any]:
    """For one host; `card` is the network interface. AWS sorts hosts as text: algo-10 comes before algo-2."""
    everyone = hosts(config)
    groups: dict[str, list[Host]] = {}
    for other in everyone:
        groups.setdefault(other.group, []).append(other)
    return {
        "current_host": host.name,
        "current_instance_type": host.instance_type,
        "current_group_name": host.group,
        "hosts": sorted(other.name for other in everyone),
        "instance_groups": [
            {
                "instance_group_name": name,
                "instance_type": members[0].instance_type,
                "hosts": sorted(member.name for member in members),
            }
            for name, members in groups.items()
        ],
        "network_interface_name": card,
    }
