"""Which placement group a workload has, as files below `<home>/rooms`: its own, or that of the warm pool it came into.

A file says `<group> <run>`: the group is written down before it is made, so that none is ever unknown, and both names
are new for each room, because Ray gives a name free some time after it was told to.
"""

import secrets
import threading
from pathlib import Path
from typing import NamedTuple

from clary.runtime import shims
from clary.runtime.cluster.nodes import Cluster, Hosts


class Room(NamedTuple):
    """`run` tells apart the runs of one workload."""

    group: str
    run: str


class Rooms:
    def __init__(self, home: Path, cluster: Cluster) -> None:
        self._folder = home / "rooms"
        self._retained = home / "retained"
        self._jobs = home / "jobs"
        self._cluster = cluster
        self._guard = threading.Lock()
        self._old = [file.name for file in self._folder.glob("*")]

    def of(self, workload: str) -> Room | None:
        try:
            words = (self._folder / workload).read_text().split()
        except FileNotFoundError:
            return None
        # A power cut may have left it empty.
        return Room(*words) if len(words) == 2 else None

    def take(self, workload: str, instances: int, gpus: int, hosts: Hosts, instead_of: str) -> None:
        """May be repeated. Raises `NoRoom`, and then the pool of `instead_of` is as it was."""
        self._sweep(workload)
        room = self.of(workload) or self._of_pool(instead_of, instances, gpus) or self._fresh(workload)
        self._write(workload, room)
        try:
            self._cluster.reserve(room.group, instances, gpus, hosts)
        except BaseException:
            self.give_back(workload)
            raise

    def retain(self, workload: str) -> None:
        """Its room stays beyond it."""
        self._retained.mkdir(parents=True, exist_ok=True)
        (self._retained / workload).touch()

    def is_retained(self, workload: str) -> bool:
        return (self._retained / workload).exists()

    def release(self, workload: str, *, living: bool) -> None:
        """`living`: the workload itself is still there, and keeps its room until it goes."""
        if self.is_retained(workload):
            if not living:
                self.give_back(workload)
            (self._retained / workload).unlink(missing_ok=True)

    def give_back(self, workload: str) -> None:
        """The group goes with the last that has it. May be repeated."""
        room = self.of(workload)
        if room and not any(self._has(other, room.group) for other in self._folder.iterdir() if other.name != workload):
            self._cluster.release(room.group)
        (self._folder / workload).unlink(missing_ok=True)

    def _sweep(self, workload: str) -> None:
        """Give back what an earlier process took for others, and was killed before it started them."""
        with self._guard:
            while self._old:
                other = self._old.pop()
                if not (other == workload or self.is_retained(other) or (self._jobs / other).exists()):
                    self.give_back(other)

    def _of_pool(self, pool: str, instances: int, gpus: int) -> Room | None:
        """The pool's own group, which nobody else can get in between. One that lost a node is of no use."""
        room = self.of(pool) if pool else None
        if room is None or not self.is_retained(pool):
            return None
        if self._cluster.stands(room.group, instances, gpus):
            return Room(room.group, _new())
        self.release(pool, living=False)
        return None

    def _fresh(self, workload: str) -> Room:
        return Room(f"{workload}.{_new()}", _new())

    def _write(self, workload: str, room: Room) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self.of(workload) != room:
            fresh = self._folder / workload
            shims.replace(fresh, " ".join(room).encode())

    def _has(self, file: Path, group: str) -> bool:
        room = self.of(file.name)
        return room is not None and room.group == group


def _new() -> str:
    return secrets.token_hex(4)
