"""TensorFlow Serving's REST API on the loopback, for a user's `handler`, which calls the model itself.

The loopback may be the machine's, so the address holds a secret.
"""

import json
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Ask = Callable[[str, bytes], tuple[int, bytes]]
"""A path from `/v1/models/` on, and a body (empty for GET), to a status and JSON."""


def open_door(ask: Ask) -> str:
    """Answer from now on, in threads. Returns what stands before `/v1/models/...`."""
    secret = f"/{secrets.token_urlsafe(24)}"

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("content-length") or 0)))

        def do_GET(self) -> None:
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            known = self.path.startswith(f"{secret}/v1/models/")
            status, text = ask(self.path[len(secret) :], body) if known else (404, json.dumps({"error": "Not Found"}))
            content = text if isinstance(text, bytes) else text.encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}{secret}"
