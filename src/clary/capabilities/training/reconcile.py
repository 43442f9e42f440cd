"""Carrying a training job through: look, let `decide` choose, do it. Every step may run twice."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from clary.capabilities.instances import NoCapacity, Placing, place
from clary.capabilities.jobs import fetching, reaching
from clary.capabilities.jobs.failure import cut, failed
from clary.capabilities.jobs.hosts import hosts
from clary.capabilities.jobs.items import BadData
from clary.capabilities.jobs.line import ROOM_SECONDS, Need
from clary.capabilities.jobs.site import Site
from clary.capabilities.jobs.staging import fitting
from clary.capabilities.jobs.turn import Turn
from clary.capabilities.jobs.uploads import Uploads
from clary.capabilities.training import (
    failure,
    file_systems,
    following,
    metrics,
    outputs,
    places,
    requests,
    runs,
    staging,
    warm,
)
from clary.capabilities.training.channels import channels
from clary.capabilities.training.decide import WATCH_SECONDS, Seen, Step, decide, downloading, fail, moved, uploaded
from clary.capabilities.training.followed import followed
from clary.capabilities.training.kind import FINAL, TRAINING_JOB, secondary_status
from clary.capabilities.training.plan import LOG_GROUP, built_in, image, plan
from clary.companions.cloudwatch.store import MetricStore
from clary.objects import Objects
from clary.resources.edit import edit
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


class TrainingReconciler:
    """One per controller; all it keeps is which uploads are in hand, and the warm pools that it has seen."""

    kind = TRAINING_JOB

    def __init__(self) -> None:
        self._uploads, self._downloads = Uploads(), Uploads()
        self._pools = warm.Pools()

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        work = Work(record, parts, self._uploads, self._downloads, self._pools)
        chosen = decide(record, work.seen)
        if chosen is not Step.LAUNCH:
            work.turn.leave()
        return work.act(chosen) if isinstance(chosen, Step) else chosen


class Work:
    """One look at one record and what follows from it."""

    def __init__(self, record: Record, parts: Parts, uploads: Uploads, downloads: Uploads, pools: warm.Pools) -> None:
        self.record, self.parts, self.uploads, self.downloads, self.pools = record, parts, uploads, downloads, pools
        self.settings = parts.need(Settings)
        self.backend: Backend = parts.need(Backend)  # type: ignore[type-abstract]
        self.turn = Turn(record, parts)
        self.folder = self.settings.home / "jobs" / record.id
        self.seen = self._look()

    def _look(self) -> Seen:
        kept = self.folder.exists()
        now = self.parts.need(Store).now()
        if self.record.status in (*FINAL, "Deleting"):
            return Seen(now, kept=kept, frozen_seconds=self.settings.freeze_failed_seconds)
        if self.record.state.get("Over"):
            # A run that is accounted for and may be half removed: its checkpoint folder says nothing any more.
            return Seen(now, kept=kept)
        instances = self.backend.observe(self.record.id).instances if kept else ()
        # After the look: what a process that has ended wrote last is in S3 before its job's status says so.
        synced = not instances or self._sync()
        return Seen(
            now=now,
            instances=instances,
            kept=kept,
            failures=self._failure_texts() if failed(instances) else {},
            built_in=built_in(self.record) is not None and "sagemaker_program" not in self._hyperparameters(),
            unread_metrics=bool(instances) and metrics.has_unread(self.record, self._folders()),
            unsynced=not synced,
            interrupted=kept and requests.is_interrupted(self.folder),
            reclaim_after=self._reclaim_after(),
        )

    def _sync(self) -> bool:
        """Whether S3 has all of the folders that are followed. What takes long goes there beside this look."""
        place = (self.backend, self.folder.parent, self.parts.need(Objects))
        syncs = [following.Sync(self.record, which, *place) for which in followed(self.record)]
        # All of them are to go on, whatever one says.
        missing = [sync for sync in syncs if not sync.go(self.uploads, self._ask_again)]
        return not missing

    def _reclaim_after(self) -> float | None:
        rate = self.settings.spot_interruptions_per_hour
        return random.expovariate(rate / 3600) if rate > 0 and runs.is_spot(self.record) else None

    def act(self, step: Step) -> Outcome:
        acts: dict[Step, Callable[[], Outcome]] = {
            Step.CLEAR: self.clear,
            Step.PREPARE: self.prepare,
            Step.LAUNCH: self.launch,
            Step.MEASURE: self.measure,
            Step.STOP: self.stop,
            Step.KILL: self.kill,
            Step.UPLOAD: self.upload,
            Step.RETAIN: self.retain,
            Step.HAND_OVER: self.hand_over,
            Step.RELEASE: self.release,
            Step.DISCARD: self.discard,
            Step.REMOVE: self.remove,
        }
        return acts[step]()

    def clear(self) -> Outcome:
        """The next run begins with nothing but what is in S3."""
        self.backend.destroy(self.record.id)
        self.turn.call_next()
        return Become(self.record.status, state={"Over": False})

    def prepare(self) -> Outcome:
        """Until the environment is there; then the job moves on with what is to be said of its instances."""
        try:
            fitted = self._place().fit
            progress = self.backend.prepare(image(self.record, self.settings.url), fitted.limits.gpus)
        except Away as error:
            return self._starting(f"Waiting: {error}")
        except NoCapacity as error:
            return self._failed(str(error))
        except (BuildFailed, UnknownImage) as error:
            return self._failed(f"InternalServerError: The runtime of the image cannot be built: {error}")
        if progress is None:
            note = {"Note": fitted.note} if fitted.note else {}
            begun = moved("InProgress", "Downloading", downloading(fitted.note), **note)
            return replace(begun, brief=staging.is_brief(self.record))
        return self._starting(progress)

    def _starting(self, progress: str) -> Outcome:
        if progress == self.record.state.get("Progress"):
            return Wait(ASK_AGAIN_SECONDS)
        return moved("InProgress", "Starting", progress, Progress=progress)

    def launch(self) -> Outcome:
        """Lay out the data and start; without room the job is `Pending` and says for what."""
        try:
            placing = self._place()
            limits = placing.fit.limits
            need = (len(hosts(self.record.spec["ResourceConfig"])), limits.gpus, placing.hosts)
            pool = self._pool()
            if pool is None and self.turn.is_later(need):
                return self._in_line(need, "Waiting for room: other jobs wait for it since before")
            if not self._fetched():
                return Wait(WATCH_SECONDS)
            with self.backend.room(self.record.id, *need, instead_of=pool or "") as left, fitting():
                self._stage()
                self.backend.start(plan(self.record, self._site(limits)))
                if warm.keep_seconds(self.record):
                    self.backend.retain(self.record.id)
                if pool:
                    self.backend.release(pool)
        except (BadData, NoCapacity) as error:
            text = str(error)
            return self._failed(text if text.startswith("CapacityError") else f"ClientError: {text}")
        except Away as error:
            self.turn.leave()
            return self._pending(f"Waiting: {error}", ROOM_SECONDS)
        except NoRoom as error:
            return self._in_line(need, f"Waiting for room: {error}")
        self.turn.leave(left=left > 0)
        if pool:
            return self._moved_into(pool)
        # The shims wake us when user code runs.
        return Wait(WATCH_SECONDS)

    def _stage(self) -> None:
        staging.stage(self.record, self.folder.parent, self.parts.need(Objects), fetch=not self.backend.fetches)

    def _fetched(self) -> bool:
        """Whether data that is not on this machine is laid out: that takes long, and other jobs are to be started."""
        if staging.is_done(self.record, self.folder.parent):
            return True
        given = (self.parts.need(Objects), self.backend, self.downloads)
        return fetching.is_laid_out(*given, self.record.id, self._stage, self._ask_again)

    def _moved_into(self, pool: str) -> Outcome:
        """The room is as old as its first job; the pool's record is done with."""
        self.parts.need(Wake).poke(pool)
        before = self.parts.need(Store).by_id(pool)
        born = warm.born(before) if before else self.record.created
        return Become(self.record.status, state={"PoolBorn": born}, brief=True)

    def _pool(self) -> str | None:
        """The warm pool that this job starts in: one that is promised to it, or the first that it can have."""
        if promised := self.pools.promised(self.record.id):
            return promised
        store = self.parts.need(Store)
        for candidate in self.pools.matching(self.record):
            pool = store.by_id(candidate)
            if pool is not None and self._take(pool):
                self.pools.promise(candidate, self.record.id)
                return candidate
            self.pools.withdraw(candidate)
        return None

    def _take(self, pool: Record) -> bool:
        with edit(self.parts, pool) as change:
            found = change.record
            taken = found.status in FINAL and warm.status(found) == "Available" and warm.ends(found) > change.now
            if taken:
                found.state.update(warm.reused(found, change.now, self.record))
        return taken

    def _in_line(self, need: Need, message: str) -> Outcome:
        return self._pending(message, self.turn.wait(need))

    def _pending(self, message: str, seconds: float) -> Outcome:
        now = self.parts.need(Store).now()
        if secondary_status(self.record) != "Pending":
            return replace(moved("InProgress", "Pending", message, PendingSince=now), brief=True)
        return Wait(min(seconds, max(0.1, runs.deadline(self.record) - now)))

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
            if self.uploads.in_hand(self.record.id):
                return Wait(WATCH_SECONDS)
            left = self._left() if outputs.are_near(self.record, self.backend) else None
            if left and not outputs.are_large(left):
                self._put(left)
            elif not self.uploads.done(self.record.id, lambda: self._put(self._left()), self._ask_again):
                return Wait(WATCH_SECONDS)
        except outputs.CannotUpload as error:
            return self._failed(f"ClientError: {error}")
        except OutputsLost as error:
            return self._failed(f"InternalServerError: {error}")
        return uploaded(self.record, self.seen)

    def _left(self) -> outputs.Left:
        return outputs.find(self.record, self.backend)

    def _put(self, left: outputs.Left) -> None:
        outputs.upload(self.record, left, self.folder, self.parts.need(Objects))

    def retain(self) -> Outcome:
        """The room stays taken, and what lies there of the job goes."""
        self.backend.retain(self.record.id)
        self.backend.destroy(self.record.id)
        self.pools.offer(self.record)
        return Wait(max(0.1, warm.ends(self.record) - self.seen.now))

    def hand_over(self) -> Outcome:
        """The room is kept until the job that reuses it has started, or will not."""
        follower = self.parts.need(Store).by_id(self.record.state["PoolFor"])
        if follower is None or not self._is_awaited(follower):
            return self.release()
        self.pools.promise(self.record.id, follower.id)
        return Wait(WATCH_SECONDS)

    def _is_awaited(self, follower: Record) -> bool:
        waits = secondary_status(follower) in ("Starting", "Downloading", "Pending")
        started = (self.folder.parent / follower.id / "workload.json").exists()
        return waits and follower.status == "InProgress" and not started

    def release(self) -> Outcome:
        self._let_go()
        return Become(self.record.status, state={"PoolHeld": False})

    def _let_go(self) -> None:
        self.backend.release(self.record.id)
        self.pools.withdraw(self.record.id)
        self.turn.call_next()

    def discard(self) -> Outcome:
        self.backend.destroy(self.record.id)
        self._let_go()
        return Remove() if self.record.status == "Deleting" else Wait(None)

    def remove(self) -> Outcome:
        self._let_go()
        return Remove()

    def _ask_again(self) -> None:
        self.parts.need(Wake).poke(self.record.id)

    def _failed(self, why: str) -> Become:
        return fail(self.record, self.seen, cut(why))

    def _place(self) -> Placing:
        types = [host.instance_type for host in hosts(self.record.spec["ResourceConfig"])]
        return place(self.parts, self.record.region, types)

    def _site(self, limits: Limits) -> Site:
        record = self.record
        everyone = hosts(record.spec["ResourceConfig"])
        isolated = record.spec.get("EnableNetworkIsolation", False)
        longest = record.spec["StoppingCondition"]["MaxRuntimeInSeconds"]
        issued = reaching.credentials(self.parts, record, longest)
        return Site(
            jobs=self.folder.parent,
            wake=str(self.parts.need(Wake).path),
            endpoint=self.settings.url,
            limits=limits,
            card=network.interface(len(everyone), isolated),
            logs={host.name: reaching.log_file(self.parts, record, LOG_GROUP, host.name) for host in everyone},
            credentials={} if isolated else issued,
            store=reaching.store(self.parts.need(Objects), self.settings.url, record.region, issued),
            measure_seconds=self.settings.host_metrics_seconds,
            plugin=reaching.CLIENT_PLUGIN if reaching.CLIENT_PLUGIN.is_dir() else None,
            directories=file_systems.located(channels(record.spec), self.settings.file_systems or {}),
        )

    def _folders(self) -> dict[str, Path]:
        return {host.name: self.folder / host.name for host in hosts(self.record.spec["ResourceConfig"])}

    def _failure_texts(self) -> dict[str, str]:
        names = [host.name for host in hosts(self.record.spec["ResourceConfig"])]
        try:
            folders = self.backend.outputs(self.record.id, places.OUTPUT)
        except OutputsLost:
            return {}
        return {name: failure.read(folder) for name, folder in zip(names, folders, strict=False)}

    def _hyperparameters(self) -> dict[str, Any]:
        given: dict[str, Any] = self.record.spec.get("HyperParameters", {})
        return given
