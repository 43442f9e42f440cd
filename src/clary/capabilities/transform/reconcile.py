"""Carrying a transform job through: look, let `decide` choose, do it. Every step may run twice."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from clary.capabilities.jobs import measures
from clary.capabilities.jobs.items import BadData
from clary.capabilities.jobs.kind import FINAL
from clary.capabilities.jobs.mirror import CannotUpload
from clary.capabilities.jobs.reconcile import ASK_AGAIN_SECONDS
from clary.capabilities.jobs.starting import StartedAtOnce
from clary.capabilities.jobs.uploads import Uploads
from clary.capabilities.model_containers.placing import Room, placed
from clary.capabilities.model_containers.spec import containers
from clary.capabilities.transform import drivers, places, staging
from clary.capabilities.transform.decide import END_SECONDS, WATCH_SECONDS, Seen, Step, decide, ended, fail
from clary.capabilities.transform.kind import MODEL
from clary.capabilities.transform.outputs import Outputs
from clary.capabilities.transform.plan import LOG_GROUP, instance_id, job, log_stream, workload, workloads
from clary.companions.cloudwatch.store import MetricStore
from clary.companions.logs import LogStore
from clary.objects import Objects
from clary.resources.reconcile import Become, Outcome, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.runtime.workload import Limits, Workload
from clary.wire.context import Parts
from clary.wire.errors import AwsError

DATA_LOG = "data-log"


class Work(StartedAtOnce[Step]):
    starts = Step.BEGIN

    def __init__(self, record: Record, parts: Parts, uploads: Uploads, downloads: Uploads) -> None:
        super().__init__(record, parts, uploads, downloads)
        # Drivers read them beside the controller, whatever machine the instances are on.
        self.fetches = True
        self.hosts = staging.hosts(record)
        self.names = workloads(record)
        self.outputs = Outputs(record, self.jobs, parts.need(Objects))

    @cached_property
    def seen(self) -> Seen:
        now = self.parts.need(Store).now()
        if not self.folder.exists():
            return Seen(now)
        states = [self.backend.observe(name).instances for name in self.names]
        final = self.record.status in FINAL
        return Seen(
            now=now,
            # One that was never launched: all of them are to be started, again.
            instances=tuple(state for each in states for state in each) if all(states) or final else (),
            drivers=tuple(drivers.see(self._driver(host)) for host in self.hosts),
            kept=True,
            unread_metrics=not final and measures.has_unread(self.record, self._folders()),
        )

    def decide(self) -> Become | Wait | Step:
        return decide(self.record, self.seen)

    def acts(self) -> dict[Step, Callable[[], Outcome]]:
        return {
            Step.BEGIN: self.begin,
            Step.DRIVE: self.drive,
            Step.DELIVER: self.deliver,
            Step.MEASURE: self.measure,
            Step.HALT: self.halt,
            Step.KILL: self.kill,
            Step.FINISH: self.finish,
            Step.DISCARD: self.discard,
        }

    def types(self) -> list[str]:
        return [self.record.spec["TransformResources"]["InstanceType"]] * len(self.hosts)

    def images(self) -> list[str]:
        return [one.image for one in self._planned]

    def stage(self) -> None:
        staging.stage(self.record, self.jobs, self.parts.need(Objects))

    def workloads(self, limits: Limits) -> list[Workload]:
        return self._planned

    def give_up(self, why: str) -> Become:
        return fail(self.record, self.seen, why)

    def drive(self) -> Outcome:
        """A driver beside each instance; one that was killed goes on."""
        for host in self.hosts:
            sockets = tuple(self.backend.socket(name, host) for name in self.names)
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
        done = self.uploads.done(self.record.id, self.outputs.deliver, self.ask_again)
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
            for name in self.names:
                self.backend.stop(name)
        return Wait(END_SECONDS)

    def kill(self) -> Outcome:
        for host in self.hosts:
            drivers.stop(self._driver(host))
        for name in self.names:
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
        for name in reversed(self.names):
            self.backend.destroy(name)
        return Wait(None)

    @cached_property
    def _planned(self) -> list[Workload]:
        """What the containers start from is kept from here on. Raises `BadData` of a model or a role that is gone."""
        room = Room.of(self.place())
        try:
            return [self._plan(number, room) for number, _ in enumerate(self.names)]
        except AwsError as error:
            raise BadData(str(error)) from error

    def _plan(self, number: int, room: Room) -> Workload:
        model = self.record.state[MODEL]
        defined = containers(model)
        container = defined[number]["ContainerHostname"] if len(defined) > 1 else ""
        logs = {host: str(self._log(host, container)) for host in self.hosts}
        home = places.model(self.jobs, self.record.id, number)
        found = placed(self.record, model, number, room, home, Path(logs[self.hosts[0]]), self.parts)
        return workload(self.record, number, found, logs, self.settings.host_metrics_seconds)

    def _log(self, host: str, container: str) -> Path:
        stream = log_stream(self.record, host, container)
        return self.parts.need(LogStore).stream(self.record.account, self.record.region, LOG_GROUP, stream)

    def _driver(self, host: str) -> Path:
        return places.driver(self.jobs, self.record.id, host)

    def _folders(self) -> dict[str, Path]:
        """Of the instances, by what they are called in metrics."""
        return {instance_id(self.record, host): self.folder / host for host in self.hosts}
