"""What a route tells of a serverless variant."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class OnDemand:
    """`ready`: for each instance, by slot, its sockets, or `None` while it does not answer."""

    account: str
    region: str
    endpoint: str
    record: str
    slots: Path
    most: int
    provisioned: int
    ready: tuple[tuple[Path, ...] | None, ...]
