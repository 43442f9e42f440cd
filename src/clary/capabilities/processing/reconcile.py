"""Carrying a processing job through: look, let `decide` choose, do it. Every step may run twice."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from clary.capabilities.instances import NoCapacity, place
from clary.capabilities.jobs import measures, reaching
from clary.capabilities.jobs.hosts import hosts
from clary.capabilities.jobs.kind import FINAL
from clary.capabilities.jobs.mirror import CannotUpload, Mirror, Target, are_large
from clary.capabilities.jobs.reconcile import ASK_AGAIN_SECONDS
from clary.capabilities.jobs.site import Site
from clary.capabilities.jobs.starting import StartedAtOnce
from clary.capabilities.processing import outputs, staging
from clary.capabilities.processing.decide import Seen, Step, decide, ended, fail
from clary.capabilities.processing.plan import LOG_GROUP, cluster, image, is_isolated, plan
from clary.companions.cloudwatch.store import MetricStore
from clary.objects import Objects
from clary.resources.reconcile import Become, Outcome, Remove, Wait
from clary.resources.store import Store
from clary.runtime.backend import OutputsLost
from clary.runtime.workload import Limits, Workload


class Work(StartedAtOnce[Step]):
    starts = Step.BEGIN

    @cached_property
    def seen(self) -> Seen:
        kept, now = self.folder.exists(), self.parts.need(Store).now()
        if self.record.status in (*FINAL, "Deleting"):
            return Seen(now, kept=kept)
        seen = Seen(
            now=now,
            instances=self.backend.observe(self.record.id).instances if kept else (),
            kept=kept,
            continuous=outputs.is_continuous(self.record),
            unread_metrics=kept and measures.has_unread(self.record, self._folders()),
        )
        if seen.continuous and seen.living:
            self._done("follow", self._follow_now)
        return seen

    def decide(self) -> Become | Wait | Step:
        return decide(self.record, self.seen)

    def acts(self) -> dict[Step, Callable[[], Outcome]]:
        return {
            Step.BEGIN: self.begin,
            Step.MEASURE: self.measure,
            Step.STOP: self.stop,
            Step.KILL: self.kill,
            Step.FINISH: self.finish,
            Step.DISCARD: self.discard,
            Step.REMOVE: Remove,
        }

    def prepare(self) -> Outcome:
        """Where the request gives several instance types, one of them is settled first."""
        config = self.record.spec["ProcessingResources"]["ClusterConfig"]
        if config.get("InstancePreferences") and "Selected" not in self.record.state:
            return Become("InProgress", state={"Selected": self._select(config)}, brief=True)
        return super().prepare()

    def types(self) -> list[str]:
        chosen = cluster(self.record)
        return [chosen["InstanceType"]] * chosen["InstanceCount"]

    def images(self) -> list[str]:
        return [image(self.record, self.settings.url)]

    def stage(self) -> None:
        staging.stage(self.record, self.jobs, self.parts.need(Objects), fetch=self.fetches)

    def workloads(self, limits: Limits) -> list[Workload]:
        return [plan(self.record, self._site(limits))]

    def give_up(self, why: str) -> Become:
        return fail(self.record, self.seen, why)

    def measure(self) -> Outcome:
        store = self.parts.need(MetricStore)
        return Become(self.record.status, state=measures.take_in(self.record, self._folders(), LOG_GROUP, store))

    def discard(self) -> Outcome:
        self.backend.destroy(self.record.id)
        return Remove() if self.record.status == "Deleting" else Wait(None)

    def finish(self) -> Outcome:
        """Outputs first: they are in S3 before the status says that the job is over."""
        try:
            if not self._uploaded():
                return Wait(ASK_AGAIN_SECONDS)
            trouble = ""
        except CannotUpload as error:
            trouble = f"ClientError: {error}"
        except OutputsLost as error:
            trouble = f"InternalServerError: {error}"
        said = ""
        try:
            said = outputs.message(self.record, self.backend)
        except outputs.NotText as error:
            trouble = f"ClientError: {error}"
        except OutputsLost:
            # Told above, or there were no outputs and nothing else is missed.
            pass
        return ended(self.record, self.seen, said, trouble)

    def _uploaded(self) -> bool:
        # What was begun while the job ran must not go on beside this.
        if outputs.is_continuous(self.record) and not self._done("follow", self._follow_now):
            return False
        if self.uploads.in_hand(f"{self.record.id}-finish"):
            return False
        targets = self._targets() if outputs.are_near(self.record, self.backend) else None
        if targets is None or are_large(file for target in targets for _, _, file in target.files()):
            return self._done("finish", lambda: self._mirror.finish(self._targets()))
        self._mirror.finish(targets)
        return True

    @property
    def _mirror(self) -> Mirror:
        return Mirror(self.record.account, self.parts.need(Objects), self.folder)

    def _targets(self) -> list[Target]:
        return outputs.targets(self.record, self.backend)

    def _follow_now(self) -> None:
        self._mirror.follow(outputs.targets(self.record, self.backend, continuous_only=True))

    def _done(self, what: str, work: Callable[[], None]) -> bool:
        return self.uploads.done(f"{self.record.id}-{what}", work, self.ask_again)

    def _folders(self) -> dict[str, Path]:
        return {host.name: self.folder / host.name for host in hosts(cluster(self.record))}

    def _select(self, config: dict[str, Any]) -> dict[str, Any]:
        """The first of the preferred types that this machine can stand in for. Raises `NoCapacity` of the last."""
        *first, last = config["InstancePreferences"]
        for entry in first:
            try:
                self._check(entry)
            except NoCapacity:
                continue
            return _selected(entry, config)
        self._check(last)
        return _selected(last, config)

    def _check(self, entry: dict[str, Any]) -> None:
        place(self.parts, self.record.region, [entry["InstanceType"]])

    def _site(self, limits: Limits) -> Site:
        everyone = [host.name for host in hosts(cluster(self.record))]
        return reaching.site(
            self.parts, self.record, limits, group=LOG_GROUP, hosts=everyone, isolated=is_isolated(self.record)
        )


def _selected(entry: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    return {
        "SelectedInstanceType": entry["InstanceType"],
        "SelectedInstanceCount": entry.get("InstanceCount") or config["InstanceCount"],
    }
