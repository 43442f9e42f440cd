"""Model servers that are forked from a process which has imported their framework: faster, and otherwise the same."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.capabilities.endpoints.account import SKLEARN, words
from tests.servers import CACHE, PATIENCE, wait_until
from tests.serving.artefacts import python

from clary.runtime import sandbox
from clary.runtime.local import LocalBackend
from clary.runtime.workload import Instance, Preloaded, Workload
from clary.serving.server.config import threads

CPUS = "2"
WARM = Preloaded("sklearn", threads({"CLARY_CPUS": CPUS}))

SCRIPT = b"""
import json
import multiprocessing.spawn
import os
import signal
import sys
from pathlib import Path

import numpy
from threadpoolctl import threadpool_info

preloaded = "sklearn.ensemble" in sys.modules
import sklearn.ensemble

def action(number):
    set = signal.getsignal(number)
    return getattr(set, "__name__", "") or str(set)

def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    import logging
    return json.dumps({
        "same": {
            "executable": sys.executable,
            "prefix": sys.prefix,
            "path": sys.path,
            "flags": [*sys.flags],
            "arguments": [sys.argv, Path("/proc/self/comm").read_text()],
            "shown": Path("/proc/self/cmdline").read_bytes().rstrip(b"\\0").decode(),
            "spawned": os.fsdecode(multiprocessing.spawn.get_executable()),
            "threads": sorted((each["prefix"], each["num_threads"]) for each in threadpool_info()),
            "environment": sorted((name, value) for name, value in os.environ.items() if "PORT" not in name),
            "folder": os.getcwd(),
            "user": [os.getuid(), os.listdir("/opt/ml")],
            "level": logging.getLogger().level,
            "signals": [action(number) for number in range(1, 32)],
        },
        "preloaded": preloaded,
        "drawn": numpy.random.random(),
    }), "application/json"
"""

pytestmark = pytest.mark.skipif(sandbox.best() != "namespaces", reason="only where the sandbox is forked")


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[LocalBackend]:
    python("sklearn")
    backend = LocalBackend(tmp_path / "home", environments=CACHE / "environments", slots=8)
    yield backend
    for name in backend.workloads():
        backend.destroy(name)


def workload(
    backend: LocalBackend, name: str, *, preloaded: Preloaded | None = WARM, needs: bool = False, script: bytes = SCRIPT
) -> Workload:
    log = backend.jobs.parent / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    files = {"/opt/ml/model/code/inference.py": script, "/opt/ml/model/code/requirements.txt": b""}
    if not needs:
        del files["/opt/ml/model/code/requirements.txt"]
    return Workload(
        id=name,
        key=name,
        wake=str(backend.jobs.parent / "nobody.sock"),
        image=SKLEARN,
        purpose="serve",
        environment={"CLARY_FRAMEWORK": "sklearn", "CLARY_CPUS": CPUS},
        folders=("/opt/ml/model",),
        instances=(Instance(host="algo-1", log=str(log), files=files),),
        preloaded=preloaded,
    )


def ask(backend: LocalBackend, started: Workload) -> dict[str, Any]:
    """What a call of its model says."""
    path = backend.socket(started.id, "algo-1")
    found: list[dict[str, Any]] = []

    def answers() -> bool:
        with socket.socket(socket.AF_UNIX) as line:
            try:
                line.settimeout(PATIENCE)
                line.connect(str(path))
                line.sendall(b"POST /invocations HTTP/1.0\r\ncontent-length: 0\r\n\r\n")
                found.append(json.loads(line.makefile("rb").read().partition(b"\r\n\r\n")[2]))
            except (OSError, ValueError):
                return False
        return True

    wait_until(answers, otherwise=lambda: Path(started.instances[0].log).read_text()[-3000:])
    return found[0]


def start(backend: LocalBackend, name: str, **how: Any) -> dict[str, Any]:
    made = workload(backend, name, **how)
    backend.start(made)
    return ask(backend, made)


def zygotes() -> set[int]:
    """That this process started."""
    return {process.pid for process in psutil.Process().children() if "server.zygote" in " ".join(words(process))}


def test_a_forked_server_is_as_an_executed_one(backend: LocalBackend) -> None:
    executed = start(backend, "executed", preloaded=None)
    assert not executed["preloaded"]
    backend.warm(SKLEARN, WARM)
    # It waits until all is imported.
    forked = start(backend, "forked")
    assert (forked["preloaded"], forked["same"]) == (True, executed["same"])
    another = start(backend, "another")
    assert (another["preloaded"], another["drawn"] != forked["drawn"]) == (True, True)
    own = start(backend, "own", needs=True)
    assert (own["preloaded"], own["same"]) == (False, executed["same"])


def test_who_waits_for_a_process_that_is_killed_is_free_to_be_started(backend: LocalBackend) -> None:
    before = zygotes()
    backend.warm(SKLEARN, WARM)
    (zygote,) = zygotes() - before
    waiting = workload(backend, "waiting", script=SCRIPT.replace(b"import sklearn.ensemble\n", b""))
    os.kill(zygote, signal.SIGSTOP)
    backend.start(waiting)
    assert [state.phase for state in backend.observe("waiting").instances] == ["preparing"]
    os.kill(zygote, signal.SIGKILL)
    wait_until(lambda: not backend.observe("waiting").instances)
    wait_until(lambda: not psutil.pid_exists(zygote))
    backend.start(waiting)
    assert not ask(backend, waiting)["preloaded"]
