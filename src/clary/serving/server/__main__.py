"""What the sandbox of a serving instance runs: unpack the model, install the user's requirements, serve.

Ends with status 1 when the model cannot be loaded; the reason is then in the log. Once one worker has loaded it,
a worker that dies is replaced and the others go on.
"""

import logging
import os
import select
import signal
import sys
import threading
from functools import partial
from typing import Any

from granian.constants import Interfaces
from granian.server.mp import MPServer

from clary.serving.server import setup
from clary.serving.server.app import worker
from clary.serving.server.config import Config, from_environment

logger = logging.getLogger(__name__)


def main() -> None:
    log_to_output()
    config = from_environment(os.environ)
    setup.unpack(config)
    begin(config)


def log_to_output() -> None:
    logging.basicConfig(level=int(os.environ.get("SAGEMAKER_CONTAINER_LOG_LEVEL") or logging.INFO), stream=sys.stdout)


def begin(config: Config) -> None:
    """With everything unpacked."""
    setup.install_requirements(config)
    setup.make_register(config)
    serve(config)


def serve(config: Config) -> None:
    """Until a signal, or until the model cannot be loaded."""
    config.socket.unlink(missing_ok=True)
    loaded, announce = os.pipe()
    server = MPServer(
        "clary.serving.server",
        uds=config.socket,
        interface=Interfaces.RSGI,
        workers=config.workers,
        respawn_interval=0.1,
        workers_kill_timeout=int(config.timeout),
        websockets=False,
        log_access=False,
    )
    threading.Thread(target=_await_load, args=(server, loaded, config.startup_seconds), daemon=True).start()
    server.serve(target_loader=partial(_load, config, announce), wrap_loader=False)


def _load(config: Config, announce: int) -> Any:
    # A fork inherits granian's handlers, which would swallow the signal until the model is loaded.
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, signal.SIG_DFL)
    app = worker(config)
    os.write(announce, b"1")
    return app


def _await_load(server: MPServer, loaded: int, seconds: float) -> None:
    """Before the first load a dying worker ends the server; a model that never loads must not be tried for ever."""
    if not select.select([loaded], [], [], seconds)[0]:
        logger.error("The model was not loaded within %g seconds (SAGEMAKER_STARTUP_TIMEOUT)", seconds)
        for worker in server.wrks:
            worker.inner.kill()
        return
    server.respawn_failed_workers = True


if __name__ == "__main__":
    main()
