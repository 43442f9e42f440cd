"""Keeps captured calls until they are written to S3: every few seconds, in a thread, in the way of no call.

What waits is bounded; past that, calls are not captured. A server that is told to stop writes what it has; one that is
killed loses what it took since it last wrote: at most `Settings.capture_seconds` and `WAITING_BYTES`.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from clary.capabilities.endpoints import capture
from clary.capabilities.endpoints.capture import Capture, Seen
from clary.objects import Objects
from clary.wire.errors import AwsError

logger = logging.getLogger(__name__)

WAITING_BYTES = 64 * 1024 * 1024
"""Of bodies that wait or are being written, in one server process."""
FILE_BYTES = 8 * 1024 * 1024
"""Lines go to one object up to about this size."""
CALL_BYTES = 512
"""What a call takes beside its bodies."""
LEFT_SECONDS = 3600.0
"""Files that a killed process left are older than this."""


class Place(NamedTuple):
    """Whose calls, and how they are captured."""

    account: str
    endpoint: str
    variant: str
    config: Capture


class Recorder:
    """Used from the event loop, but for `flush`. `folder` is on this machine, for files on their way."""

    def __init__(self, objects: Objects, folder: Path, seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._objects = objects
        self._folder = folder
        self._seconds = seconds
        self._clock = clock
        self._waiting: dict[Place, list[Seen]] = {}
        self._size = 0
        self._dropped = 0
        self._flushing: asyncio.Task[None] | None = None

    def add(self, place: Place, seen: Seen) -> None:
        size = seen.size + CALL_BYTES
        if self._size + size > WAITING_BYTES:
            self._dropped += 1
            return
        self._size += size
        self._waiting.setdefault(place, []).append(seen)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.get_running_loop().create_task(self._flush_later())

    def flush(self) -> None:
        """Write what waits now. Blocking."""
        waiting, self._waiting = self._waiting, {}
        dropped, self._dropped = self._dropped, 0
        if dropped:
            logger.warning("%d calls were not captured: too much waited to be written", dropped)
        for place, calls in waiting.items():
            try:
                self._write(place, calls)
            except (AwsError, OSError) as error:
                # As AWS does it: calls are answered whether or not they can be captured.
                logger.warning("%d captured calls of endpoint %s are lost: %s", len(calls), place.endpoint, error)
            finally:
                self._size -= sum(seen.size + CALL_BYTES for seen in calls)

    async def _flush_later(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._seconds)
            try:
                await asyncio.to_thread(self.flush)
            except Exception:
                logger.exception("captured calls were lost")

    def _write(self, place: Place, calls: list[Seen]) -> None:
        for batch in _batches(calls):
            at = batch[0].at
            key = capture.key(place.config, place.endpoint, place.variant, at)
            file = self._staged(b"".join(capture.line(place.config, seen) for seen in batch))
            try:
                self._objects.put_file(
                    place.account, place.config.bucket, key, file, content_type="application/x-jsonlines"
                )
            finally:
                file.unlink(missing_ok=True)

    def _staged(self, lines: bytes) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._folder.iterdir():
            if left.stat().st_mtime < self._clock() - LEFT_SECONDS:
                left.unlink(missing_ok=True)
        file = self._folder / f"{uuid.uuid4()}.jsonl"
        file.write_bytes(lines)
        return file


def _batches(calls: list[Seen]) -> Iterable[list[Seen]]:
    """Those of one hour that fit an object."""
    batch: list[Seen] = []
    size = 0
    for seen in calls:
        if batch and (size > FILE_BYTES or seen.at // 3600 != batch[0].at // 3600):
            yield batch
            batch, size = [], 0
        batch.append(seen)
        size += seen.size
    if batch:
        yield batch
