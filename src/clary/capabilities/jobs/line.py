"""The line of jobs that wait for room, in order of creation: whoever needs as much as one before it does not even try.

A `Parts` member that the controller's reconcilers share, in memory. It is a hint that spares looks: a new controller
starts with an empty one, and a job that is not in it only asks for room and takes its place.
"""

import bisect
import threading

from clary.resources.records import Record
from clary.resources.wake import Wake

ROOM_SECONDS = 2.0
LONGEST_SECONDS = 60.0

Need = tuple[int, int, tuple[tuple[str, ...], ...]]
"""Instances, GPUs of each, and the hosts that each may be on: none are named where any will do."""


class Line:
    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: dict[Need, list[tuple[float, str]]] = {}
        self._needs: dict[str, Need] = {}

    def before(self, record: Record, need: Need) -> int:
        """How many with the same need come before it."""
        with self._guard:
            return bisect.bisect_left(self._waiting.get(need, []), (record.created, record.id))

    def patience(self, record: Record, need: Need) -> float:
        """Seconds until it looks by itself, the first soonest. What makes room calls the next one."""
        return min(ROOM_SECONDS * (1 + self.before(record, need)), LONGEST_SECONDS)

    def join(self, record: Record, need: Need) -> None:
        """May be repeated."""
        with self._guard:
            if record.id not in self._needs:
                self._needs[record.id] = need
                bisect.insort(self._waiting.setdefault(need, []), (record.created, record.id))

    def leave(self, record: Record) -> bool:
        """Whether it was in line."""
        with self._guard:
            need = self._needs.pop(record.id, None)
            if need is None:
                return False
            self._waiting[need].remove((record.created, record.id))
            if not self._waiting[need]:
                del self._waiting[need]
            return True

    def call(self, wake: Wake) -> None:
        """Have those looked at whose turn it is."""
        if heads := self.heads():
            wake.poke(*heads)

    def heads(self) -> list[str]:
        """Ids of those whose turn it is when there is room: the first of each need, longest waiting first."""
        with self._guard:
            return [key for _, key in sorted(waiting[0] for waiting in self._waiting.values())]
