"""Requests to an external S3, signed with Clary's own credentials. `relay.py` calls it, in threads.

Bodies are seekable files, so that a request which met a connection that had just ended can be sent again.
"""

import http.client
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import IO, Any
from urllib.parse import quote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest

from clary.objects.external import ExternalObjects, Unavailable

PATIENCE = 60.0
BLOCK = 1024 * 1024
IDLE = 32
"""Connections that are kept."""
UNSIGNED = "UNSIGNED-PAYLOAD"
"""The body was checked when it came from the client; its MD5 goes along."""


class _Auth(S3SigV4Auth):  # type: ignore[misc]
    def payload(self, request: Any) -> str:
        return UNSIGNED


class Answer:
    """A status, headers and a body that is still to be read. `close` gives the connection back."""

    def __init__(
        self, connection: http.client.HTTPConnection, keep: Callable[[http.client.HTTPConnection], None]
    ) -> None:
        self._raw = connection.getresponse()
        self._connection = connection
        self._keep = keep
        self.status = self._raw.status
        self.headers = [(name.lower(), value) for name, value in self._raw.getheaders()]

    def read(self) -> bytes:
        """The next block; empty at the end."""
        return self._raw.read(BLOCK)

    def close(self) -> None:
        if self._raw.isclosed():
            self._keep(self._connection)
            return
        # What is left would have to be read before the next answer.
        self._raw.close()
        self._connection.close()


class Sender:
    def __init__(self, objects: ExternalObjects) -> None:
        url = urlsplit(objects.endpoint)
        self._objects = objects
        self._base = f"{url.scheme}://{url.netloc}"
        self._host = url.netloc
        self._kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        self._idle: deque[http.client.HTTPConnection] = deque(maxlen=IDLE)
        self._guard = threading.Lock()

    def send(
        self,
        method: str,
        bucket: str,
        key: str,
        query: Iterable[tuple[str, str]],
        headers: dict[str, str],
        body: IO[bytes] | None = None,
    ) -> Answer:
        """Raises `Unavailable`."""
        target = _target(bucket, key, query)
        signed = AWSRequest(method=method, url=self._base + target, headers=headers)
        _Auth(self._objects.credentials.get_frozen_credentials(), "s3", self._objects.region).add_auth(signed)
        told = dict(signed.headers.items()) | {"Host": self._host}
        if body is not None:
            told["Content-Length"] = str(body.seek(0, os.SEEK_END))
        try:
            connection = self._reuse()
            if connection is not None:
                try:
                    return self._exchange(connection, method, target, told, body)
                except (http.client.RemoteDisconnected, ConnectionError):
                    # It had ended while idle.
                    connection.close()
            return self._exchange(self._connect(), method, target, told, body)
        except (http.client.HTTPException, OSError) as error:
            raise Unavailable(f"The external S3 at {self._base} does not answer: {error}") from error

    def close(self) -> None:
        """Give up the connections that are kept."""
        while connection := self._reuse():
            connection.close()

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        headers: dict[str, str],
        body: IO[bytes] | None,
    ) -> Answer:
        if body is not None:
            body.seek(0)
        connection.request(method, target, body, headers)
        return Answer(connection, self._keep)

    def _reuse(self) -> http.client.HTTPConnection | None:
        with self._guard:
            return self._idle.pop() if self._idle else None

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        with self._guard:
            self._idle.append(connection)

    def _connect(self) -> http.client.HTTPConnection:
        return self._kind(self._host, timeout=PATIENCE, blocksize=BLOCK)


def _target(bucket: str, key: str, query: Iterable[tuple[str, str]]) -> str:
    path = "/" + "/".join(part for part in (quote(bucket), quote(key, safe="/~")) if part)
    pairs = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)
    return f"{path}?{pairs}" if pairs else path
