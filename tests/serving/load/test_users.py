"""Users against a server of the standard library."""

import asyncio
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from clary.serving.load.asked import Ask, Step
from clary.serving.load.signing import Signer
from clary.serving.load.users import Users

SIGNER = Signer("a", "b", "c", "us-east-1")


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        time.sleep(0.3 if body == b"late" else 0)
        signed = self.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=a/")
        self.send_response(200 if signed and body != b"bad" else 424)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A user that has gone."""


@pytest.fixture
def url() -> Iterator[str]:
    with Server(("127.0.0.1", 0), Echo) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def run(url: str, folder: Path, *steps: tuple[int, float], body: bytes = b"good") -> tuple[list[Step], Users]:
    (folder / "sample").write_bytes(body)
    users = Users(Ask(url, "/x", "us-east-1", str(folder), "text/csv", steps), SIGNER, lambda step: None, 0.0)
    return asyncio.run(users.run()), users


def test_users_call_one_after_another(url: str, tmp_path: Path) -> None:
    found, users = run(url, tmp_path, (1, 0.1), (3, 0.1))
    assert [(each.users, each.errors, each.answered > 0) for each in found] == [(1, 0, True), (3, 0, True)]
    assert all(0 < each.p50 <= each.p95 <= each.p99 for each in found)
    assert (users.trouble, users.over) == ("", "")


def test_a_step_that_is_shorter_than_a_call_lasts_as_long(url: str, tmp_path: Path) -> None:
    (found,), users = run(url, tmp_path, (1, 0.05), body=b"late")
    assert (found.answered, found.errors, found.seconds >= 0.3, users.over) == (1, 0, True, "")


def test_errors_are_counted_and_the_first_is_told(url: str, tmp_path: Path) -> None:
    found, users = run(url, tmp_path, (1, 0.1), (2, 0.1), body=b"bad")
    assert [(each.answered, each.errors > 0) for each in found] == [(0, True)]
    assert (users.trouble, users.over) == ("424 : bad", "no call was answered")


def test_server_that_is_not_there(tmp_path: Path) -> None:
    _, users = run("http://127.0.0.1:1", tmp_path, (1, 0.05))
    assert users.trouble.startswith("the endpoint cannot be reached")


def test_archive_without_a_file(tmp_path: Path) -> None:
    ask = Ask("http://h:1", "/x", "r", str(tmp_path), "text/csv", ((1, 1.0),))
    with pytest.raises(ValueError, match="holds no file"):
        Users(ask, SIGNER, lambda step: None)
