"""Large uploads beside the reconciler: gigabytes on their way must not hold a thread that starts other jobs.

What is in hand is known to this process alone: a new controller finds the job still `Uploading` and begins again.
"""

import threading
from collections.abc import Callable

AT_ONCE = 2
"""More would share one disk."""


class Uploads:
    """One per controller. Works are known by the record's id."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._in_hand: set[str] = set()
        self._ended: dict[str, BaseException | None] = {}

    def done(self, key: str, work: Callable[[], None], tell: Callable[[], None]) -> bool:
        """Whether `work` is done; the first call begins it, and `tell` is called when it is time to ask again.

        Raises what the work raised; after that, asking begins it anew.
        """
        with self._guard:
            if key in self._ended:
                error = self._ended.pop(key)
                if error:
                    raise error
                return True
            if key not in self._in_hand:
                self._in_hand.add(key)
                threading.Thread(target=self._run, args=(key, work, tell), name=f"upload-{key}", daemon=True).start()
        return False

    def in_hand(self, key: str) -> bool:
        """Whether its work goes on now."""
        with self._guard:
            return key in self._in_hand

    def _run(self, key: str, work: Callable[[], None], tell: Callable[[], None]) -> None:
        error: BaseException | None = None
        try:
            with self._places:
                work()
        except BaseException as raised:
            # Carried over to the thread that asks, where it is treated as if it had been raised there.
            error = raised
        with self._guard:
            self._in_hand.discard(key)
            self._ended[key] = error
        tell()
