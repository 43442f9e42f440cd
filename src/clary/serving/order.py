"""In which order the instances of a variant are asked to take a call: AWS's routing strategies.

What an instance has to do is known for this server process alone: another one's calls do not count.
"""

import hashlib
import random
from collections.abc import Sequence
from typing import Protocol

from clary.serving.http import Pool

Instances = list[list[Pool]]
"""For each instance the pools of its containers."""


class Order(Protocol):
    def sort(self, instances: Instances, body: bytes, hint: bytes) -> Instances:
        """The one to ask first, first. `hint` is the client's own."""


class LeastBusy:
    def sort(self, instances: Instances, body: bytes, hint: bytes) -> Instances:
        random.shuffle(instances)
        return sorted(instances, key=outstanding)


class Random:
    def sort(self, instances: Instances, body: bytes, hint: bytes) -> Instances:
        random.shuffle(instances)
        return instances


class PrefixAware:
    """Bodies that begin alike go to the same instance, until it has `most` calls to answer.

    Each instance has a rank of its own for a beginning, so that few of them move when an instance comes or goes.
    """

    def __init__(self, length: int, most: int) -> None:
        self._length = length
        self._most = most

    def sort(self, instances: Instances, body: bytes, hint: bytes) -> Instances:
        beginning = hint + b"\0" + body[: self._length]
        ranked = sorted(instances, key=lambda pools: _rank(pools, beginning))
        free = [pools for pools in ranked if outstanding(pools) < self._most]
        return free + sorted((pools for pools in ranked if pools not in free), key=outstanding)


LEAST_BUSY: Order = LeastBusy()
RANDOM: Order = Random()


def outstanding(pools: Sequence[Pool]) -> int:
    """Calls that an instance has to answer."""
    return sum(pool.outstanding for pool in pools)


def _rank(pools: Sequence[Pool], beginning: bytes) -> bytes:
    return hashlib.blake2b(beginning, key=hashlib.md5(str(pools[0].socket).encode()).digest()).digest()
