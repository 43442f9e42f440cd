"""`python -m clary.controller`: the one process that makes things happen. Started by `clary up`.

Killing it stops no job and no prediction; the next one finds all work again. `--first-start` and `--end-workloads` are
the two tasks of `clary up` that need the whole assembly, done here so that the parent stays small.
"""

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
from clary.companions.cloudwatch import MetricStore
from clary.companions.iam.bootstrap import first_start
from clary.companions.iam.keys import KeyRing
from clary.companions.logs import LogStore
from clary.parental import end_with_parent
from clary.resources.runner import Runner
from clary.resources.store import Store
from clary.runtime import disks
from clary.runtime.backend import Backend
from clary.settings import Settings, load

TIDY_SECONDS = 3600.0
"""How often expired logs and old metric values are cleared away."""

log = logging.getLogger(__name__)


def main() -> None:
    settings = load()
    end_with_parent(int(os.environ.get("CLARY_PARENT", os.getppid())))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    disks.spread(settings.home)
    assembly = assemble(settings)
    match sys.argv[1:]:
        case ["--first-start"]:
            _first_start(assembly, settings)
        case ["--end-workloads"]:
            _end_workloads(assembly)
        case _:
            _run(assembly, settings)


def _run(assembly: Assembly, settings: Settings) -> None:
    with _alone(settings.home / "controller.lock"):
        _first_start(assembly, settings)
        runner = Runner(assembly.parts, assembly.reconcilers)
        ended = threading.Event()
        for kind in (signal.SIGTERM, signal.SIGINT):
            signal.signal(kind, lambda *_: ended.set())
        runner.start()
        while not ended.wait(TIDY_SECONDS):
            _tidy(assembly)
        runner.stop()


def _first_start(assembly: Assembly, settings: Settings) -> None:
    first_start(settings, assembly.parts.need(Store), assembly.parts.need(KeyRing))


def _end_workloads(assembly: Assembly) -> None:
    backend = assembly.parts.need(Backend)  # type: ignore[type-abstract]
    for workload in backend.workloads():
        backend.kill(workload)


def _tidy(assembly: Assembly) -> None:
    try:
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
