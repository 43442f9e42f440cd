"""Carrying activities out: asking for a capacity and waiting until it is there."""

from clary.companions.application_autoscaling import activities
from clary.companions.application_autoscaling.kinds import ACTIVITY
from clary.companions.application_autoscaling.scalable import place_of, scalable_of
from clary.resources.kinds import Kind
from clary.resources.reconcile import Become, Outcome, Remove, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Parts
from clary.wire.errors import AwsError

LOOK_SECONDS = 0.5
KEEP_SECONDS = 42 * 86_400.0


class ActivityReconciler:
    """Asks for the capacity, waits until it is there, and forgets the activity after six weeks."""

    kind: Kind = ACTIVITY

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        store = parts.need(Store)
        if record.status not in activities.UNFINISHED:
            left = record.created + KEEP_SECONDS - store.now()
            return Wait(left) if left > 0 else Remove()
        scalable, wanted = scalable_of(parts, record), record.spec["After"]
        try:
            capacity = scalable.look(parts, place_of(record))
            # Asked for already, where this is looked at again after a crash.
            if record.status == "Pending" and capacity.desired != wanted:
                scalable.set(parts, place_of(record), wanted)
        except AwsError as error:
            return _ended(store, "Failed", f"Failed to set {scalable.word} to {wanted}. Reason: {error.message}")
        done = f"Successfully set {scalable.word} to {wanted}."
        if record.status == "Pending":
            return Become(
                "InProgress", state={"StatusMessage": f"{done} Waiting for change to be fulfilled by sagemaker."}
            )
        if not capacity.settled:
            return Wait(LOOK_SECONDS)
        if capacity.desired != wanted:
            why = capacity.failure or f"It was set to {capacity.desired} meanwhile."
            return _ended(store, "Failed", f"{done} Change was not fulfilled by sagemaker. Reason: {why}")
        return _ended(store, "Successful", f"{done} Change successfully fulfilled by sagemaker.")


def _ended(store: Store, status: str, message: str) -> Become:
    return Become(status, state={"StatusMessage": message, "EndTime": store.now()})
