"""Leaving a message to the controller: it is a record until it was delivered, or could not be."""

import re

from clary.companions.sns.message import Message
from clary.resources.kinds import Kind
from clary.resources.machine import Machine
from clary.resources.making import add, new
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Parts

TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")

MESSAGE = Kind(
    noun="Message",
    arn="",
    machine=Machine(start="Pending", edges={"Pending": frozenset({"Pending"})}),
    verbs="",
    service="sns",
)
"""Its name is the MessageId."""


def is_topic(arn: str) -> bool:
    return TOPIC.fullmatch(arn) is not None


def publish(parts: Parts, message: Message, **about: str) -> None:
    """Inside the transaction of what it is about; who waits for nothing calls this. `about`: the sender's own words."""
    now = parts.need(Store).now()
    spec = {"Topic": message.topic, "Subject": message.subject, "Body": message.body, "About": about}
    add(parts, new(MESSAGE, message, message.id, now, spec=spec, due=now))


def message_of(record: Record) -> Message:
    spec = record.spec
    return Message(record.account, record.region, spec["Topic"], record.name, spec["Body"], spec["Subject"])
