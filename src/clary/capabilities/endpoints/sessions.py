"""Stateful sessions: which instance a session is with, until it expires or its model closes it.

The model makes the session and its id; here is only the way back to its instance, in the store, so that every server
process finds it and a restart loses none.
"""

import re
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from time import strptime

from clary.capabilities.endpoints.answers import invalid
from clary.resources.kinds import Kind
from clary.resources.machine import Machine
from clary.resources.making import add, new
from clary.resources.reconcile import Outcome, Remove, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context, Parts

NEW = "NEW_SESSION"
ANSWERED = ("x-amzn-sagemaker-new-session-id", "x-amzn-sagemaker-session-id")
"""Headers in which a model tells of a session that it made: AWS's documentation and its containers differ."""
CLOSED = "x-amzn-sagemaker-closed-session-id"
MADE = re.compile(r"([a-zA-Z0-9](?:-*[a-zA-Z0-9])*);\s*Expires=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")
LONGEST = 256

SESSION = Kind(
    noun="EndpointSession",
    arn="",
    verbs="",
    machine=Machine(start="Open", edges={"Open": frozenset()}),
)
"""No resource of AWS's: nobody sees it. Its parent is the id of an endpoint's record."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a model said of a session that it made; `told` is for the client."""

    name: str
    expires: float
    told: str


def made(headers: Mapping[str, str]) -> Made | None:
    """`None` for an answer that tells of none, or not as it should."""
    for header in ANSWERED:
        found = MADE.fullmatch(headers.get(header, ""))
        if found and len(found[0]) <= LONGEST:
            try:
                expires = timegm(strptime(found[2], "%Y-%m-%dT%H:%M:%SZ"))
            except ValueError:
                return None
            return Made(found[1], float(expires), f"{found[1]}; Expires={found[2]}")
    return None


def instance_of(ctx: Context, endpoint: str, session: str) -> str:
    """The instance that has a session of the endpoint with this record id. Raises ValidationError."""
    store = ctx.need(Store)
    found = store.get(SESSION.noun, ctx.account, ctx.region, session, endpoint)
    if found is None or found.state["Expires"] <= store.now():
        raise invalid(f"Session {session} does not exist or has expired. Begin a new one with SessionId NEW_SESSION.")
    return str(found.state["Instance"])


async def begin(ctx: Context, endpoint: str, session: Made, instance: str) -> None:
    """Durable when it returns. A session of the same name is forgotten."""
    store = ctx.need(Store)
    state = {"Instance": instance, "Expires": session.expires}
    named = {"parent": endpoint, "state": state, "due": session.expires}
    record = new(SESSION, ctx, session.name, store.now(), **named)
    await store.committed(lambda: _insert(ctx, record))


async def end(ctx: Context, endpoint: str, session: str) -> None:
    """The model has closed it."""
    store = ctx.need(Store)
    await store.committed(lambda: _forget(store, store.get(SESSION.noun, ctx.account, ctx.region, session, endpoint)))


def _insert(ctx: Context, record: Record) -> None:
    store = ctx.need(Store)
    with store.write():
        _forget(store, store.get(SESSION.noun, record.account, record.region, record.name, record.parent))
        add(ctx, record)


def _forget(store: Store, found: Record | None) -> None:
    if found is None:
        return
    with store.write():
        fresh = store.locked(found.id)
        if fresh is not None:
            store.delete(fresh)


class SessionReconciler:
    """Forgets sessions that are over."""

    kind: Kind = SESSION

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        left = record.state["Expires"] - parts.need(Store).now()
        return Wait(left) if left > 0 else Remove()
