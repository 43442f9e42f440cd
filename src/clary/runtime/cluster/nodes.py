"""What this backend asks of Ray: connect, nodes, placement groups, seats. Names derive from ids alone."""

import contextlib
import functools
import logging
import threading
import time
import warnings
from dataclasses import dataclass
from typing import Any

from clary.runtime.backend import Away, NoRoom

NAMESPACE = "clary"
SLOT = "clary_slot"
"""Ray resource of nodes that take instances: how many each takes at once."""
PLACING_SECONDS = 1.0
LOOK_SECONDS = 0.25
"""How old the list of nodes may be."""


@dataclass(frozen=True, slots=True)
class Node:
    """A living node that takes instances."""

    id: str
    address: str
    slots: int
    gpus: int
    labels: dict[str, str]


class Cluster:
    """One Ray cluster. Connected to at the first call that needs it; several threads may call."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._guard = threading.Lock()
        self._nodes: list[Node] = []
        self._looked = 0.0

    @functools.cached_property
    def ray(self) -> Any:
        """The connected module. Raises `Away`."""
        with self._guard, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                import ray
            except ImportError as error:
                raise Away("the package ray is not installed: pip install 'clary[ray]'") from error
            if not ray.is_initialized():
                try:
                    ray.init(
                        self.address,
                        namespace=NAMESPACE,
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                        configure_logging=False,
                    )
                except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
                    raise Away(f"the Ray cluster at {self.address} does not answer: {error}") from error
            return ray

    def nodes(self, *, now: bool = False) -> list[Node]:
        """Those that live and take instances."""
        if now or time.monotonic() - self._looked > LOOK_SECONDS:
            self._nodes = [_node(one) for one in self.ray.nodes() if one["Alive"] and SLOT in one["Resources"]]
            self._looked = time.monotonic()
        return self._nodes

    def lives(self, node: str) -> bool:
        return any(one.id == node for one in self.nodes())

    def free(self) -> int:
        """Slots that nothing holds. A moment old."""
        self.ray  # noqa: B018
        from ray._private.state import available_resources_per_node

        return sum(int(one.get(SLOT, 0)) for one in available_resources_per_node().values())

    def reserve(self, workload: str, instances: int, gpus: int) -> None:
        """Room on as many nodes as there are instances. May be repeated. Raises `NoRoom`."""
        if self._group(workload) is not None:
            return
        able = [node for node in self.nodes(now=True) if node.gpus >= gpus]
        if len(able) < instances:
            what = f" with {gpus} GPUs" if gpus else ""
            raise NoRoom(f"{instances} nodes{what} are needed and the cluster has {len(able)}")
        from ray.util.placement_group import placement_group

        bundle = {SLOT: 1.0} | ({"GPU": float(gpus)} if gpus else {})
        group = placement_group([bundle] * instances, "STRICT_SPREAD", name=workload, lifetime="detached")
        if not self._is_placed(group):
            self.release(workload)
            raise NoRoom(
                f"{instances} nodes are needed that each have a free slot; the cluster has {self.free()} free slots"
            )

    def _is_placed(self, group: Any) -> bool:
        from ray.util.placement_group import placement_group_table

        end = time.monotonic() + PLACING_SECONDS
        while placement_group_table(group).get("state") != "CREATED":
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True

    def _group(self, workload: str) -> Any:
        self.ray  # noqa: B018
        from ray.util import get_placement_group

        try:
            return get_placement_group(workload)
        except ValueError:
            return None

    def release(self, workload: str) -> None:
        """Give the room back; ends the seats in it. May be repeated."""
        from ray.util import remove_placement_group

        if (group := self._group(workload)) is not None:
            remove_placement_group(group)

    def seat(self, workload: str, host: str) -> Any:
        """The actor of an instance, or `None` while there is none."""
        try:
            return self.ray.get_actor(_name(workload, host), NAMESPACE)
        except ValueError:
            return None

    def take(self, workload: str, host: str, number: int, gpus: int) -> Any:
        """The same, made when there is none, in its place of the room."""
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        from clary.runtime.cluster.seat import Seat

        actor = self.ray.remote(Seat).options(
            name=_name(workload, host),
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            num_gpus=gpus,
            resources={SLOT: 1},
            # On its own node it goes on; on another one it finds nothing, and says so.
            max_restarts=-1,
            max_concurrency=8,
            scheduling_strategy=PlacementGroupSchedulingStrategy(self._group(workload), number),
        )
        return actor.remote(workload, host)

    def end(self, seat: Any) -> None:
        with contextlib.suppress(Exception):
            self.ray.kill(seat, no_restart=True)


def _name(workload: str, host: str) -> str:
    return f"{workload}/{host}"


def _node(told: dict[str, Any]) -> Node:
    resources = told["Resources"]
    return Node(
        id=told["NodeID"],
        address=told["NodeManagerAddress"],
        slots=int(resources[SLOT]),
        gpus=int(resources.get("GPU", 0)),
        labels=dict(told.get("Labels") or {}),
    )
