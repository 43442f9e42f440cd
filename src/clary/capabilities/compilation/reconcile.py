"""Carrying a compilation job through: look, let `decide` choose, do it. Every step may run twice."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from clary.capabilities.compilation import outputs, staging, targets
from clary.capabilities.compilation.decide import Seen, Step, completed, decide, fail
from clary.capabilities.compilation.kind import FINAL
from clary.capabilities.compilation.plan import HOST, LOG_GROUP, plan, run_seconds
from clary.capabilities.jobs import reaching
from clary.capabilities.jobs.failure import failed
from clary.capabilities.jobs.reconcile import FETCHING_SECONDS
from clary.capabilities.jobs.site import Site
from clary.capabilities.jobs.starting import StartedAtOnce
from clary.companions.logs import LogStore
from clary.objects import Objects
from clary.resources.reconcile import Become, Outcome, Remove, Wait
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.runtime.backend import OutputsLost
from clary.runtime.workload import Limits, Workload


class Work(StartedAtOnce[Step]):
    starts = Step.BEGIN

    @cached_property
    def seen(self) -> Seen:
        kept, now = self.folder.exists(), self.parts.need(Store).now()
        if self.record.status in (*FINAL, "DELETING"):
            return Seen(now, kept=kept)
        instances = self.backend.observe(self.record.id).instances if kept else ()
        said = outputs.failure(self.record, self.backend) if failed(instances) else ""
        return Seen(now, instances, kept, said)

    def decide(self) -> Become | Wait | Step:
        return decide(self.record, self.seen)

    def acts(self) -> dict[Step, Callable[[], Outcome]]:
        return {
            Step.BEGIN: self.begin,
            Step.STOP: self.stop,
            Step.FINISH: self.finish,
            Step.DISCARD: self.discard,
            Step.REMOVE: Remove,
        }

    def types(self) -> list[str]:
        return [targets.instance_type(self.record.spec["OutputConfig"])]

    def images(self) -> list[str]:
        return [targets.compiler(self.record.spec, self.record.region)]

    def stage(self) -> None:
        staging.stage(self.record, self.jobs, self.parts.need(Objects), fetch=self.fetches)

    def workloads(self, limits: Limits) -> list[Workload]:
        return [plan(self.record, self._site(limits))]

    def give_up(self, why: str) -> Become:
        return fail(self.record, self.seen, why)

    def finish(self) -> Outcome:
        """The artefact first: it is in S3 before the status says that the job is over."""
        try:
            large = outputs.are_large(self.record, self.backend)
            if large and not self.uploads.done(self.record.id, self._upload, self.ask_again):
                return Wait(FETCHING_SECONDS)
            found = self._put()
        except outputs.CannotUpload as error:
            return self.give_up(f"ClientError: {error}")
        except OutputsLost as error:
            return self.give_up(f"InternalServerError: {error}")
        return completed(self.record, self.seen, found)

    def _upload(self) -> None:
        # What it answers is kept beside the workload, and read when it is asked for again.
        self._put()

    def _put(self) -> dict[str, Any]:
        return outputs.upload(self.record, self.backend, self.folder, self.parts.need(Objects))

    def discard(self) -> Outcome:
        self.backend.destroy(self.record.id)
        return Remove() if self.record.status == "DELETING" else Wait(None)

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
