"""Reading what a policy's alarms call for, from the alarms and the metrics that they are judged by."""

from collections.abc import Iterator
from typing import Any

from clary.companions.application_autoscaling.arithmetic import by_steps, in_by_tracking, out_by_tracking
from clary.companions.application_autoscaling.decide import Wish
from clary.companions.application_autoscaling.policies import ALARMS, CONFIG, STEP, TRACKING
from clary.companions.cloudwatch import alarms
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Parts

COOLDOWN = 300
"""AWS's default for SageMaker."""


def wishes_of(parts: Parts, policy: Record, desired: int, before: int) -> Iterator[Wish]:
    """`before` is the capacity before the last activity."""
    for alarm in alarms.acting(parts.need(Store), policy.account, policy.region, policy.state["PolicyARN"]):
        points = alarms.recent(parts, alarm)
        if not points:
            continue
        read = _step if policy.spec["PolicyType"] == STEP else _tracking
        if wish := read(policy, alarm, points, desired, before):
            yield wish


def vetoes_fewer(parts: Parts, policy: Record) -> bool:
    """Whether a policy that tracks a target, and may scale in, does not call for it now."""
    names = policy.state.get(ALARMS, [])
    if len(names) < 2:
        return False
    found = alarms.states(parts.need(Store), policy.account, policy.region, names)
    return found.get(names[1]) != "ALARM"


def _step(policy: Record, alarm: Record, points: list[float], desired: int, before: int) -> Wish | None:
    config = policy.spec[CONFIG[STEP]]
    wanted = by_steps(desired, config, points, alarm.spec["Threshold"])
    earlier = by_steps(before, config, points, alarm.spec["Threshold"])
    if wanted is None or earlier is None:
        return None
    cooldown = config.get("Cooldown", COOLDOWN)
    return Wish(policy.spec["PolicyName"], alarm.name, wanted, earlier, cooldown)


def _tracking(policy: Record, alarm: Record, points: list[float], desired: int, before: int) -> Wish:
    config: dict[str, Any] = policy.spec[CONFIG[TRACKING]]
    is_low = policy.state[ALARMS].index(alarm.name) == 1 if alarm.name in policy.state[ALARMS] else False
    count = in_by_tracking if is_low else out_by_tracking
    return Wish(
        policy.spec["PolicyName"],
        alarm.name,
        count(desired, points, config["TargetValue"]),
        count(before, points, config["TargetValue"]),
        config.get("ScaleInCooldown" if is_low else "ScaleOutCooldown", COOLDOWN),
        "fewer" if is_low else "more",
    )
