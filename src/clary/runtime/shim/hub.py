"""The private network of a workload with several instances: one process that holds it while any instance lives.

Each instance gets a network namespace with `eth0` on a bridge that only they share. Nothing is left when the hub and
the instances are gone: namespaces live as long as somebody holds them. A relay listens inside at Clary's own address
and connects from outside, so jobs reach it whatever else they may reach.

Two processes at first: one goes into the namespaces (without privilege there is no way back), makes everything and
hands over descriptors; the other stays outside and keeps them.
"""

import array
import contextlib
import fcntl
import functools
import json
import os
import select
import signal
import socket
import subprocess
from collections.abc import Callable
from typing import TypedDict

from clary.runtime.shim import kernel
from clary.runtime.shim.relay import Relay

NAME = "hub.json"
LIFE = "hub.life"
"""FIFO that every shim of the workload holds open for writing: its end is the end of the hub."""
READY = "hub.ready"
CLOSED = "hub.closed"
"""Says that the hub tidied up itself."""
BRIDGE = "br0"
NETWORK = 16


class HubSpec(TypedDict):
    """`hub.json` in the workload's folder."""

    hosts: list[str]
    privileged: bool
    """Root of the machine: no user namespace is needed."""
    endpoint: list[str]
    """Address and port of Clary as seen from outside; empty: not reachable, the job is isolated."""
    outside: list[str]
    """Command that connects the namespace whose path is appended (pasta); empty: there is none."""
    nat: str
    """First three parts of the addresses between the machine and the instances; empty: no NAT."""
    open: list[list[str]]
    """Commands that let the instances out by NAT."""
    close: list[list[str]]
    """Commands that undo it; a backend that finds a killed hub runs them again."""
    ip: str
    """Path of iproute2's `ip`."""


def address(number: int) -> str:
    """The address of the workload's `number`th instance, from 0."""
    return f"10.77.{(number + 2) // 256}.{(number + 2) % 256}"


def main(folder: str) -> None:
    """Detach, make the network, hold it until the last instance is gone."""
    if os.fork():
        os._exit(0)
    with open(f"{folder}/{NAME}") as file:
        spec: HubSpec = json.load(file)
    life = os.open(f"{folder}/{LIFE}", os.O_RDONLY | os.O_NONBLOCK)
    spaces, listeners = _make(spec)
    ways = [_connect(spec, spaces, number) for number in range(len(spec["hosts"]))] if spec["outside"] else []
    if spec["nat"]:
        _translate(spec, spaces)
    ready = {"pid": os.getpid(), "user": spaces[-1] if not spec["privileged"] else None, "spaces": spaces}
    _write(f"{folder}/{READY}", json.dumps(ready))
    try:
        _hold(life, Relay(listeners, spec["endpoint"]))
    finally:
        for way in ways:
            way.terminate()
        run(spec["close"])
        os.close(os.open(f"{folder}/{CLOSED}", os.O_CREAT | os.O_WRONLY, 0o600))
        with contextlib.suppress(OSError):
            os.unlink(f"{folder}/{READY}")


def enter(ready: str, number: int) -> None:
    """Move the calling process into an instance's network. `ready`: path of `hub.ready`."""
    with open(ready) as file:
        found = json.load(file)
    holder = f"/proc/{found['pid']}/fd"
    # Opened first: once inside the user namespace, the machine's /proc may refuse.
    space = os.open(f"{holder}/{found['spaces'][number]}", os.O_RDONLY)
    if found["user"] is not None:
        user = os.open(f"{holder}/{found['user']}", os.O_RDONLY)
        kernel.setns(user, kernel.CLONE_NEWUSER)
    kernel.setns(space, kernel.CLONE_NEWNET)


def run(commands: list[list[str]]) -> None:
    """Run commands one after the other; one that fails leaves its note in nobody's way."""
    for command in commands:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _write(path: str, text: str) -> None:
    """A file whole or not at all."""
    with open(f"{path}.new", "w") as file:
        file.write(text)
    os.rename(f"{path}.new", path)


def _hold(life: int, relay: Relay) -> None:
    poll = select.poll()
    poll.register(life, 0)
    relay.register(poll)
    while True:
        for fd, events in poll.poll():
            if fd == life:
                return
            relay.serve(fd, events)


def _make(spec: HubSpec) -> tuple[list[int], list[socket.socket]]:
    """One namespace for each host, the bridge's, the user namespace where there is one; the relay's sockets."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            ours.close()
            _inside(spec, theirs)
            code = 0
        except (OSError, subprocess.SubprocessError) as error:
            os.write(2, f"Clary: the network could not be made: {error}\n".encode())
        finally:
            os._exit(code)
    theirs.close()
    count = len(spec["hosts"]) + 1 + (0 if spec["privileged"] else 1)
    fds = [_receive(ours) for _ in range(count)]
    listeners = [socket.socket(fileno=_receive(ours)) for _ in spec["hosts"]] if spec["endpoint"] else []
    os.waitpid(child, 0)
    return fds, listeners


def _inside(spec: HubSpec, parent: socket.socket) -> None:
    if not spec["privileged"]:
        _own_users()
    kernel.unshare(kernel.CLONE_NEWNET)
    middle = os.open("/proc/self/ns/net", os.O_RDONLY)
    spaces = []
    for _ in spec["hosts"]:
        kernel.unshare(kernel.CLONE_NEWNET)
        spaces.append(os.open("/proc/self/ns/net", os.O_RDONLY))
    kernel.setns(middle, kernel.CLONE_NEWNET)
    _ip(spec, [f"link add {BRIDGE} type bridge forward_delay 0", f"link set {BRIDGE} up"])
    _ip(spec, [line for number, space in enumerate(spaces) for line in _cable(number, space)])
    listeners = []
    for number, space in enumerate(spaces):
        kernel.setns(space, kernel.CLONE_NEWNET)
        _ip(spec, _card(spec, number))
        # User code is root in its own eyes only, and in an image it may listen on any port, such as sshd's.
        with contextlib.suppress(OSError), open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "w") as file:
            file.write("0")
        if spec["endpoint"]:
            listeners.append(_listen(spec["endpoint"]))
    users = [] if spec["privileged"] else [os.open("/proc/self/ns/user", os.O_RDONLY)]
    for fd in [*spaces, middle, *users, *(listener.fileno() for listener in listeners)]:
        _send(parent, fd)


def _own_users() -> None:
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _cable(number: int, space: int) -> list[str]:
    return [
        f"link add v{number} type veth peer name eth0 netns /proc/{os.getpid()}/fd/{space}",
        f"link set v{number} master {BRIDGE} up",
    ]


def _card(spec: HubSpec, number: int) -> list[str]:
    lines = ["link set lo up", f"addr add {address(number)}/{NETWORK} dev eth0", "link set eth0 up"]
    if spec["endpoint"] and not spec["endpoint"][0].startswith("127."):
        lines.append(f"addr add {spec['endpoint'][0]}/32 dev lo")
    return lines


def _ip(spec: HubSpec, lines: list[str]) -> None:
    subprocess.run([spec["ip"], "-batch", "-"], input="\n".join(lines).encode(), check=True)


def _listen(endpoint: list[str]) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((endpoint[0], int(endpoint[1])))
    listener.listen(128)
    return listener


def _connect(spec: HubSpec, spaces: list[int], number: int) -> "subprocess.Popen[bytes]":
    path = f"/proc/{os.getpid()}/fd/"
    users = [] if spec["privileged"] else ["--userns", f"{path}{spaces[-1]}"]
    return subprocess.Popen(
        [*spec["outside"], *users, "--netns", f"{path}{spaces[number]}"],
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: kernel.die_with_parent(signal.SIGKILL),
    )


def _translate(spec: HubSpec, spaces: list[int]) -> None:
    """A cable from the machine to each instance, forwarded and translated there. Needs privilege."""
    with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
        file.write("1")
    run(spec["open"])
    for number, _ in enumerate(spec["hosts"]):
        near, far = (f"{spec['nat']}.{4 * number + end}" for end in (1, 2))
        # Named after the network, so that two jobs' cables never have one name.
        card = f"cl{''.join(f'{int(part):02x}' for part in spec['nat'].split('.'))}n{number}"
        space = f"/proc/{os.getpid()}/fd/{spaces[number]}"
        _ip(spec, [f"link add {card} type veth peer name ext0 netns {space}", f"addr add {near}/30 dev {card}"])
        _ip(spec, [f"link set {card} up"])
        lines = [f"addr add {far}/30 dev ext0", "link set ext0 up", f"route add default via {near}"]
        _within(spaces[number], functools.partial(_ip, spec, lines))


def _within(space: int, work: Callable[[], None]) -> None:
    child = os.fork()
    if child == 0:
        try:
            kernel.setns(space, kernel.CLONE_NEWNET)
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _send(sock: socket.socket, fd: int) -> None:
    sock.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])


def _receive(sock: socket.socket) -> int:
    _, extra, _, _ = sock.recvmsg(1, socket.CMSG_SPACE(array.array("i").itemsize))
    if not extra:
        raise OSError("the network could not be made")
    (fd,) = array.array("i", extra[0][2])
    fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    return int(fd)
