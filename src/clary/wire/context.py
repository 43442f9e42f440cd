"""Who calls what: the value every operation handler gets beside its request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller. `arn` is an IAM user or an STS assumed role."""

    account: str
    arn: str
    user_id: str
    access_key: str


class Parts:
    """The assembled server, by type: `parts.need(Store)`. Built once in `app.py`; tests give only what they use."""

    def __init__(self, *parts: object) -> None:
        self._parts: Mapping[type, object] = {kind: part for part in parts for kind in type(part).__mro__[:-1]}

    def need(self, kind: type[Part]) -> Part:
        """The one part of this type. `KeyError` when the assembly lacks it, which is a programming error."""
        part: Any = self._parts[kind]
        return part  # type: ignore[no-any-return]


class Context(msgspec.Struct, frozen=True):
    """One call. `region` is the region of the credential scope, `account` the caller's."""

    parts: Parts
    service: str
    operation: str
    account: str
    region: str
    principal: Principal
    request_id: str

    def need(self, kind: type[Part]) -> Part:
        return self.parts.need(kind)
