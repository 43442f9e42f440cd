"""What stands for SNS: messages to topics go where the setting `sns_topics` says. There is no API of SNS here.

message     a message, and SNS's envelope around it
sinks       where messages go: an address, an S3 prefix, a log stream
publishing  leaves a message to the controller, in the transaction of what it is about
reconcile   delivers those, in threads of its own, and tells who sent them how that ended

Who publishes has `MESSAGE` and a `MessageReconciler` among its own kinds and reconcilers: so far, CloudWatch's alarms.
"""

from clary.companions.sns.message import Message, envelope, stamp
from clary.companions.sns.publishing import MESSAGE, is_topic, publish
from clary.companions.sns.reconcile import TRIES, TRY_SECONDS, MessageReconciler
from clary.companions.sns.sinks import NotDelivered, Sinks

__all__ = [
    "MESSAGE",
    "TRIES",
    "TRY_SECONDS",
    "Message",
    "MessageReconciler",
    "NotDelivered",
    "Sinks",
    "envelope",
    "is_topic",
    "publish",
    "stamp",
]
