"""What to do about a trial, from what is seen of it. Pure; `reconcile.py` sees and acts.

waiting -> deploying -> loading -> leaving -> ended

A trial's names are stored before anything is made under them, and an act may be repeated: whatever is killed when, what
there is is found by its name and taken on or cleared away.
"""

from typing import Any, Literal, NamedTuple

import msgspec

from clary.capabilities.recommendations import figures
from clary.capabilities.recommendations.trials import Outcome, Trial

Act = Literal["", "deploy", "load", "halt", "clear"]
STOPPED = "The job was stopped before the load test was over."
LOST_MOST = 3
"""Times that a load test is begun anew."""
LATE = "The job reached JobDurationInSeconds before the load test was over."


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """`endpoint`: its status, empty where there is none. `kept`: configuration or model of ours are there."""

    endpoint: str = ""
    reason: str = ""
    """FailureReason of the endpoint."""
    kept: bool = False
    load: Literal["", "running", "ended", "lost"] = ""
    outcome: Outcome | None = None
    broken: str = ""
    """Why a load test that has ended left no outcome."""


class Turn(NamedTuple):
    trial: Trial
    act: Act = ""


def advance(trial: Trial, sight: Sight, now: float, conditions: dict[str, Any], halt: str = "") -> Turn:
    """`halt`: why the trial is to end before its time, if it is."""
    match trial.phase:
        case "waiting":
            if halt:
                return Turn(_replace(trial, phase="ended", failure=halt))
            return Turn(_replace(trial, phase="deploying" if trial.own else "loading"))
        case "deploying":
            return _deploying(trial, sight, halt)
        case "loading":
            return _loading(trial, sight, now, conditions, halt)
        case "leaving":
            return _leaving(trial, sight)
        case _:
            return Turn(trial)


def _deploying(trial: Trial, sight: Sight, halt: str) -> Turn:
    if halt:
        return Turn(_replace(trial, phase="leaving", failure=halt))
    if not sight.endpoint:
        return Turn(trial, "deploy")
    if sight.endpoint == "Failed":
        return Turn(_replace(trial, phase="leaving", failure=sight.reason or "The endpoint could not be created."))
    return Turn(_replace(trial, phase="loading") if sight.endpoint == "InService" else trial)


def _loading(trial: Trial, sight: Sight, now: float, conditions: dict[str, Any], halt: str) -> Turn:
    if sight.load == "lost" and not halt and trial.attempt < LOST_MOST:
        return Turn(_replace(trial, attempt=trial.attempt + 1, begun=0.0))
    if sight.load in ("ended", "lost"):
        over = _replace(trial, phase="leaving", over=now, outcome=sight.outcome)
        return Turn(_replace(over, failure=_failure(sight, conditions, halt)))
    if halt:
        return Turn(trial, "halt") if sight.load else Turn(_replace(trial, phase="leaving", failure=halt))
    if sight.load:
        return Turn(trial if trial.begun else _replace(trial, begun=now))
    if not trial.own and sight.endpoint not in ("InService", "Updating"):
        return Turn(_replace(trial, phase="leaving", failure=f"Endpoint {trial.endpoint} is not in service."))
    return Turn(trial, "load")


def _failure(sight: Sight, conditions: dict[str, Any], halt: str) -> str:
    if sight.outcome is None:
        return halt or sight.broken or "The load test left no outcome."
    if figures.best(sight.outcome, conditions):
        return STOPPED if halt == STOPPED else ""
    return halt or figures.why_none(sight.outcome, conditions)


def _leaving(trial: Trial, sight: Sight) -> Turn:
    mine = trial.own and (sight.endpoint or sight.kept)
    if not mine and not sight.load:
        return Turn(_replace(trial, phase="ended"))
    return Turn(trial, "clear")


def _replace(trial: Trial, **members: Any) -> Trial:
    return msgspec.structs.replace(trial, **members)


def active(trials: tuple[Trial, ...], at_once: int, halt: str) -> set[int]:
    """Which trials are to be looked at: those under way, and as many more as may be beside them; all at a halt."""
    under_way = {trial.number for trial in trials if trial.phase not in ("waiting", "ended")}
    waiting = [trial.number for trial in trials if trial.phase == "waiting"]
    return under_way | set(waiting if halt else waiting[: max(0, at_once - len(under_way))])


def conclusion(trials: tuple[Trial, ...], status: str) -> tuple[str, str] | None:
    """The job's last status and its reason, once all trials have ended."""
    if any(trial.phase != "ended" for trial in trials):
        return None
    if status == "STOPPING":
        return "STOPPED", ""
    if any(trial.succeeded for trial in trials):
        return "COMPLETED", ""
    reasons = dict.fromkeys(trial.failure for trial in trials)
    return "FAILED", " ".join(["No load test succeeded.", *reasons])[:1024]
