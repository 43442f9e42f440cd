"""Calls operations as the wire does after validation: one assembly, one account, no sockets."""

import asyncio
import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clary.resources import search, tags
from clary.resources.kinds import Kind, Kinds
from clary.resources.store import Store
from clary.resources.verbs import generic_operations
from clary.resources.wake import Wake
from clary.wire.context import Context, Parts, Principal
from clary.wire.models import Models
from clary.wire.operations import Operation, Registry


class Caller:
    """`caller("CreateModel", ModelName="m")` gives the answer or raises the `AwsError`."""

    def __init__(
        self,
        store: Store,
        home: Path,
        kinds: Iterable[Kind],
        special: Iterable[Operation] = (),
        *,
        account: str = "111122223333",
        region: str = "eu-west-1",
    ) -> None:
        kinds, special = list(kinds), list(special)
        self.parts = Parts(store, Wake(home), Kinds(kinds), Models())
        taken = {entry.name for entry in special}
        generic = [entry for kind in kinds for entry in generic_operations(kind) if entry.name not in taken]
        self.registry = Registry([*special, *generic, *tags.OPERATIONS, *search.OPERATIONS])
        self.account, self.region = account, region

    def context(self, operation: str) -> Context:
        principal = Principal(self.account, f"arn:aws:iam::{self.account}:user/u", "AIDA", "AKIA")
        return Context(self.parts, "sagemaker", operation, self.account, self.region, principal, "request")

    def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        entry = self.registry.find("sagemaker", operation)
        assert entry, f"nothing answers {operation}"
        answer: Any = entry.handler(self.context(operation), request)
        return (asyncio.run(answer) if inspect.iscoroutine(answer) else answer) or {}
