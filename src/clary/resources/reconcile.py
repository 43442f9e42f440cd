"""Reconciling: observe, decide, act, until the record is settled.

A capability gives a `Reconciler`; the `Runner` (one controller process) owns the queue of keys, retries with backoff,
guarded writes and wake-ups. Anything may run twice and the process may stop at any line.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from clary.resources.kinds import Kind
from clary.resources.records import Record
from clary.wire.context import Parts


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do now. Look again after `seconds`, or when woken; `None` = settled until someone edits it."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Become:
    """Write this transition (guarded by the record's version), then look again at once.

    `state` is merged into the record's state. The same status with a new `detail` or `message` is a transition too.
    """

    status: str
    detail: str = ""
    message: str = ""
    state: Mapping[str, Any] = field(default_factory=dict)
    brief: bool = False
    """It is written together with what follows, be that a wait, each with its own time: for what is over at once, or
    waits at once. What is done before that must bear to be found done by one that never saw this transition."""


@dataclass(frozen=True, slots=True)
class Do:
    """Run this repeatable action, then look again at once."""

    action: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Remove:
    """The resource is gone: delete the record. `action` is run before."""

    action: Callable[[], None] | None = None


Outcome = Wait | Become | Do | Remove


class Reconciler(Protocol):
    """One per kind that has work to do."""

    kind: Kind

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        """Observe, then let a pure `decide(record, observation)` choose. Raising means: retry with backoff."""
