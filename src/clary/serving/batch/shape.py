"""Filters and joins of records: what of a payload the model gets, and what of payload and answer goes into the output.

A CSV row is an array of its fields, which keep their quotes: they are chosen and put in order, never rewritten.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from clary.serving.batch.job import Stamp
from clary.serving.batch.path import NotThere, Path

CSV, JSON = ("text/csv",), ("application/json", "application/jsonlines", "application/x-jsonlines")
OUTPUT, INPUT = "SageMakerOutput", "SageMakerInput"
ID, TIME = "SageMakerInferenceId", "SageMakerInferenceTime"


class BadInput(Exception):
    """A record cannot be read, or lacks what the filter asks for. The message is the user's to read."""


class BadAnswer(Exception):
    """The model's answer cannot be read, or does not fit its records."""


class Form(Protocol):
    """How records of one form are shaped; `lines`: a payload is one record a line, else one document."""

    def select(self, body: bytes, path: Path) -> bytes:
        """What of each record the model gets. Raises `BadInput`."""

    def join(self, body: bytes, answer: bytes, shaping: "Shaping", number: int) -> bytes:
        """The output of a payload, which is the object's `number`-th. Raises `BadInput`, `BadAnswer`."""


@dataclass(frozen=True, slots=True)
class Shaping:
    """What a job does with its records."""

    form: Form
    input: Path
    output: Path
    joined: bool
    stamp: Stamp | None

    def request(self, body: bytes) -> bytes:
        """What is sent of a payload."""
        return body if self.input.is_whole else self.form.select(body, self.input)

    def answer(self, body: bytes, answer: bytes, name: str, number: int) -> bytes:
        """What is written of the answer to it; `name` is the object's."""
        if not self.joined and self.output.is_whole and self.stamp is None:
            return answer
        return self.form.join(body, answer, self, _number(name, number))

    def ids(self, seed: int) -> Callable[[int], str]:
        """The id of each record of a payload: the same when the payload is done again."""
        assert self.stamp
        namespace = uuid.UUID(self.stamp.namespace)
        return lambda record: str(uuid.uuid5(namespace, f"{seed}/{record}"))


def form(content_type: str, *, lines: bool) -> Form | None:
    """`None` for types whose records are not known."""
    if media(content_type) in CSV:
        return Rows()
    return Documents(lines or is_lines(content_type)) if media(content_type) in JSON else None


def is_lines(content_type: str) -> bool:
    """Whether each record of this type is a line, however the object is split."""
    return media(content_type) in (*CSV, *JSON[1:])


def media(content_type: str) -> str:
    """`text/csv` of `Text/CSV; charset=utf-8`."""
    return content_type.partition(";")[0].strip().lower()


def _number(name: str, number: int) -> int:
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{number}").int


class Rows:
    """CSV."""

    def select(self, body: bytes, path: Path) -> bytes:
        return b"\n".join(_row(_chosen(_fields(line), path)) for line in _lines(body))

    def join(self, body: bytes, answer: bytes, shaping: Shaping, number: int) -> bytes:
        sources = _lines(body)
        rows = answer.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n")
        if len(sources) != len(rows):
            rows = _lines(answer)
        if shaping.joined:
            if len(sources) != len(rows):
                raise BadAnswer(
                    f"Failed to parse output from the algorithm as CSV: {len(sources)} records got {len(rows)} rows"
                )
            rows = [source + b"," + row for source, row in zip(sources, rows, strict=True)]
        if not shaping.output.is_whole:
            rows = [_row(_chosen(_fields(row), shaping.output)) for row in rows]
        if shaping.stamp:
            make, time = shaping.ids(number), shaping.stamp.time
            rows = [row + f",{make(place)},{time}".encode() for place, row in enumerate(rows)]
        return b"\n".join(rows)


def _lines(body: bytes) -> list[bytes]:
    """Those that are not empty."""
    if b"\r" in body:
        body = body.replace(b"\r\n", b"\n")
    lines = body.split(b"\n")
    return [line for line in lines if line] if b"" in lines else lines


def _fields(line: bytes) -> list[bytes]:
    """The fields as they are written. Raises `BadInput` for quotes that do not close."""
    pieces = line.split(b",")
    if b'"' not in line:
        return pieces
    fields, open_field = [], list[bytes]()
    for piece in pieces:
        within = bool(open_field)
        if within or piece.count(b'"') % 2:
            open_field.append(piece)
        if within == bool(piece.count(b'"') % 2):
            fields.append(b",".join(open_field) if open_field else piece)
            open_field.clear()
    if open_field:
        raise BadInput(f"Failed to parse line: {line[:200].decode(errors='replace')!r} as CSV: a quote is not closed")
    return fields


def _chosen(fields: list[bytes], path: Path) -> Any:
    try:
        return path.pick(fields)
    except NotThere as error:
        raise BadInput(f"Failed to apply {path.text} to a row of {len(fields)} columns: {error}") from error


def _row(chosen: Any) -> bytes:
    return b",".join(chosen) if isinstance(chosen, list) else bytes(chosen)


@dataclass(frozen=True, slots=True)
class Documents:
    """JSON: one document, or one on each line."""

    lines: bool

    def select(self, body: bytes, path: Path) -> bytes:
        return b"\n".join(_text(_part(value, path)) for value in self._inputs(body))

    def join(self, body: bytes, answer: bytes, shaping: Shaping, number: int) -> bytes:
        sources = self._inputs(body)
        values = self._answers(answer, len(sources))
        if shaping.joined:
            values = [_joined(source, value) for source, value in zip(sources, values, strict=True)]
        if not shaping.output.is_whole:
            values = [_part(value, shaping.output) for value in values]
        if shaping.stamp:
            make, time = shaping.ids(number), shaping.stamp.time
            values = [_stamped(value, make(place), time) for place, value in enumerate(values)]
        return b"\n".join(map(_text, values))

    def _inputs(self, body: bytes) -> list[Any]:
        try:
            return [json.loads(line) for line in _lines(body) if line.strip()] if self.lines else [json.loads(body)]
        except (ValueError, RecursionError) as error:
            raise BadInput(f"Failed to parse the input as JSON: {error}") from error

    def _answers(self, answer: bytes, count: int) -> list[Any]:
        try:
            if count == 1:
                return [json.loads(answer)]
            values = [json.loads(line) for line in _lines(answer) if line.strip()]
        except (ValueError, RecursionError) as error:
            raise BadAnswer(f"Failed to parse output from the algorithm as JSON: {error}") from error
        if len(values) != count:
            raise BadAnswer(
                f"Failed to parse output from the algorithm as JSON: {count} records got {len(values)} answers"
            )
        return values


def _joined(source: Any, value: Any) -> dict[str, Any]:
    return source | {OUTPUT: value} if isinstance(source, dict) else {INPUT: source, OUTPUT: value}


def _stamped(value: Any, number: str, time: str) -> dict[str, Any]:
    return (value if isinstance(value, dict) else {OUTPUT: value}) | {ID: number, TIME: time}


def _part(value: Any, path: Path) -> Any:
    try:
        return path.pick(value)
    except NotThere as error:
        raise BadInput(f"Failed to apply {path.text} to a record: {error}") from error


def _text(value: Any) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadInput(f"Failed to write a record as JSON: {error}") from error
