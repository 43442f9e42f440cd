"""What this backend asks of Ray: connect, nodes, placement groups, seats. Names derive from ids alone."""

import contextlib
import functools
import logging
import threading
import time
import warnings
from dataclasses import dataclass, replace
from typing import Any

from clary.runtime.backend import Away, NoRoom

NAMESPACE = "clary"
SLOT = "clary_slot"
"""Ray resource of nodes that take instances: how many each takes at once."""
PLACING_SECONDS = 10.0
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
        self._placing = threading.Lock()
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
            logging.getLogger("ray.actor").setLevel(logging.ERROR)
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
        """Slots that no group holds."""
        return sum(max(0, node.slots) for node in self._unused())

    def reserve(self, workload: str, instances: int, gpus: int) -> None:
        """Room on as many nodes as there are instances. May be repeated. Raises `NoRoom`."""
        with self._placing:
            if self._group(workload) is None:
                self._place(workload, instances, gpus)

    def _place(self, workload: str, instances: int, gpus: int) -> None:
        from ray.util.placement_group import placement_group, placement_group_table

        what = f"a free slot and {gpus} free GPUs" if gpus else "a free slot"
        able = [node for node in self._unused() if node.slots >= 1 and node.gpus >= gpus]
        if len(able) < instances:
            raise NoRoom(f"{instances} nodes with {what} are needed, {len(able)} of {len(self.nodes())} have that")
        bundle = {SLOT: 1.0} | ({"GPU": float(gpus)} if gpus else {})
        group = placement_group([bundle] * instances, "STRICT_SPREAD", name=workload, lifetime="detached")
        # What was given back a moment ago is not at once to be had.
        end = time.monotonic() + PLACING_SECONDS
        while placement_group_table(group).get("state") != "CREATED":
            if time.monotonic() > end:
                self.release(workload)
                raise NoRoom(f"the Ray cluster does not place {instances} instances on nodes with {what}")
            time.sleep(0.005)

    def _unused(self) -> list[Node]:
        """The nodes with what no group holds of them: Ray's own figures of what is free come late."""
        nodes = {node.id: node for node in self.nodes(now=True)}
        from ray.util.placement_group import placement_group_table

        for group in placement_group_table().values():
            if group["state"] == "REMOVED":
                continue
            for number, held in group["bundles"].items():
                if (node := nodes.get(group["bundles_to_node_id"].get(number, ""))) is not None:
                    slots, gpus = node.slots - int(held.get(SLOT, 0)), node.gpus - int(held.get("GPU", 0))
                    nodes[node.id] = replace(node, slots=slots, gpus=gpus)
        return list(nodes.values())

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
