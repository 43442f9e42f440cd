"""A request passed on to the server that leads, whole and as it was signed: for services whose state is in its home.

`Server` calls it. The `Host` header stays, because the signature covers it; all servers know the same keys.
"""

import http.client
from urllib.parse import urlsplit

from clary.wire.errors import AwsError
from clary.wire.messages import Head, Reply

AT_HOME = frozenset({"logs", "sagemaker-runtime"})
"""Logs are files, models are processes of the machine that leads."""
MARK = "x-clary-forwarded"
"""Whoever gets a request that was passed on answers it, whatever it believes."""
PATIENCE = 70.0
BETWEEN_HOPS = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})


class Unreachable(AwsError):
    code, status = "ServiceUnavailable", 503


def forward(url: str, head: Head, body: bytes) -> Reply:
    """The answer of the server at `url`. Raises `Unreachable`."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
    target = f"{head.path}?{head.query}" if head.query else head.path
    headers = {name: value for name, value in head.named.items() if name not in BETWEEN_HOPS}
    try:
        connection.request(head.method, target, body, headers | {MARK: "1"})
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"The server that leads, at {url}, does not answer: {error}") from error
    finally:
        connection.close()
    told = [(name.lower(), value) for name, value in answer.getheaders()]
    return Reply(answer.status, [(name, value) for name, value in told if name not in BETWEEN_HOPS], content)
