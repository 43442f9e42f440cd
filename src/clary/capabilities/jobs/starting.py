"""The start of jobs that get everything ready and start in one step, as all kinds but training do: it shows more."""

from abc import abstractmethod
from collections.abc import Iterable

from clary.capabilities.instances import NoCapacity, Placing
from clary.capabilities.jobs.items import BadData
from clary.capabilities.jobs.line import ROOM_SECONDS
from clary.capabilities.jobs.reconcile import ASK_AGAIN_SECONDS, FETCHING_SECONDS, JobWork, Step
from clary.capabilities.jobs.staging import fitting
from clary.resources.reconcile import Become, Outcome, Wait
from clary.runtime.backend import Away, NoRoom
from clary.runtime.environments import BuildFailed
from clary.runtime.images import UnknownImage
from clary.runtime.workload import Limits, Workload


class StartedAtOnce(JobWork[Step]):
    """The state says `Launched` once all of its instances were started."""

    @abstractmethod
    def images(self) -> Iterable[str]:
        """Those that it needs, as the runtime knows them. Raises `BadData` for what cannot be started."""

    @abstractmethod
    def workloads(self, limits: Limits) -> Iterable[Workload]:
        """Everything that is to be started, once the data is laid out."""

    def begin(self) -> Outcome:
        """Get everything ready, as far as it is not, and start."""
        try:
            return self.prepare()
        except Away:
            self.turn.leave()
            return Wait(ROOM_SECONDS)
        except NoCapacity as error:
            return self.give_up(str(error))
        except BadData as error:
            return self.give_up(f"ClientError: {error}")
        except (BuildFailed, UnknownImage) as error:
            return self.give_up(f"InternalServerError: The runtime of the image cannot be built: {error}")

    def prepare(self) -> Outcome:
        """Until the environments are there; then it is launched."""
        placing = self.place()
        progress = [self.backend.prepare(image, placing.fit.limits.gpus) for image in self.images()]
        if any(said is not None for said in progress):
            return Wait(ASK_AGAIN_SECONDS)
        return self._launch(placing)

    def _launch(self, placing: Placing) -> Outcome:
        """Lay out the data and start, once there is room. Raises `Away`."""
        limits = placing.fit.limits
        need = (len(self.types()), limits.gpus, placing.hosts)
        if self.turn.is_later(need):
            return Wait(self.turn.wait(need))
        try:
            if not self.fetched():
                return Wait(FETCHING_SECONDS)
            with self.backend.room(self.record.id, *need) as left, fitting():
                self.stage()
                for workload in self.workloads(limits):
                    self.backend.start(workload)
        except Away:
            raise
        except NoRoom:
            return Wait(self.turn.wait(need))
        self.turn.leave(left=left > 0)
        return Become(self.record.status, message=placing.fit.note or "Starting", state={"Launched": True}, brief=True)
