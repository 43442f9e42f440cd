"""Delivers messages: each in a thread of its own, so that no subscriber keeps the controller from anything else.

What a thread found is in memory only. The messages of a killed controller are delivered by the next one, with the same
ids; a message is gone from the store when a sink took it, or none did at any of the tries. Its sender is told then.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from clary.companions.logs import LogStore
from clary.companions.sns.message import Message
from clary.companions.sns.publishing import MESSAGE, message_of
from clary.companions.sns.sinks import PATIENCE_SECONDS, NotDelivered, Sinks
from clary.objects import Objects
from clary.objects.errors import S3Error
from clary.resources.kinds import Kind
from clary.resources.reconcile import Become, Do, Outcome, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.settings import Settings
from clary.wire.context import Parts

TRIES, TRY_SECONDS = 4, 20.0
"""SNS's own policy for HTTP endpoints: so many tries, so far apart."""
AT_ONCE = 8
"""Deliveries under way; of each topic one, so that a subscriber who does not answer holds up few others."""
BUSY_SECONDS = 0.5
TRIES_KEY, NOT_BEFORE_KEY = "Tries", "NotBefore"
Ended = Callable[[Store, Record, str], None]
"""Told once of each message, in the transaction in which it goes: its record, and why no sink took it, if none did."""
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Delivery:
    topic: str
    over: bool = False
    error: str = ""


class MessageReconciler:
    kind: Kind = MESSAGE

    def __init__(self, ended: Ended) -> None:
        self._ended = ended
        self._deliveries: dict[str, Delivery] = {}
        """By record."""
        self._lock = threading.Lock()

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        now = parts.need(Store).now()
        if (left := record.state.get(NOT_BEFORE_KEY, 0.0) - now) > 0:
            return Wait(left)
        found = self._deliveries.get(record.id)
        if found is None:
            begun = self._begin(record, parts)
            return Wait(2 * PATIENCE_SECONDS if begun else BUSY_SECONDS)
        if not found.over:
            return Wait(PATIENCE_SECONDS)
        tries = record.state.get(TRIES_KEY, 0) + 1
        if found.error:
            log.warning("try %d: a message to %s was not delivered: %s", tries, found.topic, found.error)
        if not found.error or tries >= TRIES:
            return Do(lambda: self._end(record, found.error, parts))
        del self._deliveries[record.id]
        state = {TRIES_KEY: tries, NOT_BEFORE_KEY: now + TRY_SECONDS}
        return Become(record.status, message=found.error, state=state)

    def _end(self, record: Record, error: str, parts: Parts) -> None:
        store = parts.need(Store)
        with store.write():
            fresh = store.locked(record.id)
            if fresh is not None:
                self._ended(store, fresh, error)
                store.delete(fresh)
        self._deliveries.pop(record.id, None)

    def _begin(self, record: Record, parts: Parts) -> bool:
        """Not while its topic, or everybody, is busy."""
        message = message_of(record)
        with self._lock:
            under_way = [each.topic for each in self._deliveries.values() if not each.over]
            if message.topic in under_way or len(under_way) >= AT_ONCE:
                return False
            delivery = self._deliveries[record.id] = Delivery(message.topic)
        # A daemon: a controller that is told to end does not wait for a subscriber.
        deliver = threading.Thread(target=_deliver, args=(delivery, message, record.id, parts), daemon=True)
        deliver.start()
        return True


def _deliver(delivery: Delivery, message: Message, record_id: str, parts: Parts) -> None:
    settings = parts.need(Settings)
    objects: Objects = parts.need(Objects)
    sinks = Sinks(settings.sns_topics or {}, parts.need(LogStore), objects, settings.home / "sns")
    try:
        sinks.send(message)
    except Exception as error:
        # A border: whatever the sink is, its faults are not the sender's.
        delivery.error = str(error) or type(error).__name__
        if not isinstance(error, NotDelivered | S3Error):
            log.exception("delivering a message to %s", message.topic)
    delivery.over = True
    parts.need(Wake).poke(record_id)
