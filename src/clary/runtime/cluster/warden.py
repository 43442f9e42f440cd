"""The actor of a node: it holds the seats of all instances there that need no actor of their own.

A process of Ray's takes a second to start and has everything to find out anew; this one starts once. Instances with
GPUs, which Ray hands to actors, and those that serve, which share no interpreter, have an actor each.
"""

import threading
from typing import Any

from clary.runtime.cluster.seat import Seat, sweep

Key = tuple[str, str, str]
"""Workload, host, run."""


class Warden:
    """Like a seat, it keeps nothing that matters: one that was restarted makes its seats again, which go on."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._seats: dict[Key, Seat] = {}
        threading.Thread(target=sweep, daemon=True).start()

    def call(self, name: str, key: Key, *given: Any) -> Any:
        """A call of the instance's seat, which is made when there is none."""
        return getattr(self._seat(key), name)(*given)

    def leave(self, key: Key) -> None:
        """The instance was closed. May be repeated."""
        with self._guard:
            seat = self._seats.pop(key, None)
        if seat is not None:
            seat.leave()

    def _seat(self, key: Key) -> Seat:
        with self._guard:
            if key not in self._seats:
                for other in [other for other in self._seats if other[:2] == key[:2]]:
                    self._seats.pop(other).leave()
                self._seats[key] = Seat(*key)
            return self._seats[key]


class Shared:
    """A seat held by a warden, called as an actor of its own would be: `shared.tell.remote(...)`."""

    def __init__(self, warden: Any, key: Key) -> None:
        self._warden, self._key = warden, key

    def __getattr__(self, name: str) -> "_Call":
        return _Call(self._warden, name, self._key)

    def end(self) -> None:
        """Returns at once."""
        self._warden.leave.remote(self._key)


class _Call:
    def __init__(self, warden: Any, name: str, key: Key) -> None:
        self._warden, self._name, self._key = warden, name, key

    def remote(self, *given: Any) -> Any:
        return self._warden.call.remote(self._name, self._key, *given)
