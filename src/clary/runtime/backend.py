"""Where workloads run. `local.py` is one; another is one more file, chosen in `app.py`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar, Protocol

from clary.runtime.workload import Observation, Preloaded, Workload


class NoRoom(Exception):
    """All slots are taken; try again later. The message says what is awaited."""


class Away(NoRoom):
    """What this workload needs to run does not answer; others may have room meanwhile."""


class OutputsLost(Exception):
    """What an instance left when it ended is gone, with the machine that ran it."""


class Backend(Protocol):
    """All calls may be repeated and may follow a crash at any line: each looks first, then acts.

    A workload is known by its `id` alone, so a restarted controller finds its work again.
    """

    fetches: ClassVar[bool] = False
    """Whether its hosts get the objects of `Workload.objects` by themselves, so that their bytes need not be here."""

    def prepare(self, image: str, gpus: int) -> str | None:
        """Get the image's runtime environment ready, in the background: `None` when it is, else progress text.

        Raises `UnknownImage` or `BuildFailed`.
        """

    def warm(self, image: str, preloaded: Preloaded) -> None:
        """Have a process from which model servers with this `Workload.preloaded` are forked; to be repeated while it is
        wanted, every minute or so. Those that are started while it imports wait for it; where there can be none, they
        start as always."""

    def room(
        self, workload_id: str, instances: int, gpus: int, hosts: Sequence[Sequence[str]] = (), instead_of: str = ""
    ) -> AbstractContextManager[int]:
        """Keeps room for a workload that is started inside the block: what must be done first is done once it is there.

        Gives how many slots are left beside. `gpus` are those of each instance. `hosts`: for each, the
        names of those that may have it, where the backend has several; any may, where none are named. `instead_of`:
        a workload whose retained room it may have. Raises `NoRoom`.
        """

    def retain(self, workload_id: str) -> None:
        """Keep the room of a workload that was started, beyond its end and `destroy`, until `release`."""

    def release(self, workload_id: str) -> None:
        """Give retained room back, if there is any."""

    def start(self, workload: Workload) -> None:
        """Start every instance not yet started. Raises `NoRoom`, unless `room` was kept for it."""

    def observe(self, workload_id: str) -> Observation:
        """What is true now, from locks and status files, never from memory.

        No instances while any of them was never launched: `start` is then to be called (again).
        """

    def stop(self, workload_id: str) -> None:
        """Ask the user processes to end: SIGTERM, the grace period, then SIGKILL. Returns at once."""

    def kill(self, workload_id: str) -> None:
        """End everything of the workload now."""

    def near(self, workload_id: str, folder: str) -> bool:
        """Whether `outputs` has next to nothing to bring from elsewhere, so that it answers at once.

        Raises what `outputs` raises.
        """

    def outputs(self, workload_id: str, folder: str) -> list[Path]:
        """The folder (a path of `Workload.folders`) of each instance, in host order.

        What lies inside is the user's: links in it may point anywhere (`archive.pack` knows). A folder of
        `Workload.folders` that lies inside another one is not found there, only under its own path. Raises
        `OutputsLost`, or `Away` while the machine that has them does not answer.
        """

    def brought(self, workload_id: str, folder: str) -> list[bool]:
        """For each instance, whether its folder in the last `outputs` is as user code found or left it.

        What is absent from it says nothing otherwise: another machine still prepares it, or was lost before.
        """

    def socket(self, workload_id: str, host: str) -> Path:
        """Where a `serve` instance is called: its unix socket, or the file of its address (`remote_socket.py`)."""

    def workloads(self) -> list[str]:
        """Ids of all that were started and not destroyed."""

    def destroy(self, workload_id: str) -> None:
        """Forget the workload and delete its folders; kills what still runs."""

    def when_destroyed(self, who: str, call: Callable[[], None]) -> None:
        """Have `call` made after each `destroy` from now on, in place of what the same caller gave before."""
