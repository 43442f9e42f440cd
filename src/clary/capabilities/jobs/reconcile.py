"""Carrying a job through: look, let the kind's `decide` choose, do it. Every step may run twice.

What each kind's `reconcile.py` starts from: a reconciler, and its work on one record.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Generic, TypeVar

from clary.capabilities.instances import Placing, place
from clary.capabilities.jobs.staging import Staging
from clary.capabilities.jobs.turn import Turn
from clary.capabilities.jobs.uploads import Uploads
from clary.objects import Objects
from clary.resources.kinds import Kind
from clary.resources.reconcile import Become, Outcome, Wait
from clary.resources.records import Record
from clary.resources.wake import Wake
from clary.runtime.backend import Backend
from clary.settings import Settings
from clary.wire.context import Parts

ASK_AGAIN_SECONDS = 0.5
FETCHING_SECONDS = 5.0
"""What is fetched wakes the job when it is there."""

Step = TypeVar("Step", bound=Enum)


class JobWork(ABC, Generic[Step]):
    """One look at one record and what follows from it."""

    starts: Step
    """What a job does that waits for room: at any other step it leaves the line."""

    def __init__(self, record: Record, parts: Parts, uploads: Uploads, downloads: Uploads) -> None:
        self.record, self.parts, self.uploads, self.downloads = record, parts, uploads, downloads
        self.settings = parts.need(Settings)
        self.backend: Backend = parts.need(Backend)  # type: ignore[type-abstract]
        self.turn = Turn(record, parts)
        self.jobs = self.settings.home / "jobs"
        self.folder = self.jobs / record.id
        self.fetches = not self.backend.fetches
        """Whether data that is elsewhere is fetched to this machine; hosts that fetch get theirs by themselves."""

    @abstractmethod
    def decide(self) -> Step | Become | Wait:
        """By what is seen."""

    @abstractmethod
    def acts(self) -> Mapping[Step, Callable[[], Outcome]]:
        """How each step is done."""

    @abstractmethod
    def types(self) -> list[str]:
        """Instance types, one for each instance."""

    @abstractmethod
    def stage(self) -> None:
        """Lay the data out. May be repeated: complete or not there at all. Raises `BadData`."""

    @abstractmethod
    def give_up(self, why: str) -> Become:
        """The end of a job that cannot go on."""

    def go_on(self) -> Outcome:
        chosen = self.decide()
        if chosen is not self.starts:
            self.turn.leave()
        return chosen if isinstance(chosen, Become | Wait) else self.acts()[chosen]()

    def place(self) -> Placing:
        """Raises `NoCapacity` or `Away`."""
        return place(self.parts, self.record.region, self.types())

    def fetched(self) -> bool:
        """Whether `stage` takes no time now, or was done. What is not on this machine takes long: it is fetched
        beside the reconciler, as other jobs are to be started."""
        near = self.parts.need(Objects).origin is None or not self.fetches
        if near or Staging(self.jobs, self.record.id).folder.exists():
            return True
        return self.downloads.done(self.record.id, self.stage, self.ask_again)

    def stop(self) -> Outcome:
        self.backend.stop(self.record.id)
        return Become(self.record.status, state={"Halted": True})

    def kill(self) -> Outcome:
        self.backend.kill(self.record.id)
        return Wait(ASK_AGAIN_SECONDS)

    def ask_again(self) -> None:
        """Have the job looked at."""
        self.parts.need(Wake).poke(self.record.id)


class JobReconciler:
    """One per controller; all it keeps is which transfers are in hand."""

    def __init__(self, kind: Kind, work: Callable[[Record, Parts, Uploads, Uploads], JobWork[Any]]) -> None:
        self.kind, self._work = kind, work
        self._uploads, self._downloads = Uploads(), Uploads()

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        return self._work(record, parts, self._uploads, self._downloads).go_on()
