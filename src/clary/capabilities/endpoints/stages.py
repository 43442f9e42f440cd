"""VariantStatus: what an update is doing with each variant, in AWS's words. Pure; `summaries.py` shows it.

The messages are those that AWS documents for endpoint deployment events
(https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html).
"""

from typing import Any

from clary.capabilities.endpoints import traffic
from clary.capabilities.endpoints.deployment import Deployment, policy
from clary.capabilities.endpoints.fleet import Fleets, Variant, instance_variant

ACTIVATION_SECONDS = 0.5
"""After this every server sends calls by the new shares: longer than a route is kept (`routes.py`)."""
CAPACITIES = {"CANARY": "canary", "LINEAR": "partial", "ROLLING": "batch"}

Stage = dict[str, Any]


def serving(record_id: str, fleets: Fleets, variant: Variant, since: float) -> list[Stage]:
    """Of a variant of the old fleet. `since`: when a change without an update began."""
    under_way = fleets.deployment
    short = variant.target - len(variant.ready)
    if under_way is None:
        return [_scaling(variant, since)] if not variant.whole else []
    if under_way.stage == "returning" and short > 0:
        return [_stage("Updating", f"Launching {short} instance(s).", under_way.since)]
    generation = fleets.serving.generation if fleets.serving else 0
    own = instance_variant(record_id, generation, variant.name)
    leaving = sum(each.workload.startswith(own) for each in fleets.retired)
    return [_stage("Deleting", f"Terminating {leaving} instance(s).", under_way.since)] if leaving else []


def upcoming(fleets: Fleets, variant: Variant, since: float, now: float) -> list[Stage]:
    """Of a variant of the next fleet. `since`: when the endpoint was created."""
    under_way = fleets.deployment
    if under_way is None:
        return [_stage("Creating", f"Launching {variant.target} instance(s).", since)]
    if under_way.stage == "returning":
        # It goes when the old fleet has all calls.
        leaving = [_stage("Deleting", f"Terminating {len(variant.instances)} instance(s).", under_way.since)]
        return leaving if not variant.share else []
    if under_way.stage == "launching":
        launching = f"Launching {variant.target - (variant.active or 0)} instance(s)."
        return [_stage("Updating" if under_way.step else "Creating", launching, under_way.since)]
    return [_baking(fleets, under_way, variant, now)]


def _baking(fleets: Fleets, under_way: Deployment, variant: Variant, now: float) -> Stage:
    chosen = policy(under_way.asked)
    steps = chosen.steps(traffic.counts(fleets.next)) if fleets.next else 1
    last = under_way.step >= steps
    active = variant.count if variant.active is None else variant.active
    capacity = f"{'full' if last else CAPACITIES.get(chosen.way, 'full')} capacity of {active} instance(s)."
    begins = under_way.since + ACTIVATION_SECONDS
    if now < begins:
        return _stage("ActivatingTraffic", f"Activating traffic on {capacity}", under_way.since)
    seconds = chosen.bake(under_way.step, steps)
    waits = "TerminationWaitInSeconds" if last and not chosen.rolling else "WaitIntervalInSeconds"
    return _stage("Baking", f"Baking for {seconds:g} seconds ({waits}) with traffic enabled on {capacity}", begins)


def _scaling(variant: Variant, since: float) -> Stage:
    way = "out" if len(variant.ready) < variant.target else "in"
    return _stage("Updating", f"Scaling {way} desired instance count to {variant.count}.", since)


def _stage(status: str, message: str, since: float) -> Stage:
    return {"Status": status, "StatusMessage": message, "StartTime": since}
