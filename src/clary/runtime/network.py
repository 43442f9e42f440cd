"""Which network an instance gets, and what this machine can do about it.

One instance shares the machine's network; an isolated one has only a loopback. Several have a network of their own
(`shim/hub.py`) where this machine allows it, and share the machine's under different loopback addresses otherwise.
"""

import contextlib
import functools
import hashlib
import json
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

MEETING_PORTS = range(10000, 32000)
"""Above what services listen on, below what the kernel gives to connections."""

Mode = Literal["shared", "none", "hub"]


def mode(workload: Workload, rung: Rung) -> Mode:
    """What the workload's instances get."""
    if rung != "plain" and len(workload.instances) > 1 and private():
        return "hub"
    return "none" if workload.isolated and rung != "plain" and len(workload.instances) == 1 else "shared"


def hosts(workload: Workload, rung: Rung) -> str:
    """Lines of /etc/hosts that name the workload's instances."""
    if workload.addresses:
        return "".join(f"{address} {name}\n" for name, address in workload.addresses.items())
    names = [instance.host for instance in workload.instances]
    if mode(workload, rung) == "hub":
        return "".join(f"{hub.address(number)} {name}\n" for number, name in enumerate(names))
    return "".join(f"127.0.{number // 250}.{number % 250 + 1} {name}\n" for number, name in enumerate(names))


def interface(instances: int, isolated: bool) -> str:
    """Name of the network interface inside, as `resourceconfig.json` has to say it."""
    if instances > 1 and private():
        return "eth0"
    return "lo" if isolated else _default_interface() or "lo"


def ports(workload: Workload, rung: Rung) -> dict[str, str]:
    """Where the instances meet, when they share the machine's network with other jobs: ports of the job's own."""
    if mode(workload, rung) != "shared":
        return {}
    digest = int.from_bytes(hashlib.sha256(workload.id.encode()).digest()[:4])
    first = MEETING_PORTS.start + digest % len(MEETING_PORTS) // 2 * 2
    return {"CLARY_MASTER_PORT": str(first), "DMLC_TRACKER_PORT": str(first + 1)}


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
    if not (folder / "hub").is_dir():
        return
    if not shims.alive(folder / "hub"):
        told = folder / hub.NAME
        hub.run(json.loads(told.read_bytes())["close"] if told.exists() and not (folder / hub.CLOSED).exists() else [])
        return
    # A writer that comes and goes is all that the hub waits for.
    with contextlib.suppress(OSError):
        os.close(os.open(folder / hub.LIFE, os.O_WRONLY | os.O_NONBLOCK))


@functools.cache
def private() -> bool:
    """Whether workloads with several instances can have a network of their own. Tried once by doing it."""
    if not _tool("ip"):
        return False
    flags = "CLONE_NEWNET" if os.geteuid() == 0 else "CLONE_NEWUSER | kernel.CLONE_NEWNET"
    trial = f"from clary.runtime.shim import kernel; kernel.unshare(kernel.{flags})"
    return subprocess.run([sys.executable, "-c", trial], capture_output=True, check=False).returncode == 0


Way = Literal["nat", "pasta", "clary"]


@functools.cache
def outside() -> Way:
    """How instances with a private network reach beyond it; `clary`: to Clary itself only, by the hub's relay."""
    if os.geteuid() == 0 and (_tool("nft") or _tool("iptables")):
        return "nat"
    # As root it gives up its rights before it opens the namespace, and fails.
    return "pasta" if os.geteuid() != 0 and _tool("pasta") else "clary"


def _spec(workload: Workload) -> hub.HubSpec:
    way = "clary" if workload.isolated else outside()
    prefix = _prefix(workload.id)
    return {
        "hosts": [instance.host for instance in workload.instances],
        "privileged": os.geteuid() == 0,
        "endpoint": [] if workload.isolated or not workload.endpoint else _endpoint(workload.endpoint),
        "outside": _pasta() if way == "pasta" else [],
        "nat": prefix if way == "nat" else "",
        "open": _rules(prefix, "open") if way == "nat" else [],
        "close": _rules(prefix, "close") if way == "nat" else [],
        "ip": _tool("ip"),
    }


def _prefix(workload_id: str) -> str:
    """A network of its own for each workload, out of the range for carriers' NAT, which no site uses."""
    digest = hashlib.sha256(workload_id.encode()).digest()
    return f"100.{64 + digest[0] % 64}.{digest[1]}"


def _rules(prefix: str, what: Literal["open", "close"]) -> list[list[str]]:
    network = f"{prefix}.0/24"
    rules: list[list[str]] = []
    if nft := _tool("nft"):
        table = f"clary_{prefix.replace('.', '_')}"
        chain = f"{{ type nat hook postrouting priority 100; ip saddr {network} masquerade; }};"
        made = [nft, f"table ip {table} {{ chain out {chain} }}"]
        rules.append(made if what == "open" else [nft, f"delete table ip {table}"])
    elif iptables := _tool("iptables"):
        rules.append([iptables, "-w", "-t", "nat", _verb(what), "POSTROUTING", "-s", network, "-j", "MASQUERADE"])
    if (iptables := _tool("iptables")) and _closed():
        rules += [[iptables, "-w", _verb(what), "FORWARD", end, network, "-j", "ACCEPT"] for end in ("-s", "-d")]
    return rules


def _closed() -> bool:
    """Whether the machine forwards only what it knows, as Docker sets it up."""
    listed = [_tool("nft"), "list", "chain", "ip", "filter", "FORWARD"] if _tool("nft") else [_tool("iptables"), "-S"]
    found = subprocess.run(listed, capture_output=True, text=True, check=False).stdout
    return "policy drop" in found or "-P FORWARD DROP" in found


def _verb(what: Literal["open", "close"]) -> str:
    return "-I" if what == "open" else "-D"


def _pasta() -> list[str]:
    quiet = ["--quiet", "--foreground", "--config-net", "--ns-ifname", "ext0", "--no-map-gw"]
    return [_tool("pasta"), *quiet, "-t", "none", "-u", "none", "-T", "none", "-U", "none"]


def _endpoint(url: str) -> list[str]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return [socket.gethostbyname(parts.hostname or "127.0.0.1"), str(port)]


def _tool(name: str) -> str:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


def _default_interface() -> str:
    try:
        rows = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    except OSError:
        return ""
    return next((row[0] for row in rows if row[1] == "00000000"), "")
