"""Following running instances: a thread that has a question waiting at each seat, so that logs and ends come at once.

It keeps nothing: without it, every look of the controller asks the nodes itself.
"""

import logging
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from clary.runtime.cluster.mirror import Mirror, Seated
from clary.runtime.cluster.parcel import Wanted, piece
from clary.runtime.cluster.talk import Asked, answer

if TYPE_CHECKING:
    from clary.runtime.cluster.backend import RayBackend

log = logging.getLogger(__name__)

WAIT = 10.0
"""Seconds that a question waits for news at its seat."""
PAUSE = 0.25
"""Seconds until a seat that did not answer is asked again: one whose node is gone fails at once."""
LOOK = 0.1
"""Seconds until workloads that came meanwhile are followed too."""


class Question(NamedTuple):
    """One that waits at a seat."""

    key: str
    mirror: Mirror
    seated: Seated | None
    asked: Asked


class Follower:
    """One for each backend object; its thread begins with the first workload, and ends with the last."""

    def __init__(self, backend: "RayBackend") -> None:
        self._backend = weakref.proxy(backend)
        self._guard = threading.Lock()
        self._wanted: set[str] = set()
        self._lacking: dict[tuple[str, str], Wanted] = {}
        self._silent: dict[tuple[str, str], float] = {}
        self._thread: threading.Thread | None = None

    def follow(self, workload_id: str) -> None:
        """May be repeated."""
        with self._guard:
            if workload_id not in self._wanted and self._backend.following(workload_id):
                self._wanted.add(workload_id)
            if self._wanted and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ray-follower", daemon=True)
                self._thread.start()

    def leave(self, workload_id: str) -> None:
        with self._guard:
            self._wanted.discard(workload_id)

    def _run(self) -> None:
        try:
            self._loop()
        except Exception:
            # Ray is away, a folder was just deleted, the backend is gone: whoever looks next starts it anew.
            log.debug("following the nodes was cut short", exc_info=True)
        finally:
            with self._guard:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _loop(self) -> None:
        asking: dict[Any, Question] = {}
        while True:
            self._ask(asking)
            with self._guard:
                if not asking and not self._wanted:
                    self._thread = None
                    return
            if not asking:
                time.sleep(LOOK)
            else:
                ready, _ = self._backend.cluster.ray.wait(list(asking), num_returns=1, timeout=LOOK)
                for one in ready:
                    self._hear(one, asking.pop(one))

    def _ask(self, asking: dict[Any, Question]) -> None:
        """A question at every seat that has none."""
        asked = {(one.key, one.mirror.folder.name) for one in asking.values()}
        with self._guard:
            wanted = list(self._wanted)
        for key in wanted:
            open_ = self._backend.following(key)
            if not open_:
                self.leave(key)
            for mirror in open_:
                name = (key, mirror.folder.name)
                if name in asked or time.monotonic() < self._silent.get(name, 0.0):
                    continue
                if (seat := self._backend.seat(key, mirror)) is not None:
                    lacking = self._lacking.pop(name, None)
                    question = Question(
                        key, mirror, mirror.seat, mirror.asked(WAIT, piece(lacking) if lacking else None)
                    )
                    asking[seat.tell.remote(msgspec.json.encode(question.asked))] = question

    def _hear(self, ref: Any, question: Question) -> None:
        key, mirror = question.key, question.mirror
        if not mirror.folder.is_dir() or mirror.seat != question.seated:
            # What another run says, under the same name, is not of this one.
            return
        name = (key, mirror.folder.name)
        try:
            told = answer(self._backend.cluster.ray.get(ref))
        except Exception:
            self._silent[name] = time.monotonic() + PAUSE
            self._backend.doubt(key, mirror)
        else:
            self._silent.pop(name, None)
            if told.wanted:
                self._lacking[name] = told.wanted
            self._backend.keep(key, mirror, question.asked, told)
