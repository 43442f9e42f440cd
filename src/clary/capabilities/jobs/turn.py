"""A job's place in the line of those that wait for room (`line.py`), as its reconciler asks for it and leaves it."""

from clary.capabilities.jobs.line import Line, Need
from clary.resources.records import Record
from clary.resources.wake import Wake
from clary.runtime.backend import Backend
from clary.wire.context import Parts


class Turn:
    """Of one record, for one look at it."""

    def __init__(self, record: Record, parts: Parts) -> None:
        self._record = record
        self._line, self._wake = parts.need(Line), parts.need(Wake)
        self._backend: Backend = parts.need(Backend)  # type: ignore[type-abstract]

    def is_later(self, need: Need) -> bool:
        """Whether others with the same need come before it."""
        return self._line.before(self._record, need) > 0

    def wait(self, need: Need) -> float:
        """Take its place, if it has none. Seconds until it looks by itself."""
        self._line.join(self._record, need)
        self._backend.when_destroyed("line", self.call_next)
        return self._line.patience(self._record, need)

    def leave(self, *, left: bool = True) -> None:
        """It waits no longer. `left`: there may be room for the next one."""
        if self._line.leave(self._record) and left:
            self.call_next()

    def call_next(self) -> None:
        """Have those looked at whose turn it is."""
        self._line.call(self._wake)
