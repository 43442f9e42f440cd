"""`aws-chunked` bodies: the framing that newer SDKs put around an upload, with its chunk signatures and trailer.

    <size in hex>[;chunk-signature=<hex>] CRLF <bytes> CRLF ... 0[;chunk-signature=<hex>] CRLF [name:value CRLF]... CRLF

Source: "Signature Version 4: transferring payload in multiple chunks" of the S3 API reference.
"""

import hashlib
import hmac
from collections.abc import Iterator

import msgspec

from clary.objects.errors import S3Error

MAX_LINE_BYTES = 4096
MAX_TRAILER_BYTES = 16 * 1024
_EMPTY = hashlib.sha256(b"").hexdigest()


class Signer(msgspec.Struct):
    """Verifies the chain of chunk signatures, which starts with the request's own."""

    key: bytes
    time: str
    scope: str
    previous: str

    def chunk(self, digest: str, signature: str) -> None:
        self._check(
            f"AWS4-HMAC-SHA256-PAYLOAD\n{self.time}\n{self.scope}\n{self.previous}\n{_EMPTY}\n{digest}", signature
        )

    def trailer(self, digest: str, signature: str) -> None:
        self._check(f"AWS4-HMAC-SHA256-TRAILER\n{self.time}\n{self.scope}\n{self.previous}\n{digest}", signature)

    def _check(self, text: str, signature: str) -> None:
        expected = hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise S3Error("SignatureDoesNotMatch")
        self.previous = signature


class Decoder:
    """Feed it what arrives; it yields the payload. `signer` is `None` for unsigned chunks."""

    def __init__(self, signer: Signer | None, *, trailing: bool) -> None:
        self._signer = signer
        self._trailing = trailing
        self._buffer = bytearray()
        self._left = 0
        self._state = "size"
        self._signature = ""
        self._digest = hashlib.sha256()
        self._trailer_size = 0
        self._signed_trailer = hashlib.sha256()
        self.trailer: dict[str, str] = {}

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._buffer += data
        while self._buffer and self._state != "done":
            if self._state == "data":
                yield self._take_data()
            elif not self._take_line():
                return

    def finish(self) -> None:
        """Raises `IncompleteBody` unless the end was reached."""
        if self._state != "done":
            raise S3Error("IncompleteBody")

    def _take_data(self) -> bytes:
        taken = bytes(memoryview(self._buffer)[: self._left])
        del self._buffer[: len(taken)]
        self._left -= len(taken)
        if self._signer:
            self._digest.update(taken)
        if not self._left:
            self._end_chunk()
            self._state = "gap"
        return taken

    def _end_chunk(self) -> None:
        if self._signer:
            self._signer.chunk(self._digest.hexdigest(), self._signature)
            self._digest = hashlib.sha256()

    def _take_line(self) -> bool:
        """Handle one line if it is there."""
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > MAX_LINE_BYTES:
                raise S3Error("IncompleteBody")
            return False
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        {"size": self._read_size, "gap": self._read_gap, "trailer": self._read_trailer}[self._state](line)
        return True

    def _read_size(self, line: bytes) -> None:
        size, _, extension = line.partition(b";")
        try:
            self._left = int(size, 16)
        except ValueError:
            raise S3Error("IncompleteBody") from None
        if self._left < 0:
            raise S3Error("IncompleteBody")
        self._signature = extension.removeprefix(b"chunk-signature=").decode("latin-1")
        if self._left:
            self._state = "data"
            return
        self._end_chunk()
        self._state = "trailer" if self._trailing else "end"
        if self._state == "end":
            self._state = "done"

    def _read_gap(self, line: bytes) -> None:
        if line:
            raise S3Error("IncompleteBody")
        self._state = "size"

    def _read_trailer(self, line: bytes) -> None:
        self._trailer_size += len(line)
        if self._trailer_size > MAX_TRAILER_BYTES:
            raise S3Error("MalformedXML")
        name, colon, value = line.decode("latin-1").partition(":")
        if name == "x-amz-trailer-signature" and self._signer:
            self._signer.trailer(self._signed_trailer.hexdigest(), value.strip())
            self._state = "done"
        elif colon:
            self.trailer[name.strip().lower()] = value.strip()
            self._signed_trailer.update(f"{name.strip().lower()}:{value.strip()}\n".encode())
        elif self._signer and self.trailer:
            raise S3Error("SignatureDoesNotMatch")
        else:
            self._state = "done"
