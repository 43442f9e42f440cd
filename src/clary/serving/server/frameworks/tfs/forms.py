"""What a client may send, as a request of TensorFlow Serving's REST API: the rules of AWS's image.

JSON that is such a request already stays one; other JSON, JSON lines and CSV become `instances`.
"""

import csv
import json
import re
from typing import Any

from clary.serving.server.invocation import media_type, unsupported_content

CSV = "text/csv"
JSONS = frozenset({"application/json", "application/jsonlines", "application/jsons"})
REQUEST = frozenset({"instances", "inputs", "examples"})
_NUMBER_OR_QUOTE = re.compile(r'\s*("|[\d.Ee+\-])')
_ATTRIBUTE = re.compile(r"(tfs-[a-z-]+)=([^,]+)")

Form = dict[str, Any]


class BadForm(ValueError):
    """What TensorFlow Serving answers 400 to; the message is its `error`."""


class NoModel(LookupError):
    """What TensorFlow Serving answers 404 to."""


def read(body: bytes, content_type: str) -> Form:
    """The request. Raises `BadForm`, and `Refused` 415 for a type without a rule."""
    kind = media_type(content_type)
    if kind not in JSONS and kind != CSV:
        raise unsupported_content(content_type or "Unknown")
    try:
        text = body.decode()
        return {"instances": _rows(text)} if kind == CSV else _json(text)
    except (ValueError, RecursionError, csv.Error) as error:
        raise BadForm(f"JSON Parse error: {error}") from error


def attributes(header: str) -> dict[str, str]:
    """`tfs-model-name`, `tfs-model-version` and `tfs-method` of the custom attributes."""
    return {name: value.strip() for name, value in _ATTRIBUTE.findall(header)}


def _json(text: str) -> Form:
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        return {"instances": [json.loads(line) for line in lines]}
    if isinstance(found, dict) and REQUEST & found.keys():
        return found
    nested = isinstance(found, list) and bool(found) and isinstance(found[0], list)
    return {"instances": found if nested else [found]}


def _rows(text: str) -> list[Any]:
    """A row of one column is a value, of several a list. Words need no quotes where the first cell is one."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or _NUMBER_OR_QUOTE.match(lines[0]):
        found: list[Any] = json.loads(f"[{','.join(f'[{line}]' for line in lines)}]")
    else:
        found = list(csv.reader(lines))
    return [row[0] if len(row) == 1 else row for row in found]
