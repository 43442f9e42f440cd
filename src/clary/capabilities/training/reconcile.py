"""Carrying a training job through: look, let `decide` choose, do it. Every step may run twice."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from clary.capabilities.instances import Fit, Machine, NoCapacity, fit
from clary.capabilities.jobs import reaching
from clary.capabilities.jobs.line import ROOM_SECONDS, Line, Need
from clary.capabilities.jobs.site import Site
from clary.capabilities.training import checkpoints, failure, file_systems, metrics, outputs, places, staging
from clary.capabilities.training.channels import BadData, channels
from clary.capabilities.training.decide import WATCH_SECONDS, Seen, Step, decide, fail, moved, uploaded
from clary.capabilities.training.hosts import hosts
from clary.capabilities.training.kind import FINAL, TRAINING_JOB, secondary_status
from clary.capabilities.training.plan import LOG_GROUP, built_in, image, plan
from clary.capabilities.training.uploads import Uploads
from clary.companions.cloudwatch.store import MetricStore
from clary.objects import Objects
from clary.resources.reconcile import Become, Outcome, Remove, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.runtime import limits, network
from clary.runtime.backend import Away, Backend, NoRoom
from clary.runtime.environments import BuildFailed
from clary.runtime.images import UnknownImage
from clary.runtime.workload import Limits
from clary.settings import Settings
from clary.wire.context import Parts

ASK_AGAIN_SECONDS = 0.5


class TrainingReconciler:
    """One per controller; all it keeps is which uploads are in hand."""

    kind = TRAINING_JOB

    def __init__(self) -> None:
        self._uploads = Uploads()

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        work = Work(record, parts, self._uploads)
        chosen = decide(record, work.seen)
        if chosen is not Step.LAUNCH:
            work.leave_line()
        return work.act(chosen) if isinstance(chosen, Step) else chosen


class Work:
    """One look at one record and what follows from it."""

    def __init__(self, record: Record, parts: Parts, uploads: Uploads) -> None:
        self.record, self.parts, self.uploads = record, parts, uploads
        self.settings = parts.need(Settings)
        self.backend: Backend = parts.need(Backend)  # type: ignore[type-abstract]
        self.line = parts.need(Line)
        self.folder = self.settings.home / "jobs" / record.id
        self.seen = self._look()

    def _look(self) -> Seen:
        kept = self.folder.exists()
        if self.record.status in (*FINAL, "Deleting"):
            return Seen(self.parts.need(Store).now(), kept=kept)
        instances = self.backend.observe(self.record.id).instances if kept else ()
        if instances:
            # After the look: what a process that has ended wrote last is in S3 before its job's status says so.
            checkpoints.sync(self.record, self.backend, self.folder, self.parts.need(Objects))
        return Seen(
            now=self.parts.need(Store).now(),
            instances=instances,
            kept=kept,
            failures=self._failure_texts() if failure.failed(instances) else {},
            built_in=built_in(self.record) is not None and "sagemaker_program" not in self._hyperparameters(),
            unread_metrics=bool(instances) and metrics.has_unread(self.record, self._folders()),
        )

    def act(self, step: Step) -> Outcome:
        acts: dict[Step, Callable[[], Outcome]] = {
            Step.PREPARE: self.prepare,
            Step.LAUNCH: self.launch,
            Step.MEASURE: self.measure,
            Step.STOP: self.stop,
            Step.KILL: self.kill,
            Step.UPLOAD: self.upload,
            Step.DISCARD: self.discard,
            Step.REMOVE: Remove,
        }
        return acts[step]()

    def prepare(self) -> Outcome:
        """Until the environment is there; then the job moves on with what is to be said of its instances."""
        try:
            fitted = self._fit()
            progress = self.backend.prepare(image(self.record, self.settings.url), fitted.limits.gpus)
        except NoCapacity as error:
            return self._failed(str(error))
        except (BuildFailed, UnknownImage) as error:
            return self._failed(f"InternalServerError: The runtime of the image cannot be built: {error}")
        if progress is None:
            note = f". {fitted.note}" if fitted.note else ""
            downloading = moved("InProgress", "Downloading", f"Downloading input data{note}")
            return replace(downloading, brief=staging.is_brief(self.record))
        if progress == self.record.state.get("Progress"):
            return Wait(ASK_AGAIN_SECONDS)
        return moved("InProgress", "Starting", progress, Progress=progress)

    def launch(self) -> Outcome:
        """Lay out the data and start; without room the job is `Pending` and says for what."""
        try:
            fitted = self._fit()
            need = (len(hosts(self.record.spec["ResourceConfig"])), fitted.limits.gpus)
            if self.line.before(self.record, need):
                return self._in_line(need, "Waiting for room: other jobs wait for it since before")
            with self.backend.room(self.record.id, *need) as left:
                staging.stage(self.record, self.folder.parent, self.parts.need(Objects))
                self.backend.start(plan(self.record, self._site(fitted.limits)))
        except (BadData, NoCapacity) as error:
            text = str(error)
            return self._failed(text if text.startswith("CapacityError") else f"ClientError: {text}")
        except Away as error:
            self.leave_line()
            return self._pending(f"Waiting: {error}", ROOM_SECONDS)
        except NoRoom as error:
            return self._in_line(need, f"Waiting for room: {error}")
        if self.line.leave(self.record) and left:
            self.call_next()
        # The shims wake us when user code runs.
        return Wait(WATCH_SECONDS)

    def _in_line(self, need: Need, message: str) -> Outcome:
        self.line.join(self.record, need)
        self.backend.when_destroyed("line", self.call_next)
        return self._pending(message, self.line.patience(self.record, need))

    def _pending(self, message: str, seconds: float) -> Outcome:
        if secondary_status(self.record) != "Pending":
            return replace(moved("InProgress", "Pending", message), brief=True)
        return Wait(seconds)

    def leave_line(self) -> None:
        """It waits for room no longer."""
        if self.line.leave(self.record):
            self.call_next()

    def call_next(self) -> None:
        """Have those looked at whose turn it is."""
        self.line.call(self.parts.need(Wake))

    def measure(self) -> Outcome:
        return Become(
            self.record.status, state=metrics.take_in(self.record, self._folders(), self.parts.need(MetricStore))
        )

    def stop(self) -> Outcome:
        self.backend.stop(self.record.id)
        return Become(self.record.status, state={"Halted": True})

    def kill(self) -> Outcome:
        self.backend.kill(self.record.id)
        return Wait(ASK_AGAIN_SECONDS)

    def upload(self) -> Outcome:
        try:
            left = outputs.find(self.record, self.backend)
            put = partial(outputs.upload, self.record, left, self.folder, self.parts.need(Objects))
            if not outputs.are_large(left):
                put()
            elif not self.uploads.done(self.record.id, put, self._ask_again):
                return Wait(WATCH_SECONDS)
        except outputs.CannotUpload as error:
            return self._failed(f"ClientError: {error}")
        return uploaded(self.record, self.seen)

    def discard(self) -> Outcome:
        self.backend.destroy(self.record.id)
        return Remove() if self.record.status == "Deleting" else Wait(None)

    def _ask_again(self) -> None:
        self.parts.need(Wake).poke(self.record.id)

    def _failed(self, why: str) -> Become:
        return fail(self.record, self.seen, failure.cut(why))

    def _fit(self) -> Fit:
        """The smallest of all groups' limits: a workload's instances are alike."""
        machine = Machine(limits.cores(), limits.memory(), limits.gpus(), self.settings.processes)
        types = {host.instance_type for host in hosts(self.record.spec["ResourceConfig"])}
        fits = [fit(name, machine, self.settings.gpu_types_on_cpu) for name in sorted(types)]
        return min(fits, key=lambda one: one.limits.cpus or machine.cpus)

    def _site(self, limits: Limits) -> Site:
        record = self.record
        everyone = hosts(record.spec["ResourceConfig"])
        isolated = record.spec.get("EnableNetworkIsolation", False)
        longest = record.spec["StoppingCondition"]["MaxRuntimeInSeconds"]
        return Site(
            jobs=self.folder.parent,
            wake=str(self.parts.need(Wake).path),
            endpoint=self.settings.url,
            limits=limits,
            card=network.interface(len(everyone), isolated),
            logs={host.name: reaching.log_file(self.parts, record, LOG_GROUP, host.name) for host in everyone},
            credentials={} if isolated else reaching.credentials(self.parts, record, longest),
            plugin=reaching.CLIENT_PLUGIN if reaching.CLIENT_PLUGIN.is_dir() else None,
            directories=file_systems.located(channels(record.spec), self.settings.file_systems or {}),
        )

    def _folders(self) -> dict[str, Path]:
        return {host.name: self.folder / host.name for host in hosts(self.record.spec["ResourceConfig"])}

    def _failure_texts(self) -> dict[str, str]:
        names = [host.name for host in hosts(self.record.spec["ResourceConfig"])]
        folders = self.backend.outputs(self.record.id, places.OUTPUT)
        return {name: failure.read(folder) for name, folder in zip(names, folders, strict=False)}

    def _hyperparameters(self) -> dict[str, Any]:
        given: dict[str, Any] = self.record.spec.get("HyperParameters", {})
        return given
