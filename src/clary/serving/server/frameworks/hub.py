"""Models of a hub, which an instance fetches when it starts: whether it can, said at once and with what to do instead.

The library itself would try for half a minute, once for each worker, and then speak of a connection.
"""

import os
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

CONNECT_SECONDS = 5.0
PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


class Unreachable(Exception):
    """The hub does not answer. The message says what to do."""


def check(model: str, endpoint: str, environment: Mapping[str, str] = os.environ) -> None:
    """`endpoint`: the hub's address. Raises `Unreachable`. What a proxy reaches is only known by asking."""
    if environment.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise Unreachable(_advice(model, endpoint, "HF_HUB_OFFLINE is set"))
    if any(environment.get(name) for name in PROXIES):
        return
    parts = urlsplit(endpoint)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS).close()
    except OSError as error:
        raise Unreachable(_advice(model, endpoint, str(error))) from error


def _advice(model: str, endpoint: str, why: str) -> str:
    return (
        f"HF_MODEL_ID is {model!r}, a model of the hub at {endpoint}, which cannot be reached from this instance "
        f"({why}). Fetch it where the hub can be reached (`hf download {model} --local-dir model`), pack the files of "
        "that folder as model.tar.gz, and give its S3 address as ModelDataUrl instead of HF_MODEL_ID; or name a mirror "
        "of the hub in HF_ENDPOINT."
    )
