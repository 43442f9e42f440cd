"""Which network an instance gets, and what this machine can do about it.

One instance shares the machine's network; an isolated one has only a loopback. Several have a network of their own
(`shim/hub.py`) where this machine allows it, and share the machine's under different loopback addresses otherwise.
"""

import contextlib
import functools
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from clary.runtime import shims
from clary.runtime.sandbox import Rung
from clary.runtime.shim import hub
from clary.runtime.workload import Workload

Mode = Literal["shared", "none", "hub"]


def mode(workload: Workload, rung: Rung) -> Mode:
    """What the workload's instances get."""
    if rung != "plain" and len(workload.instances) > 1 and private():
        return "hub"
    return "none" if workload.isolated and rung != "plain" and len(workload.instances) == 1 else "shared"


def hosts(workload: Workload, rung: Rung) -> str:
    """Lines of /etc/hosts that name the workload's instances."""
    names = [instance.host for instance in workload.instances]
    if mode(workload, rung) == "hub":
        return "".join(f"{hub.address(number)} {name}\n" for number, name in enumerate(names))
    return "".join(f"127.0.{number // 250}.{number % 250 + 1} {name}\n" for number, name in enumerate(names))


def interface(instances: int, isolated: bool) -> str:
    """Name of the network interface inside, as `resourceconfig.json` has to say it."""
    if instances > 1 and private():
        return "eth0"
    return "lo" if isolated else _default_interface() or "lo"


def open_hub(folder: Path, workload: Workload) -> None:
    """Start the workload's hub unless it is up. Its lock tells, as a shim's does."""
    place = folder / "hub"
    place.mkdir(exist_ok=True)
    lock = shims.lock(place)
    if lock is None:
        return
    try:
        (folder / hub.READY).unlink(missing_ok=True)
        shims.start_hub(folder, _spec(workload), lock)
    finally:
        os.close(lock)


def close_hub(folder: Path) -> None:
    """End a hub that still waits for its first instance; one that has had instances ends with the last of them."""
    if not (folder / "hub").is_dir() or not shims.alive(folder / "hub"):
        return
    # A writer that comes and goes is all that the hub waits for.
    with contextlib.suppress(OSError):
        os.close(os.open(folder / hub.LIFE, os.O_WRONLY | os.O_NONBLOCK))


@functools.cache
def private() -> bool:
    """Whether workloads with several instances can have a network of their own. Tried once by doing it."""
    tool = _ip()
    if not tool:
        return False
    flags = "CLONE_NEWNET" if os.geteuid() == 0 else "CLONE_NEWUSER | kernel.CLONE_NEWNET"
    trial = f"from clary.runtime.shim import kernel; kernel.unshare(kernel.{flags})"
    return subprocess.run([sys.executable, "-c", trial], capture_output=True, check=False).returncode == 0


@functools.cache
def outside() -> list[str]:
    """The command that connects a private network to the outside; empty: only Clary itself can be reached there."""
    tool = shutil.which("pasta")
    if tool is None:
        return []
    quiet = ["--quiet", "--foreground", "--config-net", "--ns-ifname", "ext0", "--no-map-gw"]
    return [tool, *quiet, "-t", "none", "-u", "none", "-T", "none", "-U", "none"]


def _spec(workload: Workload) -> hub.HubSpec:
    return {
        "hosts": [instance.host for instance in workload.instances],
        "privileged": os.geteuid() == 0,
        "endpoint": [] if workload.isolated or not workload.endpoint else _endpoint(workload.endpoint),
        "outside": [] if workload.isolated else outside(),
        "ip": _ip(),
    }


def _endpoint(url: str) -> list[str]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return [socket.gethostbyname(parts.hostname or "127.0.0.1"), str(port)]


def _ip() -> str:
    return shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


def _default_interface() -> str:
    try:
        rows = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    except OSError:
        return ""
    return next((row[0] for row in rows if row[1] == "00000000"), "")
