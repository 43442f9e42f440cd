"""The runner's queue: keys in order of arrival, each waiting at most once and held by at most one worker."""

import threading
from collections import OrderedDict


class Keyed:
    def __init__(self) -> None:
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._held: set[str] = set()
        self._again: set[str] = set()
        self._changed = threading.Condition()
        self._closed = False

    def add(self, key: str) -> None:
        """Something changed. A key that is being worked on is worked on once more afterwards."""
        with self._changed:
            if key in self._held:
                self._again.add(key)
            else:
                self._put(key)

    def offer(self, key: str) -> None:
        """It may need work, unless it is being worked on."""
        with self._changed:
            if key not in self._held:
                self._put(key)

    def take(self) -> str | None:
        """The next key, to be given back by `done`; waits for one. `None` once closed."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            key, _ = self._waiting.popitem(last=False)
            self._held.add(key)
            return key

    def done(self, key: str) -> None:
        with self._changed:
            self._held.discard(key)
            if key in self._again:
                self._again.discard(key)
                self._put(key)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _put(self, key: str) -> None:
        self._waiting[key] = None
        self._changed.notify()
