"""The queue in the store. Servers put requests into it, the dispatcher of the controller takes them through its phases.

A request is accepted once its row is durable, and it is over once the row is gone.
"""

import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import delete, func, select, update

from clary.capabilities.endpoints.asynchronous.tables import requests
from clary.capabilities.endpoints.asynchronous.ticket import Answer, Phase, Request, Ticket, read_answer, read_ticket
from clary.resources.store import Store
from clary.resources.wake import Wake

_encode = msgspec.json.Encoder().encode
SOME = 200
"""Rows that are taken in hand at once, of those that need no instance."""


class Depth(NamedTuple):
    """Of one endpoint's queue, with what is being worked on."""

    size: int
    oldest: float
    """When the first of it was received; 0 for an empty queue."""


class Queue:
    """Safe to use from many threads and processes. `wake` reaches the dispatcher, if it runs on this machine."""

    def __init__(self, store: Store, wake: Wake) -> None:
        self.store = store
        self.wake = wake
        self.seen: dict[str, float] = {}
        """Endpoints that the reconciler of this process has looked at, and when: empty queues have metrics too."""

    def notice(self, owner: str) -> None:
        """The reconciler has looked at an asynchronous endpoint."""
        self.seen[owner] = time.monotonic()

    def put(self, request_id: str, owner: str, ticket: Ticket, lifetime: float, body: bytes | None) -> None:
        """Durable when it returns. `lifetime`: seconds that it may wait."""
        self._insert(request_id, owner, "queued", ticket, lifetime, body)

    def announce(self, request_id: str, owner: str, ticket: Ticket) -> None:
        """A message that is only to be sent."""
        self._insert(request_id, owner, "stored", ticket, 0.0, None)

    def _insert(
        self, request_id: str, owner: str, phase: Phase, ticket: Ticket, lifetime: float, body: bytes | None
    ) -> None:
        now = self.store.now()
        row = {
            "id": request_id,
            "owner": owner,
            "phase": phase,
            "received": now,
            "expires": now + lifetime,
            "due": now,
            "attempts": 0,
            "ticket": _encode(ticket).decode(),
            "body": body,
        }
        with self.store.write() as conn:
            conn.execute(requests.insert().values(**row))
            self.store.after_commit(self.wake.poke, owner)

    def owners(self) -> set[str]:
        """Endpoints with requests that wait."""
        query = select(requests.c.owner).distinct().where(requests.c.phase == "queued")
        with self.store.read() as conn:
            return {row[0] for row in conn.execute(query)}

    def next(self, owner: str, now: float, most: int) -> list[Request]:
        """Of an endpoint's requests that wait, those that were received first; a retry waits for its time."""
        where = (requests.c.owner == owner, requests.c.phase == "queued", requests.c.due <= now)
        return self._select(where, (requests.c.received, requests.c.id), most)

    def expired(self, now: float) -> list[Request]:
        """Some that have waited too long."""
        where = (requests.c.phase == "queued", requests.c.expires <= now)
        return self._select(where, (requests.c.expires,), SOME)

    def unfinished(self, now: float, most: int = SOME) -> list[Request]:
        """Some whose answer is known and that are due."""
        where = (requests.c.phase.in_(("answered", "stored")), requests.c.due <= now)
        return self._select(where, (requests.c.due,), most)

    def with_answers(self) -> list[str]:
        """Requests whose answers are files, or were made objects while nobody could say so any more."""
        with self.store.read() as conn:
            return [row[0] for row in conn.execute(select(requests.c.id).where(requests.c.phase == "answered"))]

    def depth(self, owner: str) -> Depth:
        query = select(func.count(), func.min(requests.c.received)).where(
            requests.c.owner == owner, requests.c.phase == "queued"
        )
        with self.store.read() as conn:
            size, oldest = conn.execute(query).one()
        return Depth(size, oldest or 0.0)

    def answered(self, request: Request, answer: Answer) -> None:
        """From now on no model is asked for it again."""
        self._change(request.id, phase="answered", answer=_encode(answer).decode(), attempts=0)

    def stored(self, request: Request) -> None:
        """From now on it is only about telling."""
        self._change(request.id, phase="stored", attempts=0)

    def again(self, request: Request, seconds: float, *, attempts: int) -> None:
        """Later."""
        self._change(request.id, phase=request.phase, due=self.store.now() + seconds, attempts=attempts)

    def unanswered(self, request: Request) -> None:
        """Its answer is lost with the machine that had it."""
        self._change(request.id, phase="queued", answer=None)

    def over(self, ids: Iterable[str]) -> None:
        with self.store.write() as conn:
            conn.execute(delete(requests).where(requests.c.id.in_(list(ids))))

    def _change(self, request_id: str, **values: Any) -> None:
        with self.store.write() as conn:
            conn.execute(update(requests).where(requests.c.id == request_id).values(**values))

    def _select(self, where: tuple[Any, ...], order: tuple[Any, ...], most: int) -> list[Request]:
        with self.store.read() as conn:
            rows = conn.execute(select(requests).where(*where).order_by(*order).limit(most)).all()
        return [_request(row) for row in rows]


def _request(row: Any) -> Request:
    return Request(
        id=row.id,
        owner=row.owner,
        phase=row.phase,
        received=row.received,
        expires=row.expires,
        attempts=row.attempts,
        ticket=read_ticket(row.ticket),
        body=None if row.body is None else bytes(row.body),
        answer=read_answer(row.answer) if row.answer else None,
    )
