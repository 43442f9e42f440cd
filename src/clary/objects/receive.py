"""Taking in a request body: streamed block by block to a file, hashed on the way, never whole in memory.

Reading the socket stays on the event loop; hashing and writing a block happen in a thread while the next one arrives.
Two blocks of a request are in memory at most.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import Executor
from typing import Protocol

from clary.objects.checksums import HEADER, Digests, check_known, given, verify
from clary.objects.chunked import Decoder, Signer
from clary.objects.errors import S3Error
from clary.wire.http.exchange import Exchange
from clary.wire.messages import Head
from clary.wire.sigv4 import Identity

BLOCK_BYTES = 512 * 1024
MAX_PUT_BYTES = 5 * 1024**3
MAX_DOCUMENT_BYTES = 128 * 1024
LARGE_DOCUMENTS = dict.fromkeys(
    ("CompleteMultipartUpload", "DeleteObjects", "PutBucketLifecycleConfiguration", "PutBucketReplication"),
    2 * 1024 * 1024,
)
"""Bodies that AWS allows to list thousands of things. Read, XML may take forty times its size."""
SILENCE_SECONDS = 30.0
"""How long a client may send nothing in the middle of a body. A slow one may take as long as it likes."""
STREAMING = "STREAMING-"


class Sink(Protocol):
    """Where the payload goes: a staging file or a part's place."""

    @property
    def size(self) -> int: ...

    def write(self, block: bytes) -> None: ...
    def discard(self) -> None: ...


class Intake:
    """The state of one upload: unframes, hashes and writes blocks, then checks everything that was promised."""

    def __init__(self, head: Head, identity: Identity, sink: Sink) -> None:
        self.sink = sink
        self.length = content_length(head)
        self._head = head.named
        self._signed_hash = identity.payload_hash
        self._decoder = _decoder(identity, head)
        self._promised = _promised(self._head) if self._decoder else ""
        self.stated = given(self._head)
        self.digests = Digests(["md5", *self._wanted()])

    def _wanted(self) -> Iterable[str]:
        yield from self.stated
        if self._promised:
            yield self._promised.removeprefix(HEADER)
        if len(self._signed_hash) == 64:
            yield "sha256"

    def take(self, data: bytes) -> None:
        for block in self._decoder.feed(data) if self._decoder else (data,):
            if self.sink.size + len(block) > self.length:
                raise S3Error("IncompleteBody")
            self.digests.update(block)
            self.sink.write(block)

    def check(self) -> None:
        """Raises unless the payload is what the client said it would be."""
        if self._decoder:
            self._decoder.finish()
            stated = given(self._decoder.trailer)
            if {HEADER + name for name in stated} != ({self._promised} - {""}):
                raise S3Error("MalformedTrailerError")
            self.stated |= stated
        if self.sink.size != self.length:
            raise S3Error("IncompleteBody")
        if len(self._signed_hash) == 64 and self.digests.hex("sha256") != self._signed_hash:
            raise S3Error("XAmzContentSHA256Mismatch")
        check_md5(self._head.get("content-md5"), self.digests)
        verify(self.digests, self.stated)

    @property
    def etag(self) -> str:
        return self.digests.hex("md5")


def content_length(head: Head) -> int:
    """Length of the payload without framing. Raises `MissingContentLength`, `EntityTooLarge`."""
    framed = head.header("x-amz-content-sha256").startswith(STREAMING)
    text = head.header("x-amz-decoded-content-length" if framed else "content-length")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise S3Error("MissingContentLength")
    if int(text) > MAX_PUT_BYTES:
        raise S3Error("EntityTooLarge", ProposedSize=text, MaxSizeAllowed=str(MAX_PUT_BYTES))
    return int(text)


def _promised(headers: Mapping[str, str]) -> str:
    """The checksum header that is to follow the body. Raises `InvalidRequest` for one that is not known."""
    trailer = headers.get("x-amz-trailer", "").strip().lower()
    check_known([trailer])
    return trailer if trailer.startswith(HEADER) else ""


def check_md5(header: str | None, digests: Digests) -> None:
    if header is None:
        return
    if len(header) != 24:
        raise S3Error("InvalidDigest")
    if digests.base64("md5") != header:
        raise S3Error("BadDigest")


def _decoder(identity: Identity, head: Head) -> Decoder | None:
    # The signature covers the header; a presigned URL's body is always unsigned and may still be framed.
    form = head.header("x-amz-content-sha256") or identity.payload_hash
    if not form.startswith(STREAMING):
        return None
    if form.startswith("STREAMING-UNSIGNED-PAYLOAD"):
        return Decoder(None, trailing=form.endswith("-TRAILER"))
    if not form.startswith("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"):
        raise S3Error("NotImplemented", "A header you provided implies functionality that is not implemented")
    signer = Signer(identity.signing_key, identity.stamp, identity.scope, identity.signature)
    return Decoder(signer, trailing=form.endswith("-TRAILER"))


async def pump(exchange: Exchange, intake: Intake, pool: Executor) -> None:
    """Feed the whole body to `intake` in blocks, one of them in a thread while the next is read."""
    loop = asyncio.get_running_loop()
    running: asyncio.Future[None] | None = None
    gathered: list[bytes] = []
    size = 0
    try:
        async for chunk in _chunks(exchange):
            gathered.append(chunk)
            size += len(chunk)
            if size < BLOCK_BYTES:
                continue
            if running:
                await running
            running = loop.run_in_executor(pool, intake.take, b"".join(gathered))
            gathered, size = [], 0
    finally:
        # Also when the client is gone: the thread must be done with the file before anyone closes it.
        if running:
            await asyncio.shield(running)
    if gathered:
        await asyncio.shield(loop.run_in_executor(pool, intake.take, b"".join(gathered)))


async def _chunks(exchange: Exchange) -> AsyncIterator[bytes]:
    """What arrives of the body. Raises `RequestTimeout`."""
    arriving = aiter(exchange)
    while True:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                chunk = await anext(arriving)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise S3Error("RequestTimeout") from None
        yield chunk


async def document(exchange: Exchange, identity: Identity, operation: str) -> bytes:
    """A small body, such as XML, verified like a large one. Raises `MaxMessageLengthExceeded`."""
    head = exchange.head
    limit = LARGE_DOCUMENTS.get(operation, MAX_DOCUMENT_BYTES)
    sink = _Memory()
    if head.header("content-length") in ("", "0") and "transfer-encoding" not in head.named:
        return b""
    intake = Intake(head, identity, sink)
    if operation == "CompleteMultipartUpload":
        # Its checksum headers are about the object.
        intake.stated = {}
    if intake.length > limit:
        raise S3Error("MaxMessageLengthExceeded", MaxMessageLengthBytes=str(limit))
    async for chunk in _chunks(exchange):
        intake.take(chunk)
    intake.check()
    return bytes(sink.body)


class _Memory:
    def __init__(self) -> None:
        self.body = bytearray()

    @property
    def size(self) -> int:
        return len(self.body)

    def write(self, block: bytes) -> None:
        self.body += block

    def discard(self) -> None:
        self.body.clear()
