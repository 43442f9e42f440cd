"""Carrying a compilation job through: look, let `decide` choose, do it. Every step may run twice."""

from collections.abc import Callable
from typing import Any

from clary.capabilities.compilation import outputs, staging, targets
from clary.capabilities.compilation.decide import Seen, Step, completed, decide, fail
from clary.capabilities.compilation.kind import COMPILATION_JOB, FINAL
from clary.capabilities.compilation.plan import HOST, LOG_GROUP, plan, run_seconds
from clary.capabilities.instances import NoCapacity, Placing, place
from clary.capabilities.jobs import fetching, reaching
from clary.capabilities.jobs.failure import failed
from clary.capabilities.jobs.items import BadData
from clary.capabilities.jobs.line import ROOM_SECONDS
from clary.capabilities.jobs.site import Site
from clary.capabilities.jobs.staging import fitting
from clary.capabilities.jobs.turn import Turn
from clary.capabilities.jobs.uploads import Uploads
from clary.companions.logs import LogStore
from clary.objects import Objects
from clary.resources.reconcile import Become, Outcome, Remove, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.runtime.backend import Away, Backend, NoRoom, OutputsLost
from clary.runtime.environments import BuildFailed
from clary.runtime.images import UnknownImage
from clary.runtime.workload import Limits
from clary.settings import Settings
from clary.wire.context import Parts

ASK_AGAIN_SECONDS = 0.5
FETCHING_SECONDS = 5.0


class CompilationReconciler:
    """One per controller; all it keeps is which transfers are in hand."""

    kind = COMPILATION_JOB

    def __init__(self) -> None:
        self._uploads, self._downloads = Uploads(), Uploads()

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        work = Work(record, parts, self._uploads, self._downloads)
        chosen = decide(record, work.seen)
        if chosen is not Step.BEGIN:
            work.turn.leave()
        return work.act(chosen) if isinstance(chosen, Step) else chosen


class Work:
    """One look at one record and what follows from it."""

    def __init__(self, record: Record, parts: Parts, uploads: Uploads, downloads: Uploads) -> None:
        self.record, self.parts, self.uploads, self.downloads = record, parts, uploads, downloads
        self.settings = parts.need(Settings)
        self.backend: Backend = parts.need(Backend)  # type: ignore[type-abstract]
        self.turn = Turn(record, parts)
        self.jobs = self.settings.home / "jobs"
        self.seen = self._look()

    def _look(self) -> Seen:
        kept, now = (self.jobs / self.record.id).exists(), self.parts.need(Store).now()
        if self.record.status in (*FINAL, "DELETING"):
            return Seen(now, kept=kept)
        instances = self.backend.observe(self.record.id).instances if kept else ()
        said = outputs.failure(self.record, self.backend) if failed(instances) else ""
        return Seen(now, instances, kept, said)

    def act(self, step: Step) -> Outcome:
        acts: dict[Step, Callable[[], Outcome]] = {
            Step.BEGIN: self.begin,
            Step.STOP: self.stop,
            Step.FINISH: self.finish,
            Step.DISCARD: self.discard,
            Step.REMOVE: Remove,
        }
        return acts[step]()

    def begin(self) -> Outcome:
        """Get everything ready, as far as it is not, and start."""
        spec = self.record.spec
        try:
            placing = place(self.parts, self.record.region, [targets.instance_type(spec["OutputConfig"])])
            if self.backend.prepare(targets.image(spec, self.record.region), placing.fit.limits.gpus) is not None:
                return Wait(ASK_AGAIN_SECONDS)
            return self._launch(placing)
        except Away:
            self.turn.leave()
            return Wait(ROOM_SECONDS)
        except NoCapacity as error:
            return self._failed(str(error))
        except BadData as error:
            return self._failed(f"ClientError: {error}")
        except (BuildFailed, UnknownImage) as error:
            return self._failed(f"InternalServerError: The compiler's runtime cannot be built: {error}")

    def _launch(self, placing: Placing) -> Outcome:
        """Lay out the model and start, once there is room. Raises `Away`."""
        limits = placing.fit.limits
        need = (1, limits.gpus, placing.hosts)
        if self.turn.is_later(need):
            return Wait(self.turn.wait(need))
        try:
            if not self._fetched():
                return Wait(FETCHING_SECONDS)
            with self.backend.room(self.record.id, *need) as left, fitting():
                self._stage()
                self.backend.start(plan(self.record, self._site(limits)))
        except Away:
            raise
        except NoRoom:
            return Wait(self.turn.wait(need))
        self.turn.leave(left=left > 0)
        return Become("STARTING", message="Starting", state={"Launched": True}, brief=True)

    def _stage(self) -> None:
        staging.stage(self.record, self.jobs, self.parts.need(Objects), fetch=not self.backend.fetches)

    def _fetched(self) -> bool:
        """Whether a model that is not on this machine is laid out: it takes long, and other jobs are to be started."""
        if staging.is_done(self.record, self.jobs):
            return True
        given = (self.parts.need(Objects), self.backend, self.downloads)
        return fetching.is_laid_out(*given, self.record.id, self._stage, self._ask_again)

    def stop(self) -> Outcome:
        self.backend.stop(self.record.id)
        return Become(self.record.status, state={"Halted": True})

    def finish(self) -> Outcome:
        """The artefact first: it is in S3 before the status says that the job is over."""
        try:
            large = outputs.are_large(self.record, self.backend)
            if large and not self.uploads.done(self.record.id, self._upload, self._ask_again):
                return Wait(FETCHING_SECONDS)
            found = self._put()
        except outputs.CannotUpload as error:
            return self._failed(f"ClientError: {error}")
        except OutputsLost as error:
            return self._failed(f"InternalServerError: {error}")
        return completed(self.record, self.seen, found)

    def _upload(self) -> None:
        # What it answers is kept beside the workload, and read when it is asked for again.
        self._put()

    def _put(self) -> dict[str, Any]:
        return outputs.upload(self.record, self.backend, self.jobs / self.record.id, self.parts.need(Objects))

    def discard(self) -> Outcome:
        self.backend.destroy(self.record.id)
        return Remove() if self.record.status == "DELETING" else Wait(None)

    def _ask_again(self) -> None:
        self.parts.need(Wake).poke(self.record.id)

    def _failed(self, why: str) -> Become:
        return fail(self.record, self.seen, why)

    def _site(self, limits: Limits) -> Site:
        record = self.record
        issued = reaching.credentials(self.parts, record, run_seconds(record))
        log = self.parts.need(LogStore).stream(record.account, record.region, LOG_GROUP, record.name)
        return Site(
            jobs=self.jobs,
            wake=str(self.parts.need(Wake).path),
            endpoint=self.settings.url,
            limits=limits,
            logs={HOST: str(log)},
            store=reaching.store(self.parts.need(Objects), self.settings.url, record.region, issued),
        )
