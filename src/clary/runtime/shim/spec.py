"""What a backend writes to `spec.json` for the shim: everything it needs, decided beforehand."""

from typing import Any, NotRequired, TypedDict


class Metric(TypedDict):
    """A number to read from log lines."""

    name: str
    regex: str


class Pipe(TypedDict):
    """A stream and the FIFOs for it, see `workload.Pipe`."""

    folder: str
    """Where the FIFOs are made."""
    name: str
    """Theirs, before `_0`, `_1`, …"""
    source: str
    gzip: bool
    framed: bool
    seed: int | None
    part: int
    parts: int


class Host(TypedDict):
    """What of the host is measured; see `gauge.py`."""

    seconds: float
    """Between two measurements; 0: none are made."""
    memory_bytes: int
    """What the instance may use."""
    gpus: list[int]


class View(TypedDict):
    """What the sandbox shows, for the rungs that the shim builds itself. Entries are `[kind, source, target, root]`."""

    entries: list[list[str]]
    hostname: str
    network: bool


class Container(TypedDict):
    """A container to run instead of a process; see `container.py`."""

    engine: str
    """Address of the engine's socket."""
    podman: bool
    name: str
    body: dict[str, Any]
    """Of the engine's create call; its `Env` is added to from the image."""
    door: str
    """Unix socket to open for the container's port 8080; empty: none."""
    endpoint: list[str]
    """Address and port of Clary that the container is to find at the same address; empty: it needs no help."""
    unpack: dict[str, str]
    """Archives that have to be there unpacked, by folder: without them the container is not run."""
    memory_bytes: int | None
    """What the engine was asked to hold; where its control groups do not show it, the shim watches the memory."""
    processes: int | None
    """For RLIMIT_NPROC; `None` where the engine's control groups hold the limit."""
    held: list[list[str]]
    """Root, path and target of each folder that is mounted with no link followed below the root."""
    hands: list[str]
    """Folders that the container may leave full of other users' files."""


class Spec(TypedDict):
    """`spec.json` of an instance folder."""

    key: str
    wake: str
    told_after: float
    """Seconds until the controller is told that the process runs, unless it has ended before: one look for both."""
    log: str
    log_bytes: int
    metrics: list[Metric]
    host: Host
    sandbox: str
    """`bubblewrap`, `namespaces`, `plain` or `container`."""
    command: list[str]
    """What to execute; for bubblewrap it begins with `bwrap` and its options."""
    toolkit: bool
    """The command is the training toolkit's."""
    environment: dict[str, str]
    directory: str
    view: View | None
    held: list[list[str]]
    """Root and path of each folder that is opened for bubblewrap, no link being followed below the root."""
    unpack: dict[str, str]
    """Archives, by the folder that each is unpacked into before the process starts."""
    pipes: list[Pipe]
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
    container: NotRequired[Container]
    """Only where `sandbox` is `container`."""
