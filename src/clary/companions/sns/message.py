"""A message to a topic, and the envelope in which SNS posts it. Pure."""

from datetime import UTC, datetime
from typing import NamedTuple


class Message(NamedTuple):
    """`id` is the same at every try, so that a subscriber can tell a repetition."""

    account: str
    region: str
    topic: str
    id: str
    body: str
    subject: str = ""


def envelope(message: Message, now: float) -> dict[str, str]:
    """As SNS posts it, but unsigned: nobody here has Amazon's certificate."""
    return {
        "Type": "Notification",
        "MessageId": message.id,
        "TopicArn": message.topic,
        **({"Subject": message.subject} if message.subject else {}),
        "Message": message.body,
        "Timestamp": stamp(now),
    }


def stamp(at: float) -> str:
    """`2021-10-26T14:09:16.312Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
