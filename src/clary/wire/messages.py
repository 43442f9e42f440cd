"""An HTTP request's head and an HTTP answer, as the wire sees them: undecoded, before any meaning.

The server makes a `Head`; routing, signatures, protocols and the S3 layer read it.
"""

from collections.abc import AsyncIterator
from functools import cached_property
from urllib.parse import unquote_plus


class Head:
    """`path` and `query` are as sent, still percent-encoded. `headers` are (lower-case name, value) in order sent."""

    def __init__(self, method: str, path: str, query: str, headers: list[tuple[str, str]]) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.named = _by_name(headers)
        """Headers by name; repeated ones joined with a comma."""

    def header(self, name: str) -> str:
        """The header's value, or the empty string."""
        return self.named.get(name, "")

    @cached_property
    def query_pairs(self) -> list[tuple[str, str]]:
        """Decoded (name, value) pairs in order sent; a name without `=` has an empty value."""
        pairs = (part.partition("=") for part in self.query.split("&") if part)
        return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs]

    @cached_property
    def query_map(self) -> dict[str, str]:
        """Decoded query, the first value of each name."""
        found: dict[str, str] = {}
        for name, value in self.query_pairs:
            found.setdefault(name, value)
        return found


def _by_name(headers: list[tuple[str, str]]) -> dict[str, str]:
    found = dict(headers)
    if len(found) < len(headers):
        found.clear()
        for name, value in headers:
            found[name] = f"{found[name]},{value}" if name in found else value
    return found


class Reply:
    """An answer, ready to send: whole, or where there is a `stream`, piece by piece as that gives them.

    `refusal` is the last piece of a stream that could not go on.
    """

    __slots__ = ("body", "headers", "refusal", "status", "stream")

    def __init__(
        self,
        status: int,
        headers: list[tuple[str, str]],
        body: bytes = b"",
        stream: AsyncIterator[bytes] | None = None,
        refusal: bytes = b"",
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.stream = stream
        self.refusal = refusal
