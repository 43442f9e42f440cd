"""`sshd`: lets the other hosts of the job run commands here, with this process's own variables."""

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import paramiko

from clary.runtime.ssh import keys

PORT = 22
CHUNK = 32 * 1024


def main() -> int:
    """Until it is ended. At once when there is no other host."""
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    told = json.loads((base / "input/config/resourceconfig.json").read_bytes())
    if len(told["hosts"]) < 2:
        return 0
    # A peer that only knocks would be told of with a traceback.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    key = paramiko.Ed25519Key.from_private_key_file(str(keys.lay_out(Path.home())))
    try:
        listening = socket.create_server((told["current_host"], PORT), backlog=128)
    except OSError as error:
        print(f"sshd: cannot listen on {told['current_host']}:{PORT}: {error}", file=sys.stderr, flush=True)
        return 1
    while True:
        peer, _ = listening.accept()
        threading.Thread(target=_serve, args=(peer, key), daemon=True).start()


def _serve(peer: socket.socket, key: paramiko.PKey) -> None:
    transport = paramiko.Transport(peer)
    transport.add_server_key(key)
    try:
        transport.start_server(server=_Door(key))
        # Commands run until their ends; a peer that says nothing more is asked for life signs.
        transport.set_keepalive(30)
        transport.join()
    except (paramiko.SSHException, EOFError, OSError):
        transport.close()


class _Door(paramiko.ServerInterface):  # type: ignore[misc]
    """Whoever has the job's key may run commands."""

    def __init__(self, key: paramiko.PKey) -> None:
        self._key = key

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        answer: int = paramiko.AUTH_SUCCESSFUL if key == self._key else paramiko.AUTH_FAILED
        return answer

    def check_channel_request(self, kind: str, chanid: int) -> int:
        refused: int = paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        return paramiko.OPEN_SUCCEEDED if kind == "session" else refused

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=_run, args=(channel, command), daemon=True).start()
        return True


def _run(channel: paramiko.Channel, command: bytes) -> None:
    shell = ["/bin/sh", "-c", os.fsdecode(command)]
    pipe = subprocess.PIPE
    with subprocess.Popen(shell, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as process:
        assert process.stdin and process.stdout and process.stderr
        threading.Thread(target=_feed, args=(channel, process.stdin), daemon=True).start()
        errors = threading.Thread(target=_hand_on, args=(process.stderr, channel.sendall_stderr))
        errors.start()
        _hand_on(process.stdout, channel.sendall)
        errors.join()
        code = process.wait()
    channel.send_exit_status(code if code >= 0 else 128 - code)
    channel.close()


def _feed(channel: paramiko.Channel, stdin: IO[bytes]) -> None:
    """Until the peer has said all; then the command sees the end of its input."""
    with contextlib.suppress(OSError, ValueError), stdin:
        while data := channel.recv(CHUNK):
            stdin.write(data)


def _hand_on(source: IO[bytes], send: Callable[[bytes], None]) -> None:
    """A peer that has gone is told nothing, and the command not ended by it."""
    gone = False
    while data := os.read(source.fileno(), CHUNK):
        try:
            if not gone:
                send(data)
        except OSError:
            gone = True
