"""Which container engine this machine has: chosen by the setting `containers`, known by asking it."""

import functools
import os
from collections.abc import Iterator

import msgspec

from clary.runtime.containers.engine import SCHEME, Engine, EngineError

AUTO, OFF = "auto", "off"
SOCKETS = ("{runtime}/podman/podman.sock", "{runtime}/docker.sock", "/run/podman/podman.sock", "/var/run/docker.sock")
"""Tried in this order: the user's own engine before the machine's."""
PATIENCE = 30.0
"""Seconds that a busy machine's engine may take to say who it is."""
ADVICE = (
    "install podman and start its socket (`systemctl --user start podman.socket`, or "
    "`podman system service --time=0 unix:///path`), or Docker; the setting `containers` names another socket"
)


class NoEngine(Exception):
    """There is no container engine that this user may use; the message says what to install."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An engine that answered."""

    url: str
    name: str
    """`podman` or `docker`."""
    version: str
    rootless: bool
    limits: bool
    """Whether it holds memory, CPU and process limits; else the shim watches the memory."""
    inside: bool
    """Whether this process may enter the network of a container: root, or the owner of a rootless engine."""

    @property
    def engine(self) -> Engine:
        return Engine(self.url)


def find(setting: str) -> Found:
    """The engine to use. Raises `NoEngine`."""
    if setting == OFF:
        raise NoEngine("containers are switched off (setting `containers`)")
    if setting != AUTO:
        try:
            return ask(setting)
        except (EngineError, ValueError) as error:
            raise NoEngine(str(error)) from error
    for url in _candidates():
        try:
            return ask(url)
        except EngineError:
            continue
    raise NoEngine(f"there is no container engine on this machine: {ADVICE}")


@functools.cache
def ask(url: str) -> Found:
    """What is behind a socket, from the first time it answered: podman takes a fifth of a second of CPU to say it.

    Raises `EngineError`, or `ValueError` for what is no address of one.
    """
    info = Engine(url).call("GET", "/info", patience=PATIENCE)
    podman = "BuildahVersion" in info
    rootless = bool(info.get("Rootless")) or any("rootless" in text for text in info.get("SecurityOptions") or ())
    held = all(info.get(name) for name in ("MemoryLimit", "PidsLimit", "CpuCfsQuota"))
    return Found(
        url=url,
        name="podman" if podman else "docker",
        version=str(info.get("ServerVersion", "")),
        rootless=rootless,
        # podman says yes where it cannot: version 1 has no delegation.
        limits=held and not (rootless and str(info.get("CgroupVersion")) == "1"),
        inside=os.geteuid() == 0 or rootless,
    )


def _candidates() -> Iterator[str]:
    if (named := os.environ.get("DOCKER_HOST", "")).startswith(SCHEME):
        yield named
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}")
    for place in SOCKETS:
        path = place.format(runtime=runtime)
        if os.access(path, os.R_OK | os.W_OK):
            yield f"{SCHEME}{path}"
