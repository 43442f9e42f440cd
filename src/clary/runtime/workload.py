"""A workload: everything that runs, as one plain value (law 3 of the design).

Training, serving and all later capabilities plan one of these; a `Backend` runs it. Plain data: it survives
as JSON beside the running work and a restarted controller reads it back.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

Purpose = Literal["train", "serve", "process"]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one instance may use. `None` means the machine's own."""

    cpus: float | None = None
    memory_bytes: int | None = None
    gpus: int = 0
    processes: int = 4096
    run_seconds: int | None = None
    """Longest run of the user process; past it the shim stops it and says so in its exit."""
    grace_seconds: float = 120.0
    """Between SIGTERM and SIGKILL."""
    log_bytes: int = 1024**3
    """Most that is kept of the output; past it one notice is logged and the rest is dropped."""


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A folder or file of the machine, seen at `target` inside the sandbox."""

    source: str
    target: str
    writable: bool = False
    """The user may change the source itself; never for files that share their bytes with the object tree."""
    root: str = ""
    """A folder above `source`, when others may change what is below it: from it on, no link is followed."""
    private: bool = False
    """The instance gets its own copy, which it may change. For small folders, such as user code."""


class Pipe(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that the user's process reads from FIFOs `<target>_0`, `<target>_1`, …: one for each pass over it.

    The next FIFO is there when the reader of this one has read all of it, or left.
    """

    target: str
    """Below /opt/ml; what the user does to the folder above it is the user's loss."""
    source: str
    """A folder of the machine, made by `pipes.lay_out`."""
    gzip: bool = False
    """The files are decompressed on the way."""
    framed: bool = False
    """Each file and text becomes a RecordIO record."""
    seed: int | None = None
    """Shuffles the records, anew for each pass and alike on all instances."""
    part: int = 0
    parts: int = 1
    """This instance gets every `parts`th record, from the `part`th on, in the order of the pass."""


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """An S3 that hosts without the object tree fetch from, and who they are there."""

    endpoint: str
    """URL; addressed in path style."""
    region: str
    access_key: str
    secret: str
    token: str


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A number to read from log lines: the first group of `regex`."""

    name: str
    regex: str


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between the instances of one workload. `host` is `algo-1`, `algo-2`, …"""

    host: str
    log: str
    """Path of the log file that the shim appends to (`clary.logfile`)."""
    hosts: tuple[str, ...] = ()
    """Names of those that may have it, where the backend has several; none: any of them."""
    environment: Mapping[str, str] = {}
    files: Mapping[str, bytes] = {}
    """Small files by their path inside the sandbox, e.g. `/opt/ml/input/config/resourceconfig.json`."""
    mounts: tuple[Mount, ...] = ()
    pipes: tuple[Pipe, ...] = ()
    unpacked: Mapping[str, str] = {}
    """Archives, by where they are to be seen unpacked: below /opt/ml and in none of `folders`. One that cannot be
    unpacked leaves nothing there."""


class Preloaded(msgspec.Struct, frozen=True):
    """What a model server may have imported before it starts: see `Backend.warm`."""

    framework: str
    threads: int = 1
    """OpenMP threads of one worker: OpenMP reads it when it is imported."""


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """Shared by all instances. `id` names its folder under `jobs/` and never repeats."""

    id: str
    key: str
    """What the shim sends to `wake` when something changes: the record's id."""
    wake: str
    """Path of the controller's datagram socket."""
    within: str = ""
    """A workload whose room this one shares, which is started first: its slot, its GPUs, and what CPU time and memory
    it is limited to. Its own id for the first of those that share."""
    image: str
    """Image URI as the client wrote it; empty: no image, just the interpreter that Clary runs on."""
    purpose: Purpose
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    folders: tuple[str, ...] = ()
    """Empty writable folders, e.g. `/opt/ml/model`; they lie under the instance's folder and outlive it."""
    seeds: Mapping[str, str] = {}
    """A folder of `folders` to a folder of the machine: it begins with copies of what lies there."""
    instances: tuple[Instance, ...]
    limits: Limits = Limits()
    preloaded: Preloaded | None = None
    """The model server may be forked from a process that has imported this."""
    isolated: bool = False
    """No network but the job's own hosts, and no credentials."""
    endpoint: str = ""
    """URL of this Clary that code inside may call."""
    addresses: Mapping[str, str] = {}
    """Of all hosts of the workload, where they are different machines; else they meet on this one."""
    objects: Mapping[str, str] = {}
    """What a source of mounts, pipes, archives and seeds holds of S3's objects: its path to that of a `listing.py`
    file. For hosts that lack the machine's files; what lies in a source beside the objects is small."""
    store: Store | None = None
    """Where the objects are."""
    metrics: tuple[Metric, ...] = ()
    measure_seconds: float = 0.0
    """Between two measurements of what each instance uses of its host (`shim/gauge.py`); 0: none are made."""


Phase = Literal["preparing", "running", "exited", "lost"]


class InstanceState(msgspec.Struct, frozen=True, kw_only=True):
    """What was observed of one instance. `lost` = its shim is gone and left no exit."""

    host: str
    phase: Phase
    message: str = ""
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    """128 + signal when a signal ended it."""
    cause: Literal["", "stopped", "timeout", "memory", "data", "platform"] = ""
    """`platform`: Clary's own part failed, mostly before the user's process ran; `data`: a pipe's data cannot be
    delivered as asked. `message` says why."""
    max_rss_bytes: int | None = None
    """Of the largest process, once all have ended."""
    cpu_seconds: float | None = None
    """Of all processes together, once they have ended."""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """All instances of a workload, as found now. No instances = never started, or destroyed."""

    instances: tuple[InstanceState, ...] = ()


def folder(jobs: Path, workload: str, host: str) -> Path:
    """Where an instance lives on the machine that runs it."""
    return jobs / workload / host
