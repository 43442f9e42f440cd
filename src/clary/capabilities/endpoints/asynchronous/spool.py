"""Files of requests that are being worked on, below `<home>/async/`: what a model is to read, and what it answered.

A whole answer is renamed to its name before its row says that there is one. What a killed controller left is cleared
when the next one starts.
"""

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from clary.capabilities.endpoints.asynchronous.ticket import Request
from clary.capabilities.jobs.items import BadData
from clary.capabilities.jobs.landing import Landing
from clary.objects import Objects, parse_uri
from clary.objects.errors import S3Error

MOST_BYTES = 1 << 30
"""AWS's limit of a request's object, and ours of an answer."""


class NoInput(Exception):
    """What the model is to read is not there, or may not be had."""


class Spool:
    """Blocking; used by threads of the dispatcher."""

    def __init__(self, folder: Path, objects: Objects) -> None:
        self.folder = folder
        self._objects = objects

    def clear(self, but: Iterable[str]) -> None:
        """At start: forget all but the answers of these requests."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = {self.answer(each) for each in but}
        for left in self.folder.iterdir():
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            elif left not in kept:
                left.unlink(missing_ok=True)

    def input(self, request: Request) -> Path:
        """What the model is to read. Raises `NoInput`, or what the object store raises when it is away."""
        if request.body is not None:
            file = self.part(request.id, "in")
            file.write_bytes(request.body)
            return file
        try:
            return self._object(request)
        except (S3Error, ValueError, BadData) as error:
            raise NoInput(f"{request.ticket.input}: {error}") from error

    def _object(self, request: Request) -> Path:
        bucket, key = parse_uri(request.ticket.input)
        mine = self._objects.bucket_exists(request.ticket.account, bucket)
        found = self._objects.find(bucket, key) if mine else None
        if found is None:
            raise NoInput(f"there is no object at {request.ticket.input}")
        if found.size > MOST_BYTES:
            raise NoInput(f"the object at {request.ticket.input} is larger than {MOST_BYTES} bytes")
        landing = Landing(self._objects, self._landing(request.id))
        file = landing.path(found)
        landing.fetch()
        return file

    def part(self, request_id: str, name: str) -> Path:
        """For bytes on their way."""
        return self.folder / f"{request_id}.{name}"

    def answer(self, request_id: str) -> Path:
        """The whole answer, or why there is none."""
        return self.folder / f"{request_id}.answer"

    def drop(self, request_id: str) -> None:
        """All but the answer."""
        for file in self.folder.glob(f"{request_id}.*"):
            if file != self.answer(request_id) and not file.is_dir():
                file.unlink(missing_ok=True)
        with suppress(OSError):
            shutil.rmtree(self._landing(request_id))

    def store(self, request: Request) -> None:
        """Make the answer an object. May be repeated. Raises `S3Error`, or `FileNotFoundError` for one that is lost."""
        assert request.answer
        bucket, key = parse_uri(request.location)
        self._objects.put_file(
            request.ticket.account, bucket, key, self.answer(request.id), content_type=request.answer.content_type
        )

    def _landing(self, request_id: str) -> Path:
        return self.folder / f"{request_id}.landing"
