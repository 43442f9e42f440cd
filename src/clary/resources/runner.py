"""The runner: gives every due record to its kind's reconciler and carries out what that decides.

One controller process owns one `Runner`. It works by key: a record is never in two hands, changes that come while it is
being worked on are looked at afterwards, and nothing is remembered that the store does not hold, so that a restart is
just a start.
"""

import heapq
import logging
import math
import threading
import time
from collections.abc import Iterable

from clary.resources.edit import Edit
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
        self._put_off: dict[str, tuple[Record, float | None]] = {}
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
        self._write_put_off()

    def _watch(self) -> None:
        """Fill the queue: from pokes at once, from the store every second, from timers when they ring."""
        # At first all that is not settled: what was awaited may have come while no controller ran.
        next_poll, horizon = 0.0, math.inf
        while not self._stopping.is_set():
            now = self._store.now()
            if time.monotonic() >= next_poll:
                self._poll(max(now, horizon))
                next_poll, horizon = time.monotonic() + POLL_SECONDS, 0.0
            for key in self._timers.ring(now):
                self._keys.add(key)
            patience = next_poll - time.monotonic()
            for key in self._listener.receive(self._timers.next(now, patience)):
                self._keys.add(key)

    def _poll(self, until: float) -> None:
        self._write_put_off()
        try:
            for key in self._store.due(until):
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
        """Looks and steps until the record waits: a border, where whatever a reconciler raises becomes a later try."""
        change = None
        self._timers.drop(key)
        try:
            # One connection for all that is read meanwhile: each costs more than most reads.
            with self._store.read():
                record = self._store.by_id(key)
                reconciler = self._reconcilers.get(record.kind) if record else None
                if record is None or reconciler is None:
                    return
                change = Edit(reconciler.kind, record, 0.0)
                while not self._stopping.is_set():
                    if not self._step(change, reconciler.reconcile(change.record, self._parts)):
                        break
            self._failures.pop(key, None)
        except Stale:
            self._keys.add(key)
        except Exception:
            self._retry(key, change.record if change else None)

    def _step(self, change: Edit, outcome: Outcome) -> bool:
        """Whether to look again at once."""
        match outcome:
            case Become():
                self._become(change, outcome)
                return True
            case Wait(seconds):
                due = None if seconds is None else self._store.now() + seconds
                self._save(change, due)
                self._wait(change.record, due)
            case Do(action):
                self._save(change, change.record.due)
                action()
                self._keys.add(change.record.id)
            case Remove(action):
                if action is not None:
                    action()
                self._store.delete(change.record)
                log.info("%s %s is gone", change.record.kind, change.record.name)
        return False

    def _become(self, change: Edit, told: Become) -> None:
        record = change.record
        state = {**record.state, **told.state}
        if (told.status, state) == (record.status, record.state) and not told.detail and not told.message:
            raise RuntimeError(f"{record.kind} {record.name} was told to become what it is")
        change.now = self._store.now()
        change.become(told.status, told.detail, told.message, **told.state)
        change.touch()
        if not told.brief:
            self._save(change, change.record.due)

    def _save(self, change: Edit, due: float | None) -> None:
        if not change.unsaved:
            return
        change.record.due = due
        told = ", ".join(f"{event.status} {event.detail}" for event in change.events)
        change.save(self._store)
        if told:
            log.info("%s %s is %s", change.record.kind, change.record.name, told)

    def _wait(self, record: Record, due: float | None) -> None:
        """What is put off is written once a second: until then a new controller looks at it too early, at worst."""
        if record.due != due:
            self._put_off[record.id] = (record, due)
        if due is not None and self._timers.set(record.id, due):
            self._rouse()

    def _write_put_off(self) -> None:
        put_off = [self._put_off.pop(key) for key in list(self._put_off)]
        try:
            if put_off:
                self._store.reschedule(put_off)
        except Exception:
            # A border, like the poll, which now finds them due.
            log.exception("could not put off what waits")

    def _rouse(self) -> None:
        """Have the watching thread look at its timers now."""
        self._parts.need(Wake).poke("")

    def _retry(self, key: str, record: Record | None) -> None:
        tries = self._failures[key] = self._failures.get(key, 0) + 1
        seconds = min(BACKOFF_SECONDS * 2 ** (tries - 1), LONGEST_BACKOFF_SECONDS)
        what = f"{record.kind} {record.name}" if record else key
        log.exception("reconciling %s failed, try %d, again in %g s", what, tries, seconds)
        if record:
            self._wait(record, self._store.now() + seconds)


class Timers:
    """When to look again, sooner than the next poll may come. A lost timer costs nothing: the store has it too."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []
        self._times: dict[str, float] = {}
        """What of the heap still counts: a key rings once, at the time that was set last."""
        self._lock = threading.Lock()

    def set(self, key: str, when: float) -> bool:
        """Whether it is now the first to ring."""
        with self._lock:
            self._times[key] = when
            heapq.heappush(self._heap, (when, key))
            return self._heap[0] == (when, key)

    def drop(self, key: str) -> None:
        with self._lock:
            self._times.pop(key, None)

    def next(self, now: float, longest: float) -> float:
        """Seconds until one rings, at most `longest`."""
        with self._lock:
            while self._heap and self._times.get(self._heap[0][1]) != self._heap[0][0]:
                heapq.heappop(self._heap)
            return min(self._heap[0][0] - now, longest) if self._heap else longest

    def ring(self, now: float) -> list[str]:
        """Takes out the keys whose time has come."""
        rung = []
        with self._lock:
            while self._heap and self._heap[0][0] <= now:
                when, key = heapq.heappop(self._heap)
                if self._times.get(key) == when:
                    del self._times[key]
                    rung.append(key)
        return rung
