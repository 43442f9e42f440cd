"""CloudWatch Logs: what jobs and endpoints print, kept in files that their shims append to.

Capabilities ask `LogStore.stream` for a file; clients read through the operations. Ingestion time is the event's own
time, and events that a client puts older than the stream's last one stay where they were put.
"""

from clary.companions.logs import api
from clary.companions.logs.store import LogStore
from clary.resources.capability import Capability
from clary.wire.operations import Operation

CAPABILITY = Capability(
    name="logs",
    operations=(*(value for value in vars(api).values() if isinstance(value, Operation)), *api.TAGGING),
)

__all__ = ["CAPABILITY", "LogStore"]
