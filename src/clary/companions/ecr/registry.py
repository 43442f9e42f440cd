"""The registry that `docker push` and `podman push` speak to: OCI's distribution protocol, below /v2/ of the one port.

The server hands over what is neither signed for AWS nor for a bucket; callers prove who they are with the password of
GetAuthorizationToken, which also says whose repositories of which region are meant.
"""

import asyncio
import errno
import hashlib
import json
import logging
import os
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from clary.companions.ecr import access
from clary.companions.ecr.access import Caller
from clary.companions.ecr.images import DIGEST, LONGEST_NAME, NAME, TAG_NAME, Images, Immutable, referenced
from clary.companions.ecr.uploads import Busy, NoUpload, Uploads, WrongDigest, write
from clary.companions.iam import KeyRing
from clary.resources.records import Record
from clary.wire.http.exchange import Exchange
from clary.wire.messages import Reply

log = logging.getLogger("clary.registry")
PREFIX = "/v2"
VERSION = ("docker-distribution-api-version", "registry/2.0")
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
BLOCK_BYTES = 1024 * 1024
SILENCE_SECONDS = 60.0
THREADS = 4
PAGE = 1000
Result = TypeVar("Result")
_RANGE = re.compile(r"(?:bytes[= ])?(\d{1,18})-(\d{1,18})(?:/.*)?")


class Refusal(Exception):
    """An answer in the protocol's error form."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers

    def reply(self) -> Reply:
        body = {"errors": [{"code": self.code, "message": str(self), "detail": None}]}
        headers = {"content-type": "application/json", **{k.replace("_", "-"): v for k, v in self.headers.items()}}
        return Reply(self.status, [*headers.items(), VERSION], json.dumps(body).encode())


class Call:
    """One request for something in one repository."""

    def __init__(self, exchange: Exchange, repository: Record, images: Images, rest: str) -> None:
        self.head = exchange.head
        self.exchange = exchange
        self.repository = repository
        self.images = images
        self.rest = rest
        """What follows the kind of thing in the path."""
        self.uploads = Uploads(images.folder(repository.account, repository.region, repository.name))
        self.url = f"{PREFIX}/{repository.name}"

    def blob(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):
            raise Refusal(400, "DIGEST_INVALID", f"{digest} is not a sha256 digest")
        return self.images.blob(self.repository.account, self.repository.region, self.repository.name, digest)


class Registry:
    """One per server worker."""

    def __init__(self, images: Images, keys: KeyRing) -> None:
        self._images = images
        self._keys = keys
        self._threads = ThreadPoolExecutor(THREADS, "clary-registry")

    async def __call__(self, exchange: Exchange) -> None:
        """Answer a request below /v2/."""
        head = exchange.head
        try:
            answer = await self._answer(exchange)
        except Refusal as refusal:
            answer = refusal.reply()
        except ConnectionError:
            raise
        except OSError as error:
            log.error("%s %s failed: %s", head.method, head.path, error)
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            answer = Refusal(507 if full else 500, "UNKNOWN", "the disk is full" if full else "internal error").reply()
        except Exception:
            log.exception("%s %s failed", head.method, head.path)
            answer = Refusal(500, "UNKNOWN", "internal error").reply()
        if isinstance(answer, _File):
            await exchange.answer_file(answer.status, answer.headers, answer.path)
        else:
            exchange.answer(answer.status, answer.headers, answer.body)

    async def _answer(self, exchange: Exchange) -> Reply:
        head = exchange.head
        who = await self._in_thread(access.caller, self._keys, head.header("authorization"))
        if who is None:
            realm = f'Basic realm="http://{head.header("host")}/",service="ecr.amazonaws.com"'
            raise Refusal(401, "UNAUTHORIZED", "Not Authorized", www_authenticate=realm)
        path = unquote(head.path).removeprefix(PREFIX).strip("/")
        if not path:
            return Reply(200, [VERSION, ("content-type", "application/json")], b"{}")
        if path == "_catalog" and head.method == "GET":
            return await self._in_thread(self._catalog, who)
        name, kind, rest = _split(path)
        handler = HANDLERS.get((head.method, kind))
        if handler is None:
            raise Refusal(405, "UNSUPPORTED", f"{head.method} is not supported here")
        repository = await self._in_thread(self._repository, who, name)
        call = Call(exchange, repository, self._images, rest)
        return await handler(self, call)

    def _catalog(self, who: Caller) -> Reply:
        names = [each.name for each in self._images.repositories(who.account, who.region)]
        return _json({"repositories": names})

    def _repository(self, who: Caller, name: str) -> Record:
        if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            raise Refusal(400, "NAME_INVALID", f"{name!r} is not the name of a repository")
        found = self._images.repository(who.account, who.region, name)
        if found is None:
            text = f"The repository with name '{name}' does not exist in the registry with id '{who.account}'"
            raise Refusal(404, "NAME_UNKNOWN", text)
        return found

    # -- blobs

    async def get_blob(self, call: Call) -> Reply:
        place = call.blob(call.rest)
        if not place.is_file():
            raise Refusal(404, "BLOB_UNKNOWN", f"there is no blob {call.rest}")
        headers = [
            ("content-type", "application/octet-stream"),
            ("docker-content-digest", call.rest),
            ("content-length", str(place.stat().st_size)),
            VERSION,
        ]
        return _File(200, headers, place)

    async def begin_upload(self, call: Call) -> Reply:
        if mounted := await self._in_thread(_mount, call):
            return mounted
        name = await self._in_thread(call.uploads.begin)
        digest = call.head.query_map.get("digest")
        return await self._finish(call, name, digest) if digest else _progress(call, name, 0)

    async def append(self, call: Call) -> Reply:
        size = await self._receive(call, call.rest)
        return _progress(call, call.rest, size)

    async def finish_upload(self, call: Call) -> Reply:
        return await self._finish(call, call.rest, call.head.query_map.get("digest", ""))

    async def show_upload(self, call: Call) -> Reply:
        with _Refusing(call.rest):
            return _progress(call, call.rest, call.uploads.size(call.rest), status=204)

    async def cancel_upload(self, call: Call) -> Reply:
        with _Refusing(call.rest):
            call.uploads.cancel(call.rest)
        return Reply(204, [VERSION])

    async def _finish(self, call: Call, name: str, digest: str) -> Reply:
        call.blob(digest)
        with _Refusing(name):
            await self._receive(call, name)
            with call.uploads.opened(name) as fd:
                await self._in_thread(call.uploads.finish, name, fd, digest)
        return _created(f"{call.url}/blobs/{digest}", digest)

    async def _receive(self, call: Call, name: str) -> int:
        """Append the body to the upload; answers its size then."""
        with _Refusing(name), call.uploads.opened(name) as fd:
            begin = os.fstat(fd).st_size
            _check_range(call, name, begin)
            pending: list[bytes] = []
            async for block in _blocks(call.exchange):
                pending.append(block)
                if sum(map(len, pending)) >= BLOCK_BYTES:
                    await self._in_thread(write, fd, b"".join(pending))
                    pending.clear()
            await self._in_thread(write, fd, b"".join(pending))
            return os.fstat(fd).st_size

    # -- manifests

    async def get_manifest(self, call: Call) -> Reply:
        return await self._in_thread(_manifest, call)

    async def put_manifest(self, call: Call) -> Reply:
        content = await _whole(call.exchange)
        return await self._in_thread(_put_manifest, call, content)

    async def list_tags(self, call: Call) -> Reply:
        return await self._in_thread(_tags, call)

    async def _in_thread(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


class _File(Reply):
    def __init__(self, status: int, headers: list[tuple[str, str]], path: Path) -> None:
        super().__init__(status, headers)
        self.path = path


class _Refusing:
    """What uploads raise, in the protocol's words."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, NoUpload):
            raise Refusal(404, "BLOB_UPLOAD_UNKNOWN", f"there is no upload {self._name}") from error
        if isinstance(error, Busy):
            raise Refusal(409, "BLOB_UPLOAD_INVALID", "another request writes to the upload") from error
        if isinstance(error, WrongDigest):
            raise Refusal(400, "DIGEST_INVALID", f"the content does not have the digest {error}") from error


HANDLERS: dict[tuple[str, str], Callable[[Registry, Call], Awaitable[Reply]]] = {
    ("GET", "blobs"): Registry.get_blob,
    ("HEAD", "blobs"): Registry.get_blob,
    ("POST", "blobs/uploads"): Registry.begin_upload,
    ("GET", "blobs/uploads"): Registry.show_upload,
    ("PATCH", "blobs/uploads"): Registry.append,
    ("PUT", "blobs/uploads"): Registry.finish_upload,
    ("DELETE", "blobs/uploads"): Registry.cancel_upload,
    ("GET", "manifests"): Registry.get_manifest,
    ("HEAD", "manifests"): Registry.get_manifest,
    ("PUT", "manifests"): Registry.put_manifest,
    ("GET", "tags"): Registry.list_tags,
}


def _split(path: str) -> tuple[str, str, str]:
    """Repository, kind and the rest. A repository's name may itself hold words like `blobs`: the last ones count."""
    every = list(re.finditer(r"/(blobs/uploads|blobs|manifests|tags)(?=/|$)", path))
    if not every:
        raise Refusal(404, "UNSUPPORTED", "there is nothing here")
    found = every[-1]
    rest = path[found.end() :].removeprefix("/")
    if "/" in rest:
        raise Refusal(404, "UNSUPPORTED", "there is nothing here")
    return path[: found.start()], found[1], rest


def _mount(call: Call) -> Reply | None:
    """A blob of another repository of the same registry, which need not be sent again."""
    digest, source = call.head.query_map.get("mount", ""), call.head.query_map.get("from", "")
    where = call.repository.account, call.repository.region
    if not DIGEST.fullmatch(digest) or call.images.repository(*where, source) is None:
        return None
    place = call.blob(digest)
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.link(call.images.blob(*where, source, digest), place)
    except FileExistsError:
        pass
    except OSError:
        return None
    return _created(f"{call.url}/blobs/{digest}", digest)


def _check_range(call: Call, name: str, size: int) -> None:
    given = call.head.header("content-range")
    if not given:
        return
    found = _RANGE.fullmatch(given)
    if found is None or int(found[1]) != size:
        where = _progress(call, name, size)
        raise Refusal(416, "BLOB_UPLOAD_INVALID", f"the upload has {size} bytes", range=dict(where.headers)["range"])


def _progress(call: Call, name: str, size: int, status: int = 202) -> Reply:
    headers = [
        ("location", f"{call.url}/blobs/uploads/{name}"),
        ("range", f"0-{max(0, size - 1)}"),
        ("docker-upload-uuid", name),
        ("content-length", "0"),
        VERSION,
    ]
    return Reply(status, [pair for pair in headers if status != 204 or pair[0] != "content-length"])


def _created(location: str, digest: str) -> Reply:
    return Reply(201, [("location", location), ("docker-content-digest", digest), VERSION])


def _json(document: Any, *headers: tuple[str, str]) -> Reply:
    return Reply(200, [("content-type", "application/json"), *headers, VERSION], json.dumps(document).encode())


def _manifest(call: Call) -> Reply:
    image = call.images.image(call.repository, call.rest) if _is_reference(call.rest) else None
    if image is None:
        raise Refusal(404, "MANIFEST_UNKNOWN", f"Requested image not found: {call.rest}")
    content = call.images.manifest(call.repository, image.name)
    headers = [("content-type", image.spec["mediaType"]), ("docker-content-digest", image.name), VERSION]
    return Reply(200, [*headers, ("content-length", str(len(content)))], content)


def _put_manifest(call: Call, content: bytes) -> Reply:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if not _is_reference(call.rest):
        raise Refusal(400, "TAG_INVALID", f"{call.rest!r} is neither a tag nor a digest")
    if DIGEST.fullmatch(call.rest) and call.rest != digest:
        raise Refusal(400, "DIGEST_INVALID", f"the manifest does not have the digest {call.rest}")
    try:
        blobs, manifests, size = referenced(content)
        media_type = _media_type(call, content)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "MANIFEST_INVALID", f"not a manifest: {error}") from error
    for each in (*blobs, *manifests):
        if not call.blob(each).is_file():
            code = "MANIFEST_UNKNOWN" if each in manifests else "MANIFEST_BLOB_UNKNOWN"
            raise Refusal(404 if each in manifests else 400, code, f"{each} was not pushed to this repository")
    call.uploads.store(content, digest)
    tag = "" if DIGEST.fullmatch(call.rest) else call.rest
    try:
        call.images.put(call.repository, digest, tag, media_type, size)
    except Immutable as error:
        text = (
            f"The image tag '{tag}' already exists in the '{call.repository.name}' repository and cannot be "
            "overwritten because the repository is immutable."
        )
        raise Refusal(400, "TAG_INVALID", text) from error
    return _created(f"{call.url}/manifests/{digest}", digest)


def _media_type(call: Call, content: bytes) -> str:
    given = call.head.header("content-type").partition(";")[0].strip()
    told = json.loads(content).get("mediaType", given)
    if told != given and given:
        raise ValueError(f"its mediaType is not the Content-Type {given}")
    if not isinstance(told, str) or not re.fullmatch(r"[\w.+-]{1,100}/[\w.+-]{1,155}", told or MANIFEST):
        raise ValueError("its mediaType is none")
    return told or MANIFEST


def _tags(call: Call) -> Reply:
    if call.rest != "list":
        raise Refusal(404, "UNSUPPORTED", "there is nothing here")
    query = call.head.query_map
    limit = int(query["n"]) if query.get("n", "").isdigit() and len(query["n"]) < 6 else PAGE
    names = [name for name in call.images.tags(call.repository) if name > query.get("last", "")]
    more = (
        [("link", f'<{call.url}/tags/list?n={limit}&last={names[limit - 1]}>; rel="next"')]
        if len(names) > limit > 0
        else []
    )
    return _json({"name": call.repository.name, "tags": names[:limit]}, *more)


def _is_reference(text: str) -> bool:
    return bool(DIGEST.fullmatch(text) or TAG_NAME.fullmatch(text))


async def _blocks(exchange: Exchange) -> Any:
    stream = aiter(exchange)
    while True:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                block = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise Refusal(408, "UNKNOWN", "the body was not received in time") from error
        yield block


async def _whole(exchange: Exchange) -> bytes:
    found, size = [], 0
    async for block in _blocks(exchange):
        size += len(block)
        if size > MAX_MANIFEST_BYTES:
            raise Refusal(413, "MANIFEST_INVALID", f"a manifest has at most {MAX_MANIFEST_BYTES} bytes")
        found.append(block)
    return b"".join(found)
