"""S3 requests of clients, passed on to an external S3: they sign for Clary, Clary signs for the store.

It stands in for `server.S3`, so that every client works as with Clary's own store, presigned URLs too, and nobody but
the server holds the store's credentials. A body is checked against what the client signed and promised before it is
passed on, which takes room on the disk if it is large. What comes back passes through as it is.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import unquote
from uuid import uuid4

from botocore.model import OperationModel

from clary.objects.call import owner
from clary.objects.errors import S3Error
from clary.objects.external import ExternalObjects
from clary.objects.info import Bucket
from clary.objects.names import key_bytes
from clary.objects.receive import Intake, content_length, pump
from clary.objects.roots import name_roots
from clary.objects.routing import Address, Routes, read_address
from clary.objects.sender import Answer, Sender
from clary.objects.server import error_document
from clary.wire.errors import AwsError
from clary.wire.http.exchange import Exchange
from clary.wire.messages import Head
from clary.wire.models import Models
from clary.wire.protocols import rest_xml
from clary.wire.sigv4 import Identity

THREADS = 16
SMALL_BYTES = 1024 * 1024
"""A body is held in memory up to this."""
OLDEST_REGION = "us-east-1"
OWN = frozenset(
    {
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-decoded-content-length",
        "x-amz-expected-bucket-owner",
        "x-amz-security-token",
        "x-amz-source-expected-bucket-owner",
        "x-amz-trailer",
    }
)
"""Headers that are between the client and Clary: signatures, framing, and account ids that the store does not know."""
PASSED = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-md5",
        "content-type",
        "expires",
        "origin",
        "range",
    }
)
SIGNATURE = frozenset(
    {"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-security-token"}
    | {"x-amz-signature", "x-amz-signedheaders", "awsaccesskeyid", "expires", "signature"}
)
"""Query members of presigned URLs."""
BETWEEN_HOPS = frozenset({"connection", "date", "keep-alive", "server", "transfer-encoding"})

Result = TypeVar("Result")

log = logging.getLogger("clary.objects")


class Relay:
    def __init__(self, objects: ExternalObjects, models: Models) -> None:
        self._objects = objects
        self._sender = Sender(objects)
        model = models.service("s3")
        name_roots(model)
        self._routes = Routes(model)
        self._threads = ThreadPoolExecutor(THREADS, "clary-s3")

    async def __call__(self, exchange: Exchange, identity: Identity | None) -> None:
        """The border of a request: whatever happens below becomes an answer here."""
        request_id = uuid4().hex[:16].upper()
        head = exchange.head
        try:
            address = read_address(head.header("host"), head.path)
            key_bytes(address.key)
            if head.method == "OPTIONS":
                await self._ask_leave(exchange, address)
                return
            if identity is None:
                raise S3Error("AccessDenied")
            operation = self._routes.find(head.method, address, head.query_map, head.named)
            if operation.name == "ListBuckets":
                body = await self._in_thread(self._buckets, operation, identity, head, request_id)
                exchange.answer(200, [("content-type", "application/xml")], body)
                return
            await self._pass(exchange, operation, address, identity)
        except AwsError as error:
            _refuse(exchange, error, request_id)
        except ConnectionError:
            raise
        except Exception:
            if exchange.is_answered:
                raise
            log.exception("request %s (%s) failed", request_id, head.method)
            _refuse(exchange, S3Error("InternalError"), request_id)

    def close(self) -> None:
        """For tests: a worker's ends with it."""
        self._threads.shutdown()
        self._sender.close()
        self._objects.client.close()

    async def _pass(self, exchange: Exchange, operation: OperationModel, address: Address, identity: Identity) -> None:
        head = exchange.head
        await self._in_thread(self._permit, operation, address, identity, head)
        with tempfile.SpooledTemporaryFile(SMALL_BYTES) as body:
            headers = _passed(head) | await self._receive(exchange, operation, identity, body)
            if operation.name == "CreateBucket":
                _say_region(body, self._objects.region)
                headers.pop("content-md5", None)
            answer = await self._in_thread(self._send, operation, address, identity, head, headers, body)
        try:
            await self._send_back(exchange, answer)
        finally:
            answer.close()

    async def _ask_leave(self, exchange: Exchange, address: Address) -> None:
        """A browser's question, which is never signed."""
        head = exchange.head
        asked = ("origin", "access-control-request-method", "access-control-request-headers")
        headers = {name: head.header(name) for name in asked if name in head.named}
        answer = await self._in_thread(self._sender.send, "OPTIONS", address.bucket, address.key, (), headers)
        try:
            await self._send_back(exchange, answer)
        finally:
            answer.close()

    async def _receive(
        self, exchange: Exchange, operation: OperationModel, identity: Identity, body: Any
    ) -> dict[str, str]:
        """The checked body, and headers that say what it is."""
        head = exchange.head
        if head.header("content-length") in ("", "0") and "transfer-encoding" not in head.named:
            return {}
        sink = _Sink(body)
        intake = Intake(head, identity, sink)
        if operation.name == "CompleteMultipartUpload":
            # Its checksum headers are about the object.
            intake.stated = {}
        content_length(head)
        await pump(exchange, intake, self._threads)
        await self._in_thread(intake.check)
        sums = {f"x-amz-checksum-{name}": value for name, value in intake.stated.items()}
        return {"content-md5": intake.digests.base64("md5")} | sums

    # --- whose buckets

    def _permit(self, operation: OperationModel, address: Address, identity: Identity, head: Head) -> None:
        account = identity.principal.account
        if operation.name == "CreateBucket":
            self._claim(address.bucket, account, identity.region)
        named = [(address.bucket, head.named.get("x-amz-expected-bucket-owner"))]
        if source := head.header("x-amz-copy-source"):
            bucket = unquote(source).removeprefix("/").partition("/")[0]
            named.append((bucket, head.named.get("x-amz-source-expected-bucket-owner")))
        for bucket, expected in named:
            if self._objects.owner(bucket) != account or expected not in (None, account):
                raise S3Error("AccessDenied")

    def _claim(self, name: str, account: str, region: str) -> None:
        """Before the store makes it: a crash in between leaves a name that its account can make or delete."""
        if self._objects.has_bucket(name):
            if self._objects.owner(name) != account:
                raise S3Error("BucketAlreadyExists", BucketName=name)
            return
        made = Bucket(name, account, region, time.time(), "")
        if not self._objects.claim(made) and self._objects.owner(name) != account:
            raise S3Error("BucketAlreadyExists", BucketName=name)

    def _buckets(self, operation: OperationModel, identity: Identity, head: Head, request_id: str) -> bytes:
        """Those of the account, in one page."""
        account, prefix = identity.principal.account, head.query_map.get("prefix", "")
        shown = [
            {"Name": entry["Name"], "CreationDate": entry["CreationDate"].timestamp()}
            for entry in self._objects.all_buckets()
            if entry["Name"].startswith(prefix) and self._objects.owner(entry["Name"]) == account
        ]
        return rest_xml.answer(operation, {"Buckets": shown, "Owner": owner(account)}, request_id).body

    # --- the store's side

    def _send(
        self,
        operation: OperationModel,
        address: Address,
        identity: Identity,
        head: Head,
        headers: dict[str, str],
        body: Any,
    ) -> Answer:
        query = [(name, value) for name, value in head.query_pairs if name.lower() not in SIGNATURE]
        content = body if body.tell() or body.seek(0, 2) else None
        answer = self._sender.send(head.method, address.bucket, address.key, query, headers, content)
        if operation.name == "DeleteBucket" and answer.status in (200, 204, 404):
            self._objects.disown(address.bucket)
        if operation.name == "CreateBucket" and answer.status >= 400 and not self._objects.has_bucket(address.bucket):
            self._objects.disown(address.bucket)
        return answer

    async def _send_back(self, exchange: Exchange, answer: Answer) -> None:
        headers = [(name, value) for name, value in answer.headers if name not in BETWEEN_HOPS]
        first = await self._in_thread(answer.read)
        second = await self._in_thread(answer.read) if first else b""
        if not second:
            exchange.answer(answer.status, headers, first)
            return
        exchange.stream(answer.status, headers)
        await exchange.send(first)
        while second:
            await exchange.send(second)
            second = await self._in_thread(answer.read)

    async def _in_thread(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


class _Sink:
    """`receive.Sink` over a file."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.size = 0

    def write(self, block: bytes) -> None:
        self.file.write(block)
        self.size += len(block)

    def discard(self) -> None:
        self.file.truncate(0)


def _passed(head: Head) -> dict[str, str]:
    found = {
        name: value
        for name, value in head.named.items()
        if name in PASSED or name.startswith("if-") or (name.startswith("x-amz-") and name not in OWN)
    }
    encodings = [part.strip() for part in found.pop("content-encoding", "").split(",")]
    kept = ",".join(part for part in encodings if part and part != "aws-chunked")
    return found | ({"content-encoding": kept} if kept else {})


def _say_region(body: Any, region: str) -> None:
    """The client names the Region that it believes in; the store has its own."""
    body.seek(0)
    body.truncate()
    if region != OLDEST_REGION:
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        inner = f"<LocationConstraint>{region}</LocationConstraint>"
        body.write(f'<CreateBucketConfiguration xmlns="{space}">{inner}</CreateBucketConfiguration>'.encode())


def _refuse(exchange: Exchange, error: AwsError, request_id: str) -> None:
    headers = [("content-type", "application/xml"), ("x-amz-request-id", request_id)]
    exchange.answer(error.status, headers, error_document(error, exchange.head, request_id))
