"""What a backend writes to `spec.json` for the shim: everything it needs, decided beforehand."""

from typing import TypedDict


class Metric(TypedDict):
    """A number to read from log lines."""

    name: str
    regex: str


class View(TypedDict):
    """What the sandbox shows, for the rungs that the shim builds itself. Entries are `[kind, source, target]`."""

    entries: list[list[str]]
    hostname: str
    network: bool


class Spec(TypedDict):
    """`spec.json` of an instance folder."""

    key: str
    wake: str
    log: str
    log_bytes: int
    metrics: list[Metric]
    sandbox: str
    """`bubblewrap`, `namespaces` or `plain`."""
    command: list[str]
    """What to execute; for bubblewrap it begins with `bwrap` and its options."""
    toolkit: bool
    """The command is the training toolkit's."""
    environment: dict[str, str]
    directory: str
    view: View | None
    unpack: dict[str, str]
    """Archives, by the folder that each is unpacked into before the process starts."""
    run_seconds: float | None
    grace_seconds: float
    memory_bytes: int | None
    """For the watchdog; `None` where a cgroup holds the limit."""
    processes: int | None
    """For RLIMIT_NPROC; `None` where a cgroup holds the limit."""
    cpus: list[int]
    """Affinity; empty means all."""
    cgroups: dict[str, dict[str, str]]
    """Folders to make and enter, each with the files to write."""
    hub: str
    """The workload's folder when its instances share a private network (`hub.py`), else empty."""
    number: int
    """Of the instance among the workload's, from 0."""
