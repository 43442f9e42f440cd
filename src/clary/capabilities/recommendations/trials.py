"""A job's trials, as its record's state keeps them: each one endpoint under one load test, or to be."""

from typing import Any, Literal

import msgspec

STATE_KEY = "Trials"

Phase = Literal["waiting", "deploying", "loading", "leaving", "ended"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What so many users saw: answers a second, latencies in milliseconds."""

    users: int
    seconds: float
    answered: int
    errors: int
    rate: float
    p50: float
    p95: float
    p99: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the load test left: `serving/load/__main__.py` writes it."""

    steps: tuple[Step, ...] = ()
    over: str = ""
    trouble: str = ""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """`endpoint` is ours, made and deleted with the trial, or with `own` false one of the user's, only called."""

    number: int
    endpoint: str
    own: bool = True
    instance_type: str = ""
    serverless: dict[str, Any] | None = None
    environment: dict[str, str] = {}
    """What of the model's variables is set differently."""
    phase: Phase = "waiting"
    failure: str = ""
    attempt: int = 0
    """How often its load test was lost, with the machine it was on or by a kill, and begun anew."""
    begun: float = 0.0
    """Since when it has been called."""
    over: float = 0.0
    outcome: Outcome | None = None
    cpu_percent: float | None = None
    memory_percent: float | None = None

    @property
    def succeeded(self) -> bool:
        return self.phase == "ended" and not self.failure and self.outcome is not None


# Prepared while one thread imports: msgspec does it at the first use of a class, and crashes if two threads are first.
_trials = msgspec.json.Decoder(tuple[Trial, ...])
read_outcome = msgspec.json.Decoder(Outcome).decode


def load(state: dict[str, Any]) -> tuple[Trial, ...]:
    return msgspec.convert(state.get(STATE_KEY, ()), tuple[Trial, ...])


def dump(trials: tuple[Trial, ...]) -> dict[str, Any]:
    return {STATE_KEY: msgspec.to_builtins(trials)}


def workload(record_id: str, trial: Trial) -> str:
    """The load test's."""
    return workloads(record_id, trial)[-1]


def workloads(record_id: str, trial: Trial) -> list[str]:
    """With those that were lost."""
    return [f"{record_id}-load-{trial.number}-{attempt}" for attempt in range(trial.attempt + 1)]
