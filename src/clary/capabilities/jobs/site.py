"""Where a job is to run: what plans need beside the record. Reconcilers find it, plans take it as it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clary.runtime.workload import Limits, Store


@dataclass(frozen=True, slots=True)
class Site:
    """Where the job is to run: what the record does not say. `logs` are files by host."""

    jobs: Path
    wake: str
    endpoint: str
    limits: Limits
    logs: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)
    card: str = "eth0"
    """Name of the network interface that the instances see."""
    plugin: Path | None = None
    """Folder of the module that sends AWS's pinned hosts here, for SDK code inside jobs."""
    measure_seconds: float = 0.0
    """Between two measurements of what the instances use of their hosts."""
    store: Store | None = None
    """Where hosts that lack this machine's objects fetch them, isolated jobs too: before their process starts."""
    directories: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """By channel: the root of a file system, and the directory in it."""
