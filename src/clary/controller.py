"""`python -m clary.controller`: the one process that makes things happen. Started by `clary up`.

Killing it stops no job and no prediction; the next one finds all work again. `--first-start` and `--end-workloads` are
the two tasks of `clary up` that need the whole assembly, done here so that the parent stays small.
"""

import faulthandler
import fcntl
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clary.app import Assembly, assemble
from clary.capabilities.endpoints.asynchronous import dispatcher
from clary.companions.cloudwatch import MetricStore
from clary.companions.iam.bootstrap import first_start
from clary.companions.iam.keys import KeyRing
from clary.companions.logs import LogStore
from clary.objects import Objects
from clary.objects.errors import S3Error
from clary.parental import end_with_parent
from clary.resources import reserve
from clary.resources.leader import Election, Member, NotShared, join, machine_id
from clary.resources.runner import Runner
from clary.resources.store import Store
from clary.runtime import disks, roster
from clary.runtime.backend import Backend
from clary.settings import Settings, load

TIDY_SECONDS = 3600.0
"""How often expired logs and old metric values are cleared away."""

log = logging.getLogger(__name__)


def main() -> None:
    faulthandler.enable()
    settings = load()
    end_with_parent(int(os.environ.get("CLARY_PARENT", os.getppid())))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    disks.spread(settings.home)
    assembly = assemble(settings)
    match sys.argv[1:]:
        case ["--first-start"]:
            try:
                _first_start(assembly, settings)
            except NotShared as error:
                raise SystemExit(f"Cannot start: {error}") from error
        case ["--end-workloads"]:
            _end_workloads(assembly)
        case _:
            _run(assembly, settings)


def _run(assembly: Assembly, settings: Settings) -> None:
    with _alone(settings.home / "controller.lock"):
        ended = threading.Event()
        for kind in (signal.SIGTERM, signal.SIGINT):
            signal.signal(kind, lambda *_: ended.set())
        _first_start(assembly, settings)
        if not _leads(assembly, settings, ended):
            return
        runner = Runner(assembly.parts, assembly.reconcilers)
        _watch_nodes(assembly, settings)
        answering = dispatcher(assembly.parts)
        runner.start()
        answering.start()
        reserve.keep(assembly.parts.need(Store).database)
        while not ended.wait(TIDY_SECONDS):
            _tidy(assembly)
        answering.stop()
        runner.stop()


def _leads(assembly: Assembly, settings: Settings, ended: threading.Event) -> bool:
    """Wait for the lead among the servers of one PostgreSQL database; SQLite's has one. `False`: ended before."""
    database = assembly.parts.need(Store).database
    if database.dialect != "postgresql":
        return True
    election = Election(database, _member(assembly, settings), settings.takeover_seconds)
    held = election.win(ended, lambda: _given_up(assembly, settings))
    if held is not None:
        election.hold(held)
    return held is not None


def _given_up(assembly: Assembly, settings: Settings) -> None:
    """Another server leads: what ran on this machine is given up, and must not run beside what follows it."""
    backend = assembly.parts.need(Backend)  # type: ignore[type-abstract]
    if settings.backend == "local":
        for workload in backend.workloads():
            log.warning("ending %s: another server took over, and its record is no longer this one's", workload)
            backend.destroy(workload)


def _join(assembly: Assembly, settings: Settings) -> None:
    database = assembly.parts.need(Store).database
    if database.dialect == "postgresql":
        join(database, _member(assembly, settings))


def _greet(objects: Objects) -> None:
    """An external S3 that does not know this server would fail every job. One that is away may come back."""
    if objects.origin is None:
        return
    from clary.objects.external import ExternalObjects, Unavailable

    assert isinstance(objects, ExternalObjects)
    try:
        objects.all_buckets()
    except Unavailable as error:
        log.warning("%s", error)
    except S3Error as error:
        if error.code == "AccessDenied":
            # Whoever may use some buckets need not be allowed to list all.
            return
        raise NotShared(f"The external S3 at {objects.endpoint} refuses this server: {error}") from error


def _member(assembly: Assembly, settings: Settings) -> Member:
    key = assembly.parts.need(KeyRing).master.digest("fingerprint", "").hex()
    return Member(
        machine=machine_id(settings.home), url=settings.url, key=key, objects=settings.s3_endpoint.rstrip("/")
    )


def _watch_nodes(assembly: Assembly, settings: Settings) -> None:
    if settings.backend == "local":
        roster.forget(settings.home)
        return
    from clary.runtime.cluster import RayBackend

    backend = assembly.parts.need(Backend)  # type: ignore[type-abstract]
    if isinstance(backend, RayBackend):
        backend.cluster.watch(settings.home)


def _first_start(assembly: Assembly, settings: Settings) -> None:
    """Raises `NotShared`, before anything is made."""
    _join(assembly, settings)
    _greet(assembly.parts.need(Objects))
    first_start(settings, assembly.parts.need(Store), assembly.parts.need(KeyRing))


def _end_workloads(assembly: Assembly) -> None:
    backend = assembly.parts.need(Backend)  # type: ignore[type-abstract]
    for workload in backend.workloads():
        backend.kill(workload)


def _tidy(assembly: Assembly) -> None:
    try:
        reserve.keep(assembly.parts.need(Store).database)
        assembly.parts.need(LogStore).sweep()
        assembly.parts.need(MetricStore).tidy()
    except Exception:
        # A border, like the reconcile tick: the next hour tries again.
        log.exception("could not clear away what has expired")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Two controllers would start work twice. Waits for a dying one to let go."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    main()
