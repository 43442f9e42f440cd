"""The S3 protocol: one call per request, from the wire's server with the identity already verified.

A request is: address (bucket and key), operation by the model, the right to the bucket, the body, the operation, the
answer by the model. Large files leave from the page cache (`wire/http/files.py`): their bytes never pass through
Python.
"""

import asyncio
import errno
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import uuid4
from xml.sax.saxutils import escape

from botocore.model import OperationModel

from clary.objects import cors
from clary.objects.call import Answer, Call, Operation
from clary.objects.errors import S3Error
from clary.objects.info import Bucket
from clary.objects.multipart import Uploads
from clary.objects.names import key_bytes
from clary.objects.operations.copies import part_number
from clary.objects.operations.table import OPERATIONS, QUICK
from clary.objects.receive import Intake, content_length, document, pump
from clary.objects.roots import name_roots
from clary.objects.routing import Address, Routes, read_address
from clary.objects.store import GRACE_SECONDS, LocalObjects
from clary.wire.errors import AwsError
from clary.wire.http.exchange import Exchange
from clary.wire.messages import Head
from clary.wire.models import Models
from clary.wire.protocols import rest_xml
from clary.wire.sigv4 import Identity

THREADS = 8
STREAMING = ("PutObject", "UploadPart")

Result = TypeVar("Result")

log = logging.getLogger("clary.objects")


class S3:
    def __init__(self, objects: LocalObjects, models: Models) -> None:
        self._objects = objects
        self._uploads = Uploads(objects)
        model = models.service("s3")
        name_roots(model)
        self._routes = Routes(model)
        self._threads = ThreadPoolExecutor(THREADS, "clary-s3")
        self._collecting: asyncio.TimerHandle | None = None

    async def __call__(self, exchange: Exchange, identity: Identity | None) -> None:
        """The border of a request: whatever happens below becomes an answer here."""
        request_id = uuid4().hex[:16].upper()
        head = exchange.head
        origin: dict[str, str] = {}
        try:
            address = read_address(head.header("host"), head.path)
            origin = self._origin_headers(head, address)
            if head.method == "OPTIONS":
                _send_preflight(exchange, origin, request_id)
                return
            if head.method == "POST" and head.header("content-type").startswith("multipart/form-data"):
                raise S3Error(
                    "NotImplemented", "Clary does not implement uploads by HTML forms; presign a PUT instead."
                )
            if identity is None:
                raise S3Error("AccessDenied")
            operation = self._routes.find(head.method, address, head.query_map, head.named)
            answer = await self._answer(exchange, operation, address, identity)
            await self._send(exchange, operation, answer, request_id, origin)
            self._collect_later()
        except AwsError as error:
            self._refuse(exchange, error, request_id, origin)
        except ConnectionError:
            raise
        except OSError as error:
            if exchange.is_answered:
                raise
            log.error("request %s (%s) failed: %s", request_id, head.method, error)
            # A full disk may have room again soon, which is what this code tells clients.
            code = "SlowDown" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "InternalError"
            self._refuse(exchange, S3Error(code), request_id, origin)
        except Exception:
            log.exception("request %s (%s) failed", request_id, head.method)
            self._refuse(exchange, S3Error("InternalError"), request_id, origin)

    async def _answer(
        self, exchange: Exchange, operation: OperationModel, address: Address, identity: Identity
    ) -> Answer:
        handler = OPERATIONS.get(operation.name)
        if handler is None:
            raise S3Error("NotImplemented", f"Clary does not implement s3:{operation.name} yet.")
        call = self._call(operation, exchange.head, address, identity)
        if operation.name in QUICK:
            return handler(call)
        if operation.name in STREAMING:
            return await self._stream(exchange, call, identity)
        body = await document(exchange, identity, operation.name)
        return await self._in_thread(_understand, handler, call, operation, body, address)

    def _call(self, operation: OperationModel, head: Head, address: Address, identity: Identity) -> Call:
        key_bytes(address.key)
        account = identity.principal.account
        quick = operation.name in QUICK or operation.name in STREAMING
        call = Call(
            objects=self._objects,
            uploads=self._uploads,
            operation=operation.name,
            params=_parse(operation, head, b"", address) if quick else {},
            head=head,
            account=account,
            region=identity.region,
            key=address.key,
        )
        if address.bucket and operation.name != "CreateBucket":
            call.named = self._permitted(account, address.bucket, head)
        return call

    def _permitted(self, account: str, name: str, head: Head) -> Bucket:
        bucket = self._objects.owned(account, name)
        if head.named.get("x-amz-expected-bucket-owner", bucket.account) != bucket.account:
            raise S3Error("AccessDenied")
        return bucket

    async def _stream(self, exchange: Exchange, call: Call, identity: Identity) -> Answer:
        """Receive the body, check it, and only then do the operation."""
        length = content_length(call.head)
        sink = await self._in_thread(self._open, call, length)
        try:
            call.intake = Intake(call.head, identity, sink)
            await pump(exchange, call.intake, self._threads)
        except BaseException:
            sink.discard()
            raise
        return await self._in_thread(self._finish, call)

    def _open(self, call: Call, length: int) -> Any:
        if call.operation == "PutObject":
            return self._objects.tree.stage()
        upload = self._uploads.find(call.bucket.name, call.key, call.params["UploadId"])
        return self._uploads.open_part(upload, part_number(call), length)

    def _finish(self, call: Call) -> Answer:
        # Whoever waits for this may be cancelled; the file is this thread's alone until the end.
        try:
            call.body.check()
            return OPERATIONS[call.operation](call)
        except BaseException:
            call.body.sink.discard()
            raise

    async def _in_thread(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def _collect_later(self) -> None:
        """Files replaced by now are removed when no reader can be about to open them, also if nobody writes again."""
        if self._collecting is None:
            loop = asyncio.get_running_loop()
            self._collecting = loop.call_later(GRACE_SECONDS + 1, self._collect)

    def _collect(self) -> None:
        self._collecting = None
        self._threads.submit(self._objects.collect, every=0)

    # --- answers

    async def _send(
        self, exchange: Exchange, operation: OperationModel, answer: Answer, request_id: str, more: dict[str, str]
    ) -> None:
        reply = rest_xml.answer(operation, answer.output, request_id)
        own = {name for name, _ in _ids(request_id)} | answer.headers.keys()
        kept = [(name, value) for name, value in reply.headers if name not in own]
        headers = [*kept, *answer.headers.items(), *more.items(), *_ids(request_id)]
        status = answer.status or reply.status
        if answer.file is None:
            exchange.answer(status, headers, reply.body if answer.raw is None else answer.raw)
        else:
            await exchange.answer_file(status, headers, answer.file, answer.part)

    def _refuse(self, exchange: Exchange, error: AwsError, request_id: str, more: dict[str, str]) -> None:
        own = getattr(error, "headers", {})
        headers = [("content-type", "application/xml"), *own.items(), *more.items(), *_ids(request_id)]
        exchange.answer(error.status, headers, error_document(error, exchange.head, request_id))

    def _origin_headers(self, head: Head, address: Address) -> dict[str, str]:
        origin = head.header("origin")
        if not origin or not address.bucket:
            return {}
        rules = self._objects.document(address.bucket, "Cors")
        method = head.named.get("access-control-request-method", head.method)
        return cors.response_headers(rules, origin, method, head.header("access-control-request-headers"))


def _ids(request_id: str) -> list[tuple[str, str]]:
    return [("x-amz-request-id", request_id), ("x-amz-id-2", request_id)]


def _understand(handler: Operation, call: Call, operation: OperationModel, body: bytes, address: Address) -> Answer:
    call.params = _parse(operation, call.head, body, address)
    return handler(call)


def _parse(operation: OperationModel, head: Head, body: bytes, address: Address) -> dict[str, Any]:
    labels = {"Bucket": address.bucket, "Key": address.key}
    try:
        return rest_xml.parse(operation, head, body, labels)
    except AwsError as error:
        if isinstance(error, S3Error):
            raise
        raise S3Error("MalformedXML" if body else "InvalidArgument") from error


def _send_preflight(exchange: Exchange, headers: dict[str, str], request_id: str) -> None:
    if headers:
        exchange.answer(200, [*headers.items(), *_ids(request_id)], b"")
        return
    error = S3Error("AccessDenied", "CORSResponse: This CORS request is not allowed.")
    body = error_document(error, None, request_id)
    exchange.answer(403, [("content-type", "application/xml"), *_ids(request_id)], body)


def error_document(error: AwsError, head: Head | None, request_id: str) -> bytes:
    """S3's error form, which unlike other rest-xml services has no wrapper. `extra` members become elements."""
    members = {"Code": error.code, "Message": error.message, **error.extra}
    members |= {"Resource": head.path} if head else {}
    members |= {"RequestId": request_id, "HostId": request_id}
    inner = "".join(f"<{name}>{escape(_printable(str(value)))}</{name}>" for name, value in members.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()


def _printable(text: str) -> str:
    """XML has no way to write most control characters."""
    return "".join(char if char >= " " or char in "\t\n\r" else "\N{REPLACEMENT CHARACTER}" for char in text)
