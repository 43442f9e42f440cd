"""Carrying a processing job through: look, let `decide` choose, do it. Every step may run twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from clary.capabilities.instances import NoCapacity, Placing, place
from clary.capabilities.jobs import fetching, measures, reaching
from clary.capabilities.jobs.hosts import hosts
from clary.capabilities.jobs.items import BadData
from clary.capabilities.jobs.line import ROOM_SECONDS
from clary.capabilities.jobs.mirror import CannotUpload, Mirror, Target, are_large
from clary.capabilities.jobs.site import Site
from clary.capabilities.jobs.staging import fitting
from clary.capabilities.jobs.turn import Turn
from clary.capabilities.jobs.uploads import Uploads
from clary.capabilities.processing import outputs, staging
from clary.capabilities.processing.decide import Seen, Step, decide, ended, fail
from clary.capabilities.processing.kind import FINAL, PROCESSING_JOB
from clary.capabilities.processing.plan import LOG_GROUP, cluster, image, is_isolated, plan
from clary.companions.cloudwatch.store import MetricStore
from clary.objects import Objects
from clary.resources.reconcile import Become, Outcome, Remove, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.runtime import network
from clary.runtime.backend import Away, Backend, NoRoom, OutputsLost
from clary.runtime.environments import BuildFailed
from clary.runtime.images import UnknownImage
from clary.runtime.workload import Limits
from clary.settings import Settings
from clary.wire.context import Parts

ASK_AGAIN_SECONDS = 0.5
FETCHING_SECONDS = 5.0
NAMESPACE = "/aws/sagemaker/ProcessingJobs"


class ProcessingReconciler:
    """One per controller; all it keeps is which uploads are in hand."""

    kind = PROCESSING_JOB

    def __init__(self) -> None:
        self._uploads, self._downloads = Uploads(), Uploads()

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        work = Work(record, parts, self._uploads, self._downloads)
        chosen = decide(record, work.look())
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
        self.mirror = Mirror(record.account, parts.need(Objects), self.jobs / record.id)

    def look(self) -> Seen:
        kept = (self.jobs / self.record.id).exists()
        if self.record.status in (*FINAL, "Deleting"):
            return Seen(self.parts.need(Store).now(), kept=kept)
        seen = Seen(
            now=self.parts.need(Store).now(),
            instances=self.backend.observe(self.record.id).instances if kept else (),
            kept=kept,
            continuous=outputs.is_continuous(self.record),
            unread_metrics=kept and measures.has_unread(self.record, self._folders()),
        )
        if seen.continuous and seen.living:
            self._follow()
        return seen

    def act(self, step: Step) -> Outcome:
        acts: dict[Step, Callable[[], Outcome]] = {
            Step.BEGIN: self.begin,
            Step.MEASURE: self.measure,
            Step.STOP: self.stop,
            Step.KILL: self.kill,
            Step.FINISH: self.finish,
            Step.DISCARD: self.discard,
            Step.REMOVE: Remove,
        }
        return acts[step]()

    def begin(self) -> Outcome:
        """Get everything ready, as far as it is not, and start."""
        config = self.record.spec["ProcessingResources"]["ClusterConfig"]
        try:
            if config.get("InstancePreferences") and "Selected" not in self.record.state:
                return Become("InProgress", state={"Selected": self._select(config)}, brief=True)
            own = cluster(self.record)
            placing = self._place(own["InstanceType"], own["InstanceCount"])
            if self.backend.prepare(image(self.record, self.settings.url), placing.fit.limits.gpus) is not None:
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
            return self._failed(f"InternalServerError: The runtime of the image cannot be built: {error}")

    def _launch(self, placing: Placing) -> Outcome:
        """Lay out the data and start, once there is room. Raises `Away`."""
        limits = placing.fit.limits
        need = (cluster(self.record)["InstanceCount"], limits.gpus, placing.hosts)
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
        return Become("InProgress", message=placing.fit.note or "Starting", state={"Launched": True}, brief=True)

    def _stage(self) -> None:
        staging.stage(self.record, self.jobs, self.parts.need(Objects), fetch=not self.backend.fetches)

    def _fetched(self) -> bool:
        """Whether data that is not on this machine is laid out: that takes long, and other jobs are to be started."""
        if staging.is_done(self.record, self.jobs):
            return True
        given = (self.parts.need(Objects), self.backend, self.downloads)
        return fetching.is_laid_out(*given, self.record.id, self._stage, self._ask_again)

    def measure(self) -> Outcome:
        store = self.parts.need(MetricStore)
        return Become(self.record.status, state=measures.take_in(self.record, self._folders(), NAMESPACE, store))

    def stop(self) -> Outcome:
        self.backend.stop(self.record.id)
        return Become(self.record.status, state={"Halted": True})

    def kill(self) -> Outcome:
        self.backend.kill(self.record.id)
        return Wait(ASK_AGAIN_SECONDS)

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
        return ended(self.record, self.look(), said, trouble)

    def _uploaded(self) -> bool:
        # What was begun while the job ran must not go on beside this.
        if outputs.is_continuous(self.record) and not self._done("follow", self._follow_now):
            return False
        if self.uploads.in_hand(f"{self.record.id}-finish"):
            return False
        targets = self._targets() if outputs.are_near(self.record, self.backend) else None
        if targets is None or are_large(file for target in targets for _, _, file in target.files()):
            return self._done("finish", lambda: self.mirror.finish(self._targets()))
        self.mirror.finish(targets)
        return True

    def _targets(self) -> list[Target]:
        return outputs.targets(self.record, self.backend)

    def _follow(self) -> None:
        self._done("follow", self._follow_now)

    def _follow_now(self) -> None:
        self.mirror.follow(outputs.targets(self.record, self.backend, continuous_only=True))

    def _done(self, what: str, work: Callable[[], None]) -> bool:
        return self.uploads.done(f"{self.record.id}-{what}", work, self._ask_again)

    def _ask_again(self) -> None:
        self.parts.need(Wake).poke(self.record.id)

    def _failed(self, why: str) -> Become:
        return fail(self.record, self.look(), why)

    def _place(self, instance_type: str, count: int) -> Placing:
        return place(self.parts, self.record.region, [instance_type] * count)

    def _folders(self) -> dict[str, Path]:
        return {host.name: self.jobs / self.record.id / host.name for host in hosts(cluster(self.record))}

    def _select(self, config: dict[str, Any]) -> dict[str, Any]:
        """The first of the preferred types that this machine can stand in for. Raises `NoCapacity` of the last."""
        *first, last = config["InstancePreferences"]
        for entry in first:
            try:
                self._place(entry["InstanceType"], 1)
            except NoCapacity:
                continue
            return _selected(entry, config)
        self._place(last["InstanceType"], 1)
        return _selected(last, config)

    def _site(self, limits: Limits) -> Site:
        record = self.record
        longest = record.spec["StoppingCondition"]["MaxRuntimeInSeconds"]
        issued = reaching.credentials(self.parts, record, longest)
        return Site(
            jobs=self.jobs,
            wake=str(self.parts.need(Wake).path),
            endpoint=self.settings.url,
            limits=limits,
            card=network.interface(cluster(record)["InstanceCount"], is_isolated(record)),
            logs={
                host.name: reaching.log_file(self.parts, record, LOG_GROUP, host.name)
                for host in hosts(cluster(record))
            },
            credentials={} if is_isolated(record) else issued,
            store=reaching.store(self.parts.need(Objects), self.settings.url, record.region, issued),
            measure_seconds=self.settings.host_metrics_seconds,
            plugin=reaching.CLIENT_PLUGIN if reaching.CLIENT_PLUGIN.is_dir() else None,
        )


def _selected(entry: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    return {
        "SelectedInstanceType": entry["InstanceType"],
        "SelectedInstanceCount": entry.get("InstanceCount") or config["InstanceCount"],
    }
