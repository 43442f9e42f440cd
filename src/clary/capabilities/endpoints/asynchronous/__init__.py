"""Asynchronous endpoints: requests wait in the store and are answered into S3.

api         accepts a request: one row
queue       the rows, by phase
dispatcher  in the controller: which request goes to which instance, and when
work        one request from input to notification; `spool` has its files, `call` asks the model
ending      how requests fail and when they are tried again
notify      what subscribers are told, through the companion that stands for SNS
"""

from clary.capabilities.endpoints.asynchronous.api import invoke_endpoint_async
from clary.capabilities.endpoints.asynchronous.dispatcher import Dispatcher
from clary.capabilities.endpoints.asynchronous.journal import Journal
from clary.capabilities.endpoints.asynchronous.queue import Queue
from clary.capabilities.endpoints.asynchronous.spool import Spool
from clary.capabilities.endpoints.asynchronous.work import Work
from clary.companions.cloudwatch import MetricStore
from clary.companions.logs import LogStore
from clary.companions.sns import Sinks
from clary.objects import Objects
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.runtime.backend import Backend
from clary.settings import Settings
from clary.wire.context import Parts

OPERATIONS = (invoke_endpoint_async,)
SOCKET = "async.sock"


def queue(settings: Settings, store: Store) -> Queue:
    """The part of every process."""
    return Queue(store, Wake(settings.home, SOCKET))


def dispatcher(parts: Parts) -> Dispatcher:
    """The controller's part; what an earlier one left is taken up again."""
    settings, store, objects, logs = parts.need(Settings), parts.need(Store), parts.need(Objects), parts.need(LogStore)
    waiting = parts.need(Queue)
    spool = Spool(settings.home / "async", objects)
    spool.clear(waiting.with_answers())
    work = Work(waiting, spool, Sinks(settings.sns_topics or {}, logs, objects, spool.folder), Journal(logs))
    backend: Backend = parts.need(Backend)  # type: ignore[type-abstract]
    return Dispatcher(waiting, work, store, backend, parts.need(MetricStore))
