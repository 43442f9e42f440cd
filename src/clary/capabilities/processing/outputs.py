"""What the hosts of a job leave: its outputs on their way into S3, and its last words."""

import os
from collections.abc import Iterable
from pathlib import Path

from clary.capabilities.jobs.mirror import Target
from clary.capabilities.processing.inputs import outputs
from clary.capabilities.processing.places import OUTPUT, PROCESSING
from clary.resources.records import Record
from clary.runtime.archive import open_file
from clary.runtime.backend import Backend

LONGEST_MESSAGE = 1024
"""Bytes of `ExitMessage`, over all hosts."""


class NotText(Exception):
    """The exit message is not UTF-8."""


def targets(record: Record, backend: Backend, *, continuous_only: bool = False) -> list[Target]:
    """Where the hosts' output folders go."""
    folders = tuple(backend.outputs(record.id, str(PROCESSING)))
    return [
        Target(output.bucket, output.prefix, folders, output.path.relative_to(PROCESSING))
        for output in outputs(record.spec)
        if output.continuous or not continuous_only
    ]


def are_near(record: Record, backend: Backend) -> bool:
    """Whether finding them takes no time."""
    return backend.near(record.id, str(PROCESSING))


def is_continuous(record: Record) -> bool:
    """Whether any output is uploaded while the job runs."""
    return any(output.continuous for output in outputs(record.spec))


def message(record: Record, backend: Backend) -> str:
    """`ExitMessage`: the hosts' messages one after the other, at most 1 KB. Raises `NotText`."""
    return joined(_start(folder) for folder in backend.outputs(record.id, OUTPUT))


def joined(parts: Iterable[bytes]) -> str:
    whole = b"".join(parts)
    kept = whole[:LONGEST_MESSAGE]
    try:
        return kept.decode()
    except UnicodeDecodeError as error:
        # The cut may have gone through a character.
        if len(whole) > LONGEST_MESSAGE and error.end == len(kept) and error.reason == "unexpected end of data":
            return kept[: error.start].decode()
        raise NotText("the exit message in /opt/ml/output/message is not UTF-8 text") from None


def _start(folder: Path) -> bytes:
    """Of a message that user code may have made anything of: only a plain file is read, and little of it."""
    try:
        with os.fdopen(open_file(folder, folder / "message"), "rb") as file:
            return file.read(LONGEST_MESSAGE + 1)
    except OSError:
        return b""
