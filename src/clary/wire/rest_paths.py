"""Which operation a method and path mean, from the model's `requestUri`s: the rest services but S3, which has its own.

A template may hold labels (`{Name}`), one greedy label (`{Path+}`) and query literals that must be present (`?tagged`).
The most specific match wins: more literal query parts, then more literal path.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from botocore.model import OperationModel, ServiceModel

from clary.wire.messages import Head


@dataclass(frozen=True, slots=True)
class RestPath:
    operation: str
    method: str
    path: re.Pattern[str]
    labels: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    weight: tuple[int, int, int]


class RestPaths:
    """The paths of one service, most specific first."""

    def __init__(self, model: ServiceModel) -> None:
        entries = [_compile(model.operation_model(name)) for name in model.operation_names]
        self._by_method: dict[str, list[RestPath]] = {}
        for entry in sorted(entries, key=lambda entry: entry.weight, reverse=True):
            self._by_method.setdefault(entry.method, []).append(entry)

    def match(self, head: Head) -> tuple[str, dict[str, str]] | None:
        """Operation name and decoded labels."""
        for entry in self._by_method.get(head.method, ()):
            found = entry.path.fullmatch(head.path)
            if found and all(_present(head, name, value) for name, value in entry.query):
                return entry.operation, dict(zip(entry.labels, map(unquote, found.groups()), strict=True))
        return None


def _compile(operation: OperationModel) -> RestPath:
    uri, _, query = operation.http["requestUri"].partition("?")
    labels: list[str] = []
    pattern = "".join(_piece(piece, labels) for piece in re.split(r"(\{[^}]+\})", uri))
    literals = tuple((name, value) for name, _, value in (part.partition("=") for part in query.split("&") if part))
    weight = (len(literals), len(re.sub(r"\{[^}]+\}", "", uri)), -pattern.count("(.+)"))
    made = re.compile(pattern + "/?", re.DOTALL)
    return RestPath(operation.name, operation.http["method"], made, tuple(labels), literals, weight)


def _piece(piece: str, labels: list[str]) -> str:
    if not piece.startswith("{"):
        return re.escape(piece)
    labels.append(piece[1:-1].rstrip("+"))
    return "(.+)" if piece.endswith("+}") else "([^/]+)"


def _present(head: Head, name: str, value: str) -> bool:
    given = head.query_map.get(name)
    return given is not None and (not value or given == value)
