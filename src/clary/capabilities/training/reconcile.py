"""Carrying a training job through: look, let `decide` choose, do it. Every step may run twice."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from clary.capabilities.instances import NoCapacity
from clary.capabilities.jobs import reaching
from clary.capabilities.jobs.failure import cut, failed
from clary.capabilities.jobs.hosts import hosts
from clary.capabilities.jobs.items import BadData
from clary.capabilities.jobs.kind import FINAL
from clary.capabilities.jobs.line import ROOM_SECONDS, Need
from clary.capabilities.jobs.reconcile import ASK_AGAIN_SECONDS, JobReconciler, JobWork
from clary.capabilities.jobs.site import Site
from clary.capabilities.jobs.staging import fitting
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
from clary.capabilities.training.kind import TRAINING_JOB, secondary_status
from clary.capabilities.training.plan import LOG_GROUP, built_in, image, plan
from clary.companions.cloudwatch.store import MetricStore
from clary.objects import Objects
from clary.resources.edit import edit
from clary.resources.reconcile import Become, Outcome, Remove, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.runtime.backend import Away, NoRoom, OutputsLost
from clary.runtime.environments import BuildFailed
from clary.runtime.images import UnknownImage
from clary.runtime.workload import Limits
from clary.wire.context import Parts


class TrainingReconciler(JobReconciler):
    """It keeps the warm pools that it has seen, too."""

    def __init__(self) -> None:
        super().__init__(TRAINING_JOB, partial(Work, warm.Pools()))


class Work(JobWork[Step]):
    starts = Step.LAUNCH

    def __init__(self, pools: warm.Pools, record: Record, parts: Parts, uploads: Uploads, downloads: Uploads) -> None:
        super().__init__(record, parts, uploads, downloads)
        self.pools = pools
        self.hosts = hosts(record.spec["ResourceConfig"])

    @cached_property
    def seen(self) -> Seen:
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
        place = (self.backend, self.jobs, self.parts.need(Objects))
        syncs = [following.Sync(self.record, which, *place) for which in followed(self.record)]
        # All of them are to go on, whatever one says.
        missing = [sync for sync in syncs if not sync.go(self.uploads, self.ask_again)]
        return not missing

    def _reclaim_after(self) -> float | None:
        rate = self.settings.spot_interruptions_per_hour
        return random.expovariate(rate / 3600) if rate > 0 and runs.is_spot(self.record) else None

    def decide(self) -> Become | Wait | Step:
        return decide(self.record, self.seen)

    def acts(self) -> dict[Step, Callable[[], Outcome]]:
        return {
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

    def types(self) -> list[str]:
        return [host.instance_type for host in self.hosts]

    def stage(self) -> None:
        staging.stage(self.record, self.jobs, self.parts.need(Objects), fetch=self.fetches)

    def give_up(self, why: str) -> Become:
        return fail(self.record, self.seen, cut(why))

    def clear(self) -> Outcome:
        """The next run begins with nothing but what is in S3."""
        self.backend.destroy(self.record.id)
        self.turn.call_next()
        return Become(self.record.status, state={"Over": False})

    def prepare(self) -> Outcome:
        """Until the environment is there; then the job moves on with what is to be said of its instances."""
        try:
            fitted = self.place().fit
            progress = self.backend.prepare(image(self.record, self.settings.url), fitted.limits.gpus)
        except Away as error:
            return self._starting(f"Waiting: {error}")
        except NoCapacity as error:
            return self.give_up(str(error))
        except (BuildFailed, UnknownImage) as error:
            return self.give_up(f"InternalServerError: The runtime of the image cannot be built: {error}")
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
            placing = self.place()
            limits = placing.fit.limits
            need = (len(self.hosts), limits.gpus, placing.hosts)
            pool = self._pool()
            if pool is None and self.turn.is_later(need):
                return self._in_line(need, "Waiting for room: other jobs wait for it since before")
            if not self.fetched():
                return Wait(WATCH_SECONDS)
            with self.backend.room(self.record.id, *need, instead_of=pool or "") as left, fitting():
                self.stage()
                self.backend.start(plan(self.record, self._site(limits)))
                if warm.keep_seconds(self.record):
                    self.backend.retain(self.record.id)
                if pool:
                    self.backend.release(pool)
        except (BadData, NoCapacity) as error:
            text = str(error)
            return self.give_up(text if text.startswith("CapacityError") else f"ClientError: {text}")
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

    def upload(self) -> Outcome:
        try:
            if self.uploads.in_hand(self.record.id):
                return Wait(WATCH_SECONDS)
            left = self._left() if outputs.are_near(self.record, self.backend) else None
            if left and not outputs.are_large(left):
                self._put(left)
            elif not self.uploads.done(self.record.id, lambda: self._put(self._left()), self.ask_again):
                return Wait(WATCH_SECONDS)
        except outputs.CannotUpload as error:
            return self.give_up(f"ClientError: {error}")
        except OutputsLost as error:
            return self.give_up(f"InternalServerError: {error}")
        if warm.keep_seconds(self.record):
            # Before clients see it: a job that is created then is to find it.
            self.pools.offer(self.record)
        return uploaded(self.record, self.seen)

    def _left(self) -> outputs.Left:
        return outputs.find(self.record, self.backend)

    def _put(self, left: outputs.Left) -> None:
        outputs.upload(self.record, left, self.folder, self.parts.need(Objects))

    def retain(self) -> Outcome:
        """The room stays taken, and what lies there of the job goes."""
        self.pools.offer(self.record)
        self.backend.retain(self.record.id)
        self.backend.destroy(self.record.id)
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
        started = (self.jobs / follower.id / "workload.json").exists()
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

    def _site(self, limits: Limits) -> Site:
        isolated = self.record.spec.get("EnableNetworkIsolation", False)
        names = [host.name for host in self.hosts]
        site = reaching.site(self.parts, self.record, limits, group=LOG_GROUP, hosts=names, isolated=isolated)
        located = file_systems.located(channels(self.record.spec), self.settings.file_systems or {})
        return replace(site, directories=located)

    def _folders(self) -> dict[str, Path]:
        return {host.name: self.folder / host.name for host in self.hosts}

    def _failure_texts(self) -> dict[str, str]:
        names = [host.name for host in self.hosts]
        try:
            folders = self.backend.outputs(self.record.id, places.OUTPUT)
        except OutputsLost:
            return {}
        return {name: failure.read(folder) for name, folder in zip(names, folders, strict=False)}

    def _hyperparameters(self) -> dict[str, Any]:
        given: dict[str, Any] = self.record.spec.get("HyperParameters", {})
        return given
