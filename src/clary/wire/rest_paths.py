"""Which operation a method and path mean, from the model's `requestUri`s. For rest-json and rest-xml services.

A template may hold labels (`{Bucket}`), one greedy label (`{Key+}`) and query literals that must be present
(`?uploads`, `?list-type=2`). The most specific match wins: more literal query parts, then more literal path.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from botocore.model import ServiceModel

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

    def match(self, head: Head, path: str | None = None) -> tuple[str, dict[str, str]] | None:
        """Operation name and decoded labels. `path` replaces the request's own, e.g. with a virtual host's bucket."""
        raw = head.path if path is None else path
        for entry in self._by_method.get(head.method, ()):
            found = entry.path.fullmatch(raw)
            if found and all(_present(head, name, value) for name, value in entry.query):
                return entry.operation, dict(zip(entry.labels, map(unquote, found.groups()), strict=True))
        return None


def _compile(operation: "object") -> RestPath:
    http: dict[str, str] = operation.http  # type: ignore[attr-defined]
    uri, _, query = http["requestUri"].partition("?")
    labels: list[str] = []
    pattern = "".join(_piece(piece, labels) for piece in re.split(r"(\{[^}]+\})", uri))
    literals = tuple((name, value) for name, _, value in (part.partition("=") for part in query.split("&") if part))
    weight = (len(literals), len(re.sub(r"\{[^}]+\}", "", uri)), -pattern.count("(.+)"))
    name: str = operation.name  # type: ignore[attr-defined]
    return RestPath(name, http["method"], re.compile(pattern + "/?", re.DOTALL), tuple(labels), literals, weight)


def _piece(piece: str, labels: list[str]) -> str:
    if not piece.startswith("{"):
        return re.escape(piece)
    labels.append(piece[1:-1].rstrip("+"))
    return "(.+)" if piece.endswith("+}") else "([^/]+)"


def _present(head: Head, name: str, value: str) -> bool:
    given = head.query_map.get(name)
    return given is not None and (not value or given == value)
