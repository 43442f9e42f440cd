"""The loop of a model server's worker in a thread, on a free port."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clary.serving.server.app import App
from clary.serving.server.front import Front


@contextmanager
def serving(app: App, timeout: float = 60.0, stuck: Callable[[], object] = lambda: None) -> Iterator[tuple[str, int]]:
    """Its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as door:
        front = Front(door, app, timeout, stuck)
        thread = threading.Thread(target=front.run)
        thread.start()
        yield door.getsockname()
        front.end()
        thread.join()
