"""A witness that Clary does not control: jobs tell it that they started, and wait until it lets them go.

It listens on a loopback port; the jobs are one line of bash, so that twenty of them cost little.
"""

import selectors
import socket
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Self

from tests.servers import wait_until

JOB = (
    "exec 3<>/dev/tcp/127.0.0.1/{port} && echo started && echo $TRAINING_JOB_NAME >&3"
    " && read -r word <&3 && [ $word = go ] && echo done > /opt/ml/model/done && echo ended >&3"
)


class Witness:
    """`started` and `ended` count what each job said, over all its lives. `let` is asked who may go at once."""

    def __init__(self, let: Callable[[str], bool] = lambda name: True) -> None:
        self.let = let
        self._free: set[str] = set()
        self._waiting: dict[str, list[socket.socket]] = {}
        self._unread: dict[socket.socket, bytes] = {}
        self._names: dict[socket.socket, str] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run)
        self.started: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()

    @property
    def command(self) -> dict[str, Any]:
        """Of an AlgorithmSpecification."""
        port = self._listener.getsockname()[1]
        return {"ContainerEntrypoint": ["/bin/bash", "-c"], "ContainerArguments": [JOB.format(port=port)]}

    def release(self, *names: str) -> None:
        """Let these go on to their end, now or when they come."""
        with self._lock:
            self._free.update(names)
            lines = [line for name in names for line in self._waiting.pop(name, [])]
        for line in lines:
            _say_go(line)

    def hear(self, ends: int) -> None:
        """Until so many ends are counted: what jobs said before they ended may lie unread."""
        wait_until(lambda: self.ended.total() >= ends, otherwise=lambda: str(self.ended))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._ended.is_set():
                for key, _ in selector.select(0.05):
                    if key.fileobj is self._listener:
                        selector.register(self._listener.accept()[0], selectors.EVENT_READ)
                    else:
                        self._hear(selector, key.fileobj)
            for key in list(selector.get_map().values()):
                if isinstance(key.fileobj, socket.socket) and key.fileobj is not self._listener:
                    key.fileobj.close()

    def _hear(self, selector: selectors.BaseSelector, line: Any) -> None:
        try:
            data = line.recv(4096)
        except OSError:
            data = b""
        *words, self._unread[line] = (self._unread.get(line, b"") + data).split(b"\n")
        for word in words:
            self._note(line, word.decode())
        if not data:
            selector.unregister(line)
            line.close()

    def _note(self, line: socket.socket, word: str) -> None:
        if line in self._names:
            self.ended[self._names[line]] += 1
            return
        self._names[line] = word
        with self._lock:
            go = self.let(word) or word in self._free
            if not go:
                self._waiting.setdefault(word, []).append(line)
        if go:
            _say_go(line)
        # Counted last: who sees it can rely on the job waiting.
        self.started[word] += 1


def _say_go(line: socket.socket) -> None:
    try:
        line.sendall(b"go\n")
    except OSError:
        return
