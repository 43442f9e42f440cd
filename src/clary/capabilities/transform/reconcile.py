"""Carrying a transform job through: look, let `decide` choose, do it. Every step may run twice."""

from collections.abc import Callable
from pathlib import Path

from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.place import NoModelData, placed
from clary.capabilities.instances import NoCapacity, Placing, place
from clary.capabilities.jobs import fetching, measures
from clary.capabilities.jobs.items import BadData
from clary.capabilities.jobs.line import ROOM_SECONDS
from clary.capabilities.jobs.mirror import CannotUpload
from clary.capabilities.jobs.staging import fitting
from clary.capabilities.jobs.turn import Turn
from clary.capabilities.jobs.uploads import Uploads
from clary.capabilities.transform import drivers, places, staging
from clary.capabilities.transform.decide import END_SECONDS, WATCH_SECONDS, Seen, Step, decide, ended, fail
from clary.capabilities.transform.kind import FINAL, MODEL, TRANSFORM_JOB
from clary.capabilities.transform.outputs import Outputs
from clary.capabilities.transform.plan import LOG_GROUP, instance_id, job, log_stream, variant, workload, workloads
from clary.companions.cloudwatch.store import MetricStore
from clary.companions.logs import LogStore
from clary.objects import Objects
from clary.resources.reconcile import Become, Outcome, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.runtime.backend import Away, Backend, NoRoom
from clary.runtime.environments import BuildFailed
from clary.runtime.images import UnknownImage
from clary.runtime.workload import Workload
from clary.settings import Settings
from clary.wire.context import Parts
from clary.wire.errors import AwsError

ASK_AGAIN_SECONDS = 0.5
FETCHING_SECONDS = 5.0
DATA_LOG = "data-log"


class TransformReconciler:
    """One per controller; all it keeps is which uploads and downloads are in hand."""

    kind = TRANSFORM_JOB

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
        self.hosts = staging.hosts(record)
        self.workloads = workloads(record)
        self.outputs = Outputs(record, self.jobs, parts.need(Objects))
        self.seen = self._look()

    def _look(self) -> Seen:
        now = self.parts.need(Store).now()
        if not (self.jobs / self.record.id).exists():
            return Seen(now)
        states = [self.backend.observe(name).instances for name in self.workloads]
        final = self.record.status in FINAL
        return Seen(
            now=now,
            # One that was never launched: all of them are to be started, again.
            instances=tuple(state for each in states for state in each) if all(states) or final else (),
            drivers=tuple(drivers.see(self._driver(host)) for host in self.hosts),
            kept=True,
            unread_metrics=not final and measures.has_unread(self.record, self._folders()),
        )

    def act(self, step: Step) -> Outcome:
        acts: dict[Step, Callable[[], Outcome]] = {
            Step.BEGIN: self.begin,
            Step.DRIVE: self.drive,
            Step.DELIVER: self.deliver,
            Step.MEASURE: self.measure,
            Step.HALT: self.halt,
            Step.KILL: self.kill,
            Step.FINISH: self.finish,
            Step.DISCARD: self.discard,
        }
        return acts[step]()

    def begin(self) -> Outcome:
        """Get everything ready, as far as it is not, and start."""
        try:
            placing = self._place()
            planned = [self._plan(number) for number, _ in enumerate(self.workloads)]
            progress = [self.backend.prepare(one.image, one.limits.gpus) for one in planned]
            if any(said is not None for said in progress):
                return Wait(ASK_AGAIN_SECONDS)
            return self._launch(placing, planned)
        except Away:
            self.turn.leave()
            return Wait(ROOM_SECONDS)
        except NoCapacity as error:
            return fail(self.record, self.seen, str(error))
        except (BadData, NoModelData, AwsError) as error:
            return fail(self.record, self.seen, f"ClientError: {error}")
        except (BuildFailed, UnknownImage) as error:
            why = f"InternalServerError: The runtime of the image cannot be built: {error}"
            return fail(self.record, self.seen, why)

    def _launch(self, placing: Placing, planned: list[Workload]) -> Outcome:
        """Lay out the data and start, once there is room. Raises `Away`."""
        need = (len(self.hosts), placing.fit.limits.gpus, placing.hosts)
        if self.turn.is_later(need):
            return Wait(self.turn.wait(need))
        try:
            if not self._fetched():
                return Wait(FETCHING_SECONDS)
            with self.backend.room(self.record.id, *need) as left, fitting():
                self._stage()
                for one in planned:
                    self.backend.start(one)
        except Away:
            raise
        except NoRoom:
            return Wait(self.turn.wait(need))
        self.turn.leave(left=left > 0)
        return Become("InProgress", message=placing.fit.note or "Starting", state={"Launched": True}, brief=True)

    def _stage(self) -> None:
        staging.stage(self.record, self.jobs, self.parts.need(Objects))

    def _fetched(self) -> bool:
        if staging.is_done(self.record, self.jobs):
            return True
        objects, tell = self.parts.need(Objects), self._ask_again
        return fetching.is_laid_out(objects, None, self.downloads, self.record.id, self._stage, tell)

    def drive(self) -> Outcome:
        """A driver beside each instance; one that was killed goes on."""
        for host in self.hosts:
            sockets = tuple(self.backend.socket(name, host) for name in self.workloads)
            told = job(
                self.record,
                sockets=sockets,
                items=places.Staging(self.jobs, self.record.id).items(host),
                log=self._log(host, DATA_LOG),
                wake=str(self.parts.need(Wake).path),
                startup=self.settings.endpoint_startup_seconds,
            )
            drivers.start(self._driver(host), told)
        return Wait(WATCH_SECONDS)

    def deliver(self) -> Outcome:
        """Beside the reconciler, which only asks whether it is done."""
        try:
            return Wait(WATCH_SECONDS if self._delivered() else ASK_AGAIN_SECONDS)
        except CannotUpload:
            # There may be room later; at the end it is said that there was none.
            return Wait(WATCH_SECONDS)

    def _delivered(self) -> bool:
        """Whether S3 has all that there is now. What was begun before may have ended without the newest."""
        done = self.uploads.done(self.record.id, self.outputs.deliver, self._ask_again)
        return done and not self._has_outputs()

    def _has_outputs(self) -> bool:
        return any(drivers.outputs(self._driver(host)) for host in self.hosts)

    def measure(self) -> Outcome:
        store = self.parts.need(MetricStore)
        return Become(self.record.status, state=measures.take_in(self.record, self._folders(), LOG_GROUP, store))

    def halt(self) -> Outcome:
        """Drivers end at once, containers in their own time."""
        for host in self.hosts:
            drivers.stop(self._driver(host))
        if not self.seen.driving:
            for name in self.workloads:
                self.backend.stop(name)
        return Wait(END_SECONDS)

    def kill(self) -> Outcome:
        for host in self.hosts:
            drivers.stop(self._driver(host))
        for name in self.workloads:
            self.backend.kill(name)
        return Wait(END_SECONDS)

    def finish(self) -> Outcome:
        """Outputs first: they are in S3 before the status says that the job is over."""
        trouble = ""
        try:
            if self._has_outputs() and not self._delivered():
                return Wait(ASK_AGAIN_SECONDS)
            self.outputs.capture()
        except CannotUpload as error:
            trouble = str(error)
        trouble = trouble or self.outputs.trouble()
        return ended(self.record, self.seen, f"ClientError: {trouble}" if trouble else "")

    def discard(self) -> Outcome:
        # The first has the folder of the job, and goes last.
        for name in reversed(self.workloads):
            self.backend.destroy(name)
        return Wait(None)

    def _ask_again(self) -> None:
        self.parts.need(Wake).poke(self.record.id)

    def _place(self) -> Placing:
        resources = self.record.spec["TransformResources"]
        return place(self.parts, self.record.region, [resources["InstanceType"]] * len(self.hosts))

    def _plan(self, number: int) -> Workload:
        defined = fleet.containers(self.record.state[MODEL])
        container = defined[number]["ContainerHostname"] if len(defined) > 1 else ""
        logs = {host: str(self._log(host, container)) for host in self.hosts}
        home = places.model(self.jobs, self.record.id, number)
        found = placed(self.record, variant(self.record), number, home, Path(logs[self.hosts[0]]), self.parts)
        return workload(self.record, number, found, logs, self.settings.host_metrics_seconds)

    def _log(self, host: str, container: str) -> Path:
        stream = log_stream(self.record, host, container)
        return self.parts.need(LogStore).stream(self.record.account, self.record.region, LOG_GROUP, stream)

    def _driver(self, host: str) -> Path:
        return places.driver(self.jobs, self.record.id, host)

    def _folders(self) -> dict[str, Path]:
        """Of the instances, by what they are called in metrics."""
        return {instance_id(self.record, host): self.jobs / self.record.id / host for host in self.hosts}
