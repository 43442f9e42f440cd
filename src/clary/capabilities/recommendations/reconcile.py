"""Carrying a job through its trials: look, let `decide` choose, store it, do it. Every step may run twice."""

import logging
from collections.abc import Callable

import msgspec

from clary.capabilities.jobs.items import BadData
from clary.capabilities.recommendations import choose, payload, traffic, trials
from clary.capabilities.recommendations.calling import Refused, Unavailable
from clary.capabilities.recommendations.decide import LATE, STOPPED, Act, active, advance, conclusion
from clary.capabilities.recommendations.kind import FINAL, RECOMMENDATIONS_JOB
from clary.capabilities.recommendations.site import Site
from clary.capabilities.recommendations.trials import Trial
from clary.catalogue.fleet import Fleet
from clary.catalogue.types import GIB, MIB
from clary.resources.kinds import Kind
from clary.resources.reconcile import Become, Outcome, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.runtime.backend import Away, NoRoom
from clary.wire.context import Parts

LOOK_SECONDS = 0.5
"""Endpoints do not tell when they are ready, or gone."""
LOAD_SECONDS = 5.0
"""A load test does tell when it has ended."""

log = logging.getLogger(__name__)


class RecommendationsReconciler:
    kind: Kind = RECOMMENDATIONS_JOB

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        if record.status in FINAL:
            payload.drop(record, parts)
            return Wait(None)
        if trials.STATE_KEY not in record.state:
            return _begin(record, parts)
        return _Work(record, parts).go_on()


def _begin(record: Record, parts: Parts) -> Outcome:
    """The trials are settled, and the payload is ours, whatever becomes of the object."""
    if record.status == "STOPPING":
        return _over(record, parts, "STOPPED", "")
    try:
        payload.keep(record, parts)
    except BadData as error:
        return _over(record, parts, "FAILED", str(error))
    config = record.spec["InputConfig"]
    made = choose.trials(record.id, config, _types(record, parts))
    if not made:
        return _over(record, parts, "FAILED", "No instance type of this fleet can run the model.")
    return Become("IN_PROGRESS", state=trials.dump(made))


def _types(record: Record, parts: Parts) -> list[str]:
    fleet = parts.need(Fleet)
    hosts = fleet.hosts(record.region)
    cpus = max((host.cpus or 10**6 for host in hosts), default=0)
    memory = max((host.memory_gib or 10.0**6 for host in hosts), default=0.0)
    supported = record.spec["InputConfig"]["ContainerConfig"].get("SupportedInstanceTypes", [])
    return choose.suitable(fleet.types(record.region), cpus, memory * GIB / MIB, supported)


def _over(record: Record, parts: Parts, status: str, reason: str) -> Become:
    ended = {"CompletionTime": parts.need(Store).now(), **({"FailureReason": reason} if reason else {})}
    return Become(status, message=reason, state=ended)


class _Work:
    """One look at one job."""

    def __init__(self, record: Record, parts: Parts) -> None:
        self.record, self.parts = record, parts
        self.site = Site(record, parts)
        self.now = parts.need(Store).now()
        self.conditions = record.spec.get("StoppingConditions", {})
        self.config = record.spec["InputConfig"]

    def go_on(self) -> Outcome:
        before = trials.load(self.record.state)
        if done := conclusion(before, self.record.status):
            return _over(self.record, self.parts, *done)
        after, acts = self._decide(before)
        if after != before:
            return Become(self.record.status, state=trials.dump(after))
        refused = {number: why for number, act in acts.items() if (why := self._do(before[number], act))}
        if refused:
            return Become(self.record.status, state=trials.dump(tuple(_given_up(each, refused) for each in before)))
        loading = all(each.phase in ("waiting", "loading", "ended") for each in before) and not acts
        return Wait(LOAD_SECONDS if loading else LOOK_SECONDS)

    def _decide(self, before: tuple[Trial, ...]) -> tuple[tuple[Trial, ...], dict[int, Act]]:
        halt = self._halt()
        chosen = active(before, self.config.get("ResourceLimit", {}).get("MaxParallelOfTests", 1), halt)
        after = list(before)
        acts: dict[int, Act] = {}
        for trial in before:
            if trial.number not in chosen:
                continue
            turn = advance(trial, self.site.look(trial), self.now, self.conditions, halt)
            left = trial.phase == "loading" and turn.trial.phase == "leaving"
            after[trial.number] = self.site.measured(turn.trial) if left else turn.trial
            if turn.act:
                acts[trial.number] = turn.act
        return tuple(after), acts

    def _halt(self) -> str:
        if self.record.status == "STOPPING":
            return STOPPED
        longest = self.config.get("JobDurationInSeconds", traffic.LONGEST_SECONDS)
        return LATE if self.now - self.record.created > longest else ""

    def _do(self, trial: Trial, act: Act) -> str:
        """Why it can never be done; empty where it was, or is to be tried again."""
        acts: dict[str, Callable[[Trial], None]] = {
            "deploy": self.site.deploy,
            "load": self.site.load,
            "halt": self.site.halt,
            "clear": self.site.clear,
        }
        try:
            acts[act](trial)
        except Refused as error:
            return str(error)
        except (NoRoom, Away, Unavailable) as error:
            log.info("job %s, trial %d: %s is to be tried again: %s", self.record.name, trial.number, act, error)
        return ""


def _given_up(trial: Trial, refused: dict[int, str]) -> Trial:
    if trial.number not in refused:
        return trial
    return msgspec.structs.replace(trial, phase="leaving", failure=refused[trial.number][:1024])
