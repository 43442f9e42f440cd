"""What a sandboxed process sees, and the ladder of ways to make it so: namespaces, bubblewrap, plain.

`LocalBackend` describes the view once, rung-neutral; each rung turns it into a command line for the shim. The view
is the same for root and for an unprivileged user: the user is mapped to root inside, so files belong to the caller.
"""

import functools
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from clary.runtime.shim import spec as shim

Rung = Literal["namespaces", "bubblewrap", "plain"]
RUNGS: tuple[Rung, ...] = ("namespaces", "bubblewrap", "plain")
"""Best first. The first two shut off the same; bubblewrap takes longer, but some systems allow namespaces to it alone.
"""

Kind = Literal["ro", "rw", "dev", "tmpfs", "link", "text", "proc", "devices"]

STATUS_FD = 4
"""Where bubblewrap reports the inner pid and exit code to the shim (`shim/child.py`)."""

FIRST_HELD_FD = 5
"""Where the shim's child opens what is mounted by descriptor (`shim/child.py`)."""

SYSTEM_ETC = (
    *("alternatives", "ca-certificates", "crypto-policies", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d"),
    *("localtime", "mime.types", "nsswitch.conf", "protocols", "services", "timezone"),
    *("ssl/certs", "ssl/cert.pem", "ssl/openssl.cnf", "pki/ca-trust", "pki/tls/certs", "pki/tls/openssl.cnf"),
)
"""What of the machine's /etc is shown. Never accounts or keys: where root runs Clary, a job may read root's files."""

MASKED_PROC = ("sysrq-trigger", "kcore", "keys", "kmsg", "latency_stats", "mtrr", "sched_debug", "timer_list")


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One thing in the view, in the order it is mounted. `link`, `text`: `source` is what the link or file says."""

    kind: Kind
    source: str
    target: str
    root: str = ""
    """See `Mount.root`."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What the process sees."""

    entries: tuple[Entry, ...]
    hostname: str
    network: bool
    """False: a network namespace of its own, with a loopback only."""


@functools.cache
def system(prefix: Path) -> tuple[Entry, ...]:
    """The read-only machine: programs, libraries, the interpreter, a minimal /etc, devices. Looked at once."""
    entries = [Entry("ro", "/usr", "/usr")]
    entries += [_top(name) for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32") if Path("/", name).exists()]
    entries += [Entry("ro", f"/etc/{name}", f"/etc/{name}") for name in SYSTEM_ETC if Path("/etc", name).exists()]
    # Debian's Java is links into these.
    entries += [Entry("ro", str(path), str(path)) for path in sorted(Path("/etc").glob("java-*"))]
    entries += [Entry("proc", "", "/proc"), *_proc_covers()]
    entries += [Entry("devices", "", "/dev"), Entry("tmpfs", "", "/dev/shm")]
    entries += [Entry("ro", path, path) for path in ("/sys/devices/system",) if Path(path).exists()]
    if not prefix.is_relative_to("/usr"):
        entries.append(Entry("ro", str(prefix), str(prefix)))
    return tuple(entries)


def graphics() -> list[Entry]:
    """What programs need to find NVIDIA devices."""
    nodes = sorted(str(path) for path in Path("/dev").glob("nvidia*"))
    return [Entry("dev", node, node) for node in nodes] + ([Entry("ro", "/sys", "/sys")] if nodes else [])


def bubblewrap(view: View, command: Iterable[str]) -> list[str]:
    """The command line of its rung."""
    options = ["--unshare-user", "--uid", "0", "--gid", "0", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    # Where root runs Clary, bubblewrap leaves the process what could mount the machine's files anew, to write to them.
    options += ["--cap-drop", "ALL"]
    options += ["--hostname", view.hostname, "--die-with-parent", "--json-status-fd", str(STATUS_FD)]
    if not view.network:
        options.append("--unshare-net")
    fds = itertools.count(FIRST_HELD_FD)
    for entry in view.entries:
        options += _held(entry, next(fds)) if entry.root else _option(entry)
    return [_program(), *options, "--chdir", "/", "--", *command]


def held(view: View) -> list[list[str]]:
    """Root and source of what the shim is to open for bubblewrap, in the order of descriptors."""
    return [[entry.root, entry.source] for entry in view.entries if entry.root]


def _held(entry: Entry, fd: int) -> list[str]:
    """By descriptor: bubblewrap checks that what it mounted is what was opened."""
    return ["--ro-bind-fd" if entry.kind == "ro" else "--bind-fd", str(fd), entry.target]


@functools.cache
def _program() -> str:
    return shutil.which("bwrap") or "bwrap"


def plain_data(view: View) -> shim.View:
    """The view for the rungs that the shim builds itself."""
    entries = [[entry.kind, entry.source, entry.target, entry.root] for entry in view.entries]
    return {"entries": entries, "hostname": view.hostname, "network": view.network}


_TRY = """import json, os, sys
from clary.runtime.shim import namespaces
view, command, begun = json.loads(sys.argv[1])
pid = namespaces.fork(view)
if pid == 0:
    namespaces.init(view, command, {}, begun, calls=False)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"""


@functools.cache
def works(rung: Rung) -> bool:
    """Whether this machine lets this user have the rung. Tried once by doing it."""
    if rung == "plain":
        return True
    view = View(entries=system(Path(sys.base_prefix)), hostname="try", network=True)
    probe = ["/bin/sh", "-c", "exit 7"]
    if rung == "bubblewrap":
        return shutil.which("bwrap") is not None and _runs(bubblewrap(view, probe))
    return _runs([sys.executable, "-c", _TRY, json.dumps([plain_data(view), probe, STATUS_FD])])


def best() -> Rung:
    """The highest rung that works here."""
    return next(rung for rung in RUNGS if works(rung))


def _runs(command: list[str]) -> bool:
    shell = ["/bin/sh", "-c", f'exec "$@" {STATUS_FD}>/dev/null', "sh", *command]
    return subprocess.run(shell, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 7


def _proc_covers() -> list[Entry]:
    # When Clary runs as root, so does the mapped user in the eyes of files that ask for no capability, and these
    # steer the whole machine.
    locked = [path for path in ("/proc/sys", "/proc/fs", "/proc/irq", "/proc/bus") if Path(path).exists()]
    masked = [path for path in map("/proc/{}".format, MASKED_PROC) if Path(path).is_file()]
    return [Entry("ro", path, path) for path in locked] + [Entry("ro", "/dev/null", path) for path in masked]


def _top(name: str) -> Entry:
    path = Path("/", name)
    return Entry("link", str(path.readlink()), str(path)) if path.is_symlink() else Entry("ro", str(path), str(path))


def _option(entry: Entry) -> list[str]:
    match entry.kind:
        case "ro":
            return ["--ro-bind", entry.source, entry.target]
        case "rw":
            return ["--bind", entry.source, entry.target]
        case "dev":
            return ["--dev-bind", entry.source, entry.target]
        case "link":
            return ["--symlink", entry.source, entry.target]
        case "tmpfs":
            return ["--tmpfs", entry.target]
        case "proc":
            return ["--proc", entry.target]
        case "devices":
            return ["--dev", entry.target]
        case "text":
            raise ValueError(f"{entry.target} is not on the disk")
