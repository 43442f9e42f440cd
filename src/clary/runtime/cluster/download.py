"""Objects fetched from an S3 into files: many at once, large ones in ranges. Nodes do it before an instance starts."""

import datetime
import hashlib
import hmac
import http.client
import os
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlsplit

from clary.runtime.workload import Store

AT_ONCE = 16
CHUNK = 1024 * 1024
RANGE_BYTES = 32 * 1024 * 1024
TRIES = 5
PATIENCE = 60.0
UNSIGNED = "UNSIGNED-PAYLOAD"


class CannotFetch(Exception):
    """An object is not there, or its server does not answer. The message is the caller's to read."""


def download(store: Store, wanted: Iterable[tuple[str, Path]]) -> None:
    """Fetch each `s3://bucket/key` into its file. May be repeated. Raises `CannotFetch`, `OSError` of the disk."""
    made = set[Path]()
    jobs = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        fetching = _Fetching(store, pool)
        for uri, file in wanted:
            if file.parent not in made:
                file.parent.mkdir(parents=True, exist_ok=True)
                made.add(file.parent)
            jobs.append(pool.submit(fetching.whole, uri, file))
        try:
            ranges = [part for job in jobs for part in job.result()]
            for part in ranges:
                part.result()
        finally:
            pool.shutdown(cancel_futures=True)
            fetching.close()


class _Fetching:
    """One connection for each thread."""

    def __init__(self, store: Store, pool: ThreadPoolExecutor) -> None:
        self._store, self._pool = store, pool
        self._own = threading.local()
        self._opened: list[http.client.HTTPConnection] = []
        url = urlsplit(store.endpoint)
        self._host = url.netloc
        self._kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection

    def close(self) -> None:
        for connection in self._opened:
            connection.close()

    def whole(self, uri: str, file: Path) -> "list[Future[None]]":
        """The first range of it, which is mostly all; answers what fetches the others.

        A file that is there is filled in place: it may have other names already.
        """
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            size = self._try(uri, fd, 0)
        finally:
            os.close(fd)
        return [self._pool.submit(self._range, uri, file, start) for start in range(RANGE_BYTES, size, RANGE_BYTES)]

    def _range(self, uri: str, file: Path, start: int) -> None:
        fd = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
        try:
            self._try(uri, fd, start)
        finally:
            os.close(fd)

    def _try(self, uri: str, fd: int, start: int) -> int:
        for left in reversed(range(TRIES)):
            try:
                return self._fetch(uri, fd, start)
            except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
                self._own.connection = None
                if not left:
                    raise CannotFetch(f"Data download failed: {uri}: {error or type(error).__name__}") from error
        raise AssertionError

    def _fetch(self, uri: str, fd: int, start: int) -> int:
        """One range; answers the size of the whole object."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        path = f"/{quote(bucket)}/{quote(key, safe='/~', errors='surrogateescape')}"
        connection = self._connection()
        span = f"bytes={start}-{start + RANGE_BYTES - 1}"
        connection.request("GET", path, headers={"Range": span} | signed(self._store, self._host, path))
        answer = connection.getresponse()
        if answer.status == 416:
            answer.read()
            return 0
        if answer.status not in (200, 206):
            said = answer.read(CHUNK).decode("utf-8", "replace")
            if answer.status >= 500:
                raise ConnectionError(f"{answer.status} {answer.reason}")
            raise CannotFetch(f"Data download failed: {uri}: {answer.status} {answer.reason} {_code(said)}".rstrip())
        at = start
        buffer = memoryview(bytearray(CHUNK))
        while count := answer.readinto(buffer):
            done = 0
            while done < count:
                done += os.pwrite(fd, buffer[done:count], at + done)
            at += count
        return int(answer.headers.get("Content-Range", f"/{at}").rpartition("/")[2])

    def _connection(self) -> http.client.HTTPConnection:
        found: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if found is None:
            found = self._own.connection = self._kind(self._host, timeout=PATIENCE)
            self._opened.append(found)
        return found


def signed(store: Store, host: str, path: str) -> dict[str, str]:
    """The headers of a GET with AWS's Signature Version 4. `path` is as it goes over the wire."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": host, "x-amz-content-sha256": UNSIGNED, "x-amz-date": now, "x-amz-security-token": store.token}
    headers = {name: value for name, value in headers.items() if value}
    names = ";".join(headers)
    canonical = "\n".join(
        ["GET", path, "", *(f"{name}:{value}" for name, value in headers.items()), "", names, UNSIGNED]
    )
    scope = f"{now[:8]}/{store.region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{store.secret}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    credential = f"Credential={store.access_key}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    return headers | {"Authorization": f"AWS4-HMAC-SHA256 {credential}"}


def _code(text: str) -> str:
    return text.partition("<Code>")[2].partition("</Code>")[0]
