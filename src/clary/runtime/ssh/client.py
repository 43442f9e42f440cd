"""`ssh [options] host command`: runs a command on another host of the job. Its exit code is the command's, else 255."""

import contextlib
import getopt
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import paramiko

from clary.runtime.ssh import keys
from clary.runtime.ssh.server import PORT

FAILED = 255
CHUNK = 32 * 1024
OPTIONS = "46AaCfgKkMNnqsTtVvXxYyb:c:D:E:e:F:I:i:J:L:l:m:O:o:p:Q:R:S:W:w:"
"""OpenSSH's, of which only `-p` says something here."""


def main() -> int:
    try:
        options, words = getopt.getopt(sys.argv[1:], OPTIONS)
        host, command = words[0].rpartition("@")[2], " ".join(words[1:])
    except (getopt.GetoptError, IndexError) as error:
        print(f"usage: ssh host command ({error})", file=sys.stderr)
        return FAILED
    if not command:
        print("ssh: there are no terminals between the hosts of a job; give a command", file=sys.stderr)
        return FAILED
    try:
        return run(host, int(dict(options).get("-p", PORT)), command)
    except (paramiko.SSHException, OSError, EOFError) as error:
        print(f"ssh: {host}: {error}", file=sys.stderr)
        return FAILED


def run(host: str, port: int, command: str) -> int:
    """With our streams. Raises `SSHException`, also when the host does not have the job's key, or `OSError`."""
    key = paramiko.Ed25519Key.from_private_key_file(str(keys.lay_out(Path.home())))
    # No `with`: there is nothing to wait for at the end.
    transport = paramiko.Transport((host, port))
    transport.connect(hostkey=key, username="root", pkey=key)
    channel = transport.open_session()
    channel.exec_command(command)
    threading.Thread(target=_feed, args=(channel,), daemon=True).start()
    errors = threading.Thread(target=_hand_on, args=(channel.recv_stderr, 2), daemon=True)
    errors.start()
    _hand_on(channel.recv, 1)
    errors.join()
    code = channel.recv_exit_status()
    transport.close()
    return code if code >= 0 else FAILED


def _feed(channel: paramiko.Channel) -> None:
    with contextlib.suppress(OSError):
        while data := os.read(0, CHUNK):
            channel.sendall(data)
        channel.shutdown_write()


def _hand_on(receive: Callable[[int], bytes], fd: int) -> None:
    while data := memoryview(receive(CHUNK)):
        while data:
            data = data[os.write(fd, data) :]
