"""The shim's main loop: one instance from its spec to its exit status.

The nursery (`nursery.py`) forks it with file descriptor 3, an exclusive lock on `<folder>/lock`: the shim's life
sign. Requests come as files (`stop`, `kill`) in the folder.
"""

import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import time

from clary.runtime.shim import cgroups, child, files, kernel, processes, status
from clary.runtime.shim.feeder import Feeders
from clary.runtime.shim.gauge import Gauge
from clary.runtime.shim.logs import LogPump
from clary.runtime.shim.metrics import MetricReader
from clary.runtime.shim.spec import Container, Spec

CHUNK = 64 * 1024
TICK = 5.0
"""Seconds between looks at the folder on a file system that does not tell of requests."""
WATCH = 0.25
"""Seconds between looks at the memory, where no cgroup holds the limit."""
DRAIN = 5.0
"""Longest wait for the output's end after the last process was ended."""
SOON = 0.05
"""Seconds until the next try to ask a process to end that has not begun yet."""
HUB = 15.0
"""Longest wait for the network of a workload with several instances."""
ENGINE = 20.0
"""Longest wait for a container engine to end a container."""
WITH_REPORTS = ("bubblewrap", "container")
"""Sandboxes that say in JSON what becomes of the user's process; of the others the child ends as it did."""
NOT_FOUND = b"bwrap: execvp "
"""What bubblewrap says when the sandbox stands and the command in it cannot be executed."""
KILLED = 128 + signal.SIGKILL


def main(folder: str) -> None:
    """Run the instance in `folder` to its end, and write how it ended."""
    spec: Spec = json.loads(files.read(f"{folder}/spec.json"))
    Instance(folder, spec).run()


class Instance:
    """One run of one user process."""

    def __init__(self, folder: str, spec: Spec) -> None:
        self.folder = folder
        self.spec = spec
        self.cause = ""
        self.why = ""
        """The message of a cause that has one."""
        self.init: int | None = None
        """The process whose end ends the whole sandbox."""
        self.begun = False
        """The child has reported something: it is itself, and no longer a copy of the shim."""
        self.exit_code: int | None = None
        """As the sandbox reported it."""
        self.usage: dict[str, float] = {}
        """What the sandbox reported of it; else what the kernel says of the shim's children counts."""
        self.tell_at: float | None = None
        """When the controller is to be told that the process runs."""
        self.kill_at: float | None = None
        self.asked = False
        self.ending: float | None = None
        """When a container that is being ended should have."""
        self.over = False
        self.unheard = b""
        self.tail = b""

    def run(self) -> None:
        """All of it, in order."""
        self.status = status.Status(self.folder)
        wakeup = _signals(self.folder)
        reader = MetricReader(self.spec["metrics"], f"{self.folder}/metrics.jsonl")
        self.pump = LogPump(self.spec["log"], self.spec["log_bytes"], reader)
        cgroups.make(self.spec["cgroups"])
        kernel.adopt_orphans()
        code = 0
        try:
            self._start()
        except OSError as error:
            self._fail(f"Clary: the sandbox could not be made: {error}")
        else:
            code = self._follow(wakeup)
        self.pump.close(time.time())
        self._finish(code)

    def _start(self) -> None:
        if self.spec["hub"]:
            from clary.runtime.shim import hub

            self._wait_for_hub(self.spec["hub"])
            hub.enter(f"{self.spec['hub']}/{hub.READY}", self.spec["number"])
        self.gauge = Gauge(self.folder, self.spec["host"])
        self.feeders = Feeders(self.folder, self.spec["pipes"])
        self.child = child.start(self.spec)
        if self.spec["sandbox"] == "namespaces":
            self.init = self.child.pid

    def _fail(self, message: str) -> None:
        self.pump.note(message, time.time())
        self.tail = message.encode()
        self.cause = "stopped" if os.path.exists(f"{self.folder}/kill") else ""

    def _follow(self, wakeup: int) -> int:
        """To the end of the last process. Answers the exit code of the outermost."""
        self.began = time.monotonic()
        with contextlib.suppress(OSError):
            self.status.say("running", started=time.time())
        self.tell_at = self.began + self.spec["told_after"]
        code = self._watch(wakeup)
        self.feeders.end()
        self._end_everything()
        self._drain()
        _reap()
        return code

    def _wait_for_hub(self, folder: str) -> None:
        """Until the network is there; from then on holds its life line."""
        end = time.monotonic() + HUB
        while not os.path.exists(f"{folder}/hub.ready"):
            if time.monotonic() > end or os.path.exists(f"{self.folder}/kill"):
                return
            time.sleep(0.005)
        with contextlib.suppress(OSError):
            os.open(f"{folder}/hub.life", os.O_WRONLY | os.O_NONBLOCK)

    def _watch(self, wakeup: int) -> int:
        poll = select.poll()
        for fd in [wakeup, self.child.output, self.child.reports]:
            poll.register(fd, select.POLLIN)
        while True:
            self._obey()
            for fd, events in poll.poll(max(0, int(self._patience() * 1000) + 1)):
                if fd == wakeup:
                    _empty(fd)
                elif not self._take(fd) and events & (select.POLLHUP | select.POLLERR):
                    poll.unregister(fd)
            pid, code = os.waitpid(self.child.pid, os.WNOHANG)
            if pid:
                self.over = True
                return os.waitstatus_to_exitcode(code)

    def _patience(self) -> float:
        now = time.monotonic()
        waits = [WATCH if self.spec["memory_bytes"] else TICK, self.gauge.look(self._top())]
        if self.pump.deadline is not None:
            waits.append(self.pump.deadline - time.time())
        if self.tell_at is not None:
            waits.append(self.tell_at - now)
        if self.kill_at is not None:
            waits.append(self.kill_at - now if self.asked and not self.ending else SOON)
        if self.spec["run_seconds"] is not None:
            waits.append(self.began + self.spec["run_seconds"] - now)
        return max(0.0, min(waits))

    def _take(self, fd: int) -> bool:
        """Take what is readable from the child. False at its end."""
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return True
        if fd == self.child.output and data:
            self.tail = (self.tail + data[-2048:])[-2048:]
            self.pump.feed(data, time.time())
        elif fd == self.child.reports:
            self._hear(data)
        return bool(data)

    def _hear(self, data: bytes) -> None:
        self.begun = self.begun or bool(data)
        if self.spec["sandbox"] not in WITH_REPORTS:
            return
        # bubblewrap writes a document piece by piece.
        *lines, self.unheard = (self.unheard + data).split(b"\n")
        for line in lines:
            report = json.loads(line)
            self.init = report.get("child-pid", self.init)
            self.exit_code = report.get("exit-code", self.exit_code)
            self.usage |= report.get("usage", {})
            self.spec["memory_bytes"] = report.get("watch", self.spec["memory_bytes"])
            self.cause = self.cause or report.get("cause", "")

    def _obey(self) -> None:
        now = time.monotonic()
        if self.tell_at is not None and now >= self.tell_at:
            self.tell_at = None
            status.poke(self.spec["wake"], self.spec["key"])
        if self.pump.deadline is not None and self.pump.deadline <= time.time():
            self.pump.flush(time.time())
        if os.path.exists(f"{self.folder}/kill"):
            self._stop("stopped", 0)
        elif os.path.exists(f"{self.folder}/stop"):
            self._stop("stopped", self.spec["grace_seconds"])
        elif self.spec["run_seconds"] is not None and now >= self.began + self.spec["run_seconds"]:
            self._stop("timeout", self.spec["grace_seconds"])
        if trouble := self.feeders.trouble():
            self._give_up(*trouble)
        if self.spec["memory_bytes"] and self._memory() > self.spec["memory_bytes"]:
            self._stop("memory", 0)
        if self.kill_at is not None and now >= self.kill_at:
            self._end_everything()

    def _stop(self, cause: str, grace: float) -> None:
        """First call: SIGTERM. Every call: an earlier end wins."""
        deadline = time.monotonic() + grace
        if grace and not self.asked:
            self.asked = self._ask()
        self.kill_at = deadline if self.kill_at is None else min(self.kill_at, deadline)
        self.cause = self.cause or cause

    def _give_up(self, cause: str, why: str) -> None:
        if not self.cause:
            self.why = why
        self._stop(cause, 0)

    def _ask(self) -> bool:
        """Send SIGTERM to the user's first process, or to what hands it on to that. False while there is neither."""
        if self.spec["sandbox"] == "bubblewrap":
            main = processes.main_process(self.init) if self.init else None
        elif self.spec["sandbox"] == "container":
            main = self.child.pid if self.init else None
        else:
            main = self.child.pid if self.begun else None
        processes.signal_all([main] if main else [], signal.SIGTERM)
        return main is not None

    def _memory(self) -> int:
        pids = processes.tree(self._top())
        rough = processes.memory(pids)
        return processes.exact_memory(pids) if rough > (self.spec["memory_bytes"] or 0) else rough

    def _top(self) -> int:
        """The process above all of the instance's."""
        return self.init if self.spec["sandbox"] == "container" and self.init else self.child.pid

    def _end_everything(self) -> None:
        if "container" in self.spec:
            self._end_container(self.spec["container"])
        elif self.init:
            processes.signal_all([self.init])
        else:
            processes.signal_all([*processes.tree(os.getpid())[1:], *cgroups.processes(self.spec["cgroups"])])

    def _end_container(self, told: Container) -> None:
        """Its engine ends it, which takes a moment; one that does not is left to whoever looks next."""
        from clary.runtime.shim import container

        if self.over:
            if self.exit_code is None:
                container.forget(told)
            return
        if self.ending is None:
            self.ending = time.monotonic() + ENGINE
            container.end(self.child.pid, told, hard=False)
        elif time.monotonic() >= self.ending:
            # An engine that is away ends nothing.
            processes.signal_all([self.init] if self.init else [])
            container.end(self.child.pid, told, hard=True)

    def _drain(self) -> None:
        end = time.monotonic() + DRAIN
        poll = select.poll()
        poll.register(self.child.output, select.POLLIN)
        while time.monotonic() < end:
            if poll.poll(100) and not self._take(self.child.output):
                break
        while self._more_reports():
            pass

    def _more_reports(self) -> bool:
        try:
            data = os.read(self.child.reports, CHUNK)
        except BlockingIOError:
            return False
        self._hear(data)
        return bool(data)

    def _finish(self, code: int) -> None:
        exit_code = self.exit_code
        if exit_code is None and self.begun and self.spec["sandbox"] not in WITH_REPORTS:
            exit_code = 128 - code if code < 0 else code
        if exit_code != 0 and cgroups.memory_kills(self.spec["cgroups"]):
            self.cause = self.cause or "memory"
        message = self.why
        if self.cause == "memory" or (exit_code is None and self.cause):
            exit_code = KILLED
        elif exit_code is None and NOT_FOUND in self.tail:
            exit_code = 127
        elif exit_code is None:
            self.cause, message = "platform", self.tail.decode("utf-8", "replace").strip()
        cgroups.remove(self.spec["cgroups"])
        ended = {"ended": time.time(), "exit_code": exit_code, "cause": self.cause, "message": message}
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = {"max_rss_bytes": usage.ru_maxrss * 1024, "cpu_seconds": usage.ru_utime + usage.ru_stime}
        self.status.say_surely("exited", **ended, **used | self.usage)
        status.poke(self.spec["wake"], self.spec["key"])


def _reap() -> None:
    """Wait for everything that was ended, so that what it used is counted: orphans come to the shim."""
    end = time.monotonic() + DRAIN
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < end:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)


def _signals(folder: str) -> int:
    """A descriptor that becomes readable when a child ends or a file appears in the folder."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGIO):
        signal.signal(number, lambda signum, stack: None)
    with contextlib.suppress(OSError):
        # Not inotify, of which each user may have a hundred or so.
        fcntl.fcntl(os.open(folder, os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_CREATE | fcntl.DN_MULTISHOT)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    return readable


def _empty(fd: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while os.read(fd, 4096):
            pass
