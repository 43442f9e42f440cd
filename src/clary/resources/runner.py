"""The runner: gives every due record to its kind's reconciler and carries out what that decides.

One controller process owns one `Runner`. It works by key: a record is never in two hands, changes that come while it is
being worked on are looked at afterwards, and nothing is remembered that the store does not hold, so that a restart is
just a start.
"""

import heapq
import logging
import threading
import time
from collections.abc import Iterable

from clary.resources.edit import edit
from clary.resources.keys import Keyed
from clary.resources.reconcile import Become, Do, Outcome, Reconciler, Remove, Wait
from clary.resources.records import Record
from clary.resources.store import Stale, Store
from clary.resources.wake import Wake
from clary.wire.context import Parts

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 60.0


class Runner:
    """`parts` gives Store, Wake, Kinds and whatever the reconcilers need."""

    def __init__(self, parts: Parts, reconcilers: Iterable[Reconciler], threads: int = 4) -> None:
        self._parts = parts
        self._store = parts.need(Store)
        self._reconcilers = {reconciler.kind.noun: reconciler for reconciler in reconcilers}
        self._keys = Keyed()
        self._timers = Timers()
        self._failures: dict[str, int] = {}
        self._stopping = threading.Event()
        names = ["clary-wake", *(f"clary-reconcile-{number}" for number in range(threads))]
        targets = [self._watch, *[self._work] * threads]
        self._threads = [threading.Thread(target=t, name=n) for t, n in zip(targets, names, strict=True)]
        self._listener = parts.need(Wake).listen()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what is in hand and return. What was due stays due in the store."""
        self._stopping.set()
        self._keys.close()
        self._rouse()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _watch(self) -> None:
        """Fill the queue: from pokes at once, from the store every second, from timers when they ring."""
        next_poll = 0.0
        while not self._stopping.is_set():
            if time.monotonic() >= next_poll:
                self._poll()
                next_poll = time.monotonic() + POLL_SECONDS
            now = self._store.now()
            for key in self._timers.ring(now):
                self._keys.add(key)
            patience = next_poll - time.monotonic()
            poked = self._listener.receive(self._timers.next(now, patience))
            if poked:
                self._keys.add(poked)

    def _poll(self) -> None:
        try:
            for key in self._store.due(self._store.now()):
                self._keys.offer(key)
        except Exception:
            # A border: the database may be away for a while, and the next poll tries again.
            log.exception("could not read what is due")

    def _work(self) -> None:
        while (key := self._keys.take()) is not None:
            try:
                self._once(key)
            finally:
                self._keys.done(key)

    def _once(self, key: str) -> None:
        """The reconcile tick: a border, where whatever a reconciler raises becomes a later try."""
        record = None
        try:
            record = self._store.by_id(key)
            reconciler = self._reconcilers.get(record.kind) if record else None
            if record is None or reconciler is None:
                return
            self._apply(record, reconciler.reconcile(record, self._parts))
            self._failures.pop(key, None)
        except Stale:
            self._keys.add(key)
        except Exception:
            self._retry(key, record)

    def _apply(self, record: Record, outcome: Outcome) -> None:
        match outcome:
            case Wait(seconds):
                self._wait(record, seconds)
                return
            case Become(status, detail, message, state):
                with edit(self._parts, record, version=record.version) as change:
                    change.become(status, detail, message, **state)
                if change.record.version == record.version:
                    raise RuntimeError(f"{record.kind} {record.name} was told to become what it is")
                log.info("%s %s is %s %s", record.kind, record.name, status, detail)
            case Do(action):
                action()
            case Remove(action):
                if action is not None:
                    action()
                self._store.delete(record)
                log.info("%s %s is gone", record.kind, record.name)
        self._keys.add(record.id)

    def _wait(self, record: Record, seconds: float | None) -> None:
        due = None if seconds is None else self._store.now() + seconds
        self._store.reschedule(record, due)
        if due is not None and self._timers.set(record.id, due):
            self._rouse()

    def _rouse(self) -> None:
        """Have the watching thread look at its timers now."""
        self._parts.need(Wake).poke("")

    def _retry(self, key: str, record: Record | None) -> None:
        tries = self._failures[key] = self._failures.get(key, 0) + 1
        seconds = min(BACKOFF_SECONDS * 2 ** (tries - 1), LONGEST_BACKOFF_SECONDS)
        what = f"{record.kind} {record.name}" if record else key
        log.exception("reconciling %s failed, try %d, again in %g s", what, tries, seconds)
        try:
            if record:
                self._wait(record, seconds)
        except Exception:
            log.exception("could not put off %s", what)


class Timers:
    """When to look again, sooner than the next poll may come. A lost timer costs nothing: the store has it too."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []
        self._lock = threading.Lock()

    def set(self, key: str, when: float) -> bool:
        """Whether it is now the first to ring."""
        with self._lock:
            heapq.heappush(self._heap, (when, key))
            return self._heap[0] == (when, key)

    def next(self, now: float, longest: float) -> float:
        """Seconds until one rings, at most `longest`."""
        with self._lock:
            return min(self._heap[0][0] - now, longest) if self._heap else longest

    def ring(self, now: float) -> list[str]:
        """Takes out the keys whose time has come."""
        rung = []
        with self._lock:
            while self._heap and self._heap[0][0] <= now:
                rung.append(heapq.heappop(self._heap)[1])
        return rung
