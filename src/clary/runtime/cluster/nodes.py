"""What this backend asks of Ray: connect, nodes, placement groups, seats. Names derive from ids alone."""

import contextlib
import functools
import logging
import socket
import threading
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from clary.runtime import roster
from clary.runtime.backend import Away, NoRoom
from clary.runtime.cluster import known
from clary.runtime.cluster.talk import is_alone
from clary.runtime.cluster.warden import Shared
from clary.runtime.roster import Node

NAMESPACE = "clary"
SLOT = "clary_slot"
"""Ray resource of nodes that take instances: how many each takes at once."""
PLACING_SECONDS = 10.0
LOOK_SECONDS = 0.25
"""How old the list of nodes may be."""
WATCH_SECONDS = 1.0
KNOCK_SECONDS = 3.0
"""Ray itself tries for minutes to reach a head that is not there."""
NODE_ID = "ray.io/node-id"
VERSION = metadata.version("clary")
"""An actor of a node runs what its Clary was when it was made."""

Hosts = Sequence[Sequence[str]]
"""For each instance, names of the nodes that may have it; empty: any of them may have any."""

log = logging.getLogger(__name__)


class Cluster:
    """One Ray cluster. Connected to at the first call that needs it; several threads may call."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._guard = threading.Lock()
        self._placing = threading.Lock()
        self._wardening = threading.Lock()
        self._wardens: dict[str, Any] = {}
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
                    _knock(self.address)
                    ray.init(
                        self.address,
                        namespace=NAMESPACE,
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                        configure_logging=False,
                    )
                except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
                    raise Away(f"the Ray cluster at {self.address} does not answer: {error}") from error
            logging.getLogger("ray.actor").setLevel(logging.ERROR)
            return ray

    def nodes(self, *, now: bool = False) -> list[Node]:
        """Those that live and take instances."""
        if now or time.monotonic() - self._looked > LOOK_SECONDS:
            self._nodes = _named([one for one in self.ray.nodes() if one["Alive"] and SLOT in one["Resources"]])
            self._looked = time.monotonic()
        return self._nodes

    def watch(self, home: Path) -> None:
        """Keep the roster of that home as the cluster is, from now on, in a thread."""
        threading.Thread(target=self._watch, args=(home,), name="ray-watch", daemon=True).start()

    def _watch(self, home: Path) -> None:
        while True:
            try:
                roster.write(home, self.nodes(now=True))
            except Exception:
                # What was last seen of a cluster that is away stays.
                log.debug("the nodes cannot be listed", exc_info=True)
            time.sleep(WATCH_SECONDS)

    def lives(self, node: str) -> bool:
        return any(one.id == node for one in self.nodes())

    def free(self) -> int:
        """Slots that no group holds."""
        return sum(max(0, node.slots) for node in self._unused())

    def reserve(self, name: str, instances: int, gpus: int, hosts: Hosts = ()) -> None:
        """Room on as many nodes as there are instances, as the group of that name. May be repeated. Raises `NoRoom`."""
        with self._placing:
            if self._group(name) is None:
                self._place(name, gpus, hosts or [()] * instances)

    def stands(self, name: str, instances: int, gpus: int) -> bool:
        """Whether there is such room by that name, on nodes that all live."""
        if (group := self._group(name)) is None:
            return False
        from ray.util.placement_group import placement_group_table

        table = placement_group_table(group)
        nodes = {table["bundles_to_node_id"].get(number, "") for number in table["bundles"]}
        enough = all(held.get("GPU", 0) >= gpus for held in table["bundles"].values())
        fits = len(table["bundles"]) == instances and enough
        return fits and table.get("state") == "CREATED" and nodes <= {node.id for node in self.nodes(now=True)}

    def _place(self, name: str, gpus: int, hosts: Hosts) -> None:
        from ray.util.placement_group import placement_group, placement_group_table

        what = f"a free slot and {gpus} free GPUs" if gpus else "a free slot"
        able = [node for node in self._unused() if node.slots >= 1 and node.gpus >= gpus]
        self._check(able, hosts, what)
        bundle = {SLOT: 1.0} | ({"GPU": float(gpus)} if gpus else {})
        where = [_selector(able, names) for names in hosts]
        group = placement_group(
            [bundle] * len(hosts), "STRICT_SPREAD", name=name, lifetime="detached", bundle_label_selector=where
        )
        # What was given back a moment ago is not at once to be had.
        end = time.monotonic() + PLACING_SECONDS
        while placement_group_table(group).get("state") != "CREATED":
            if time.monotonic() > end:
                self.release(name)
                raise NoRoom(f"the Ray cluster does not place {len(hosts)} instances on nodes with {what}")
            time.sleep(0.005)

    def _check(self, able: list[Node], hosts: Hosts, what: str) -> None:
        """Raises `NoRoom` where Ray would search in vain: groups of alike instances one by one, then all together."""
        alike = Counter(tuple(names) for names in hosts)
        for names, count in (*alike.items(), ((), len(hosts))):
            these = [node for node in able if not names or node.name in names]
            if len(these) < count:
                of = len(names) or len(self.nodes())
                raise NoRoom(f"{count} nodes with {what} are needed, {len(these)} of {of} have that")

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

    def _group(self, name: str) -> Any:
        self.ray  # noqa: B018
        from ray.util import get_placement_group

        try:
            return get_placement_group(name)
        except ValueError:
            return None

    def release(self, name: str) -> None:
        """Give the room back; ends the seats in it. May be repeated."""
        if (group := self._group(name)) is not None:
            from ray.util import remove_placement_group

            remove_placement_group(group)

    def seat(self, workload: str, host: str, run: str, node: str) -> Any:
        """The actor of an instance of that run, or its part of its node's; `None` where it has none any more."""
        if not is_alone(run):
            return Shared(self._warden(node), (workload, host, run))
        try:
            return self.ray.get_actor(_name(workload, host, run), NAMESPACE)
        except ValueError:
            return None

    def take(self, workload: str, host: str, run: str, group: str, number: int, gpus: int) -> Any:
        """The same, made when there is none, in its place of the group."""
        self.ray  # noqa: B018
        known.add(workload)
        placed = self._group(group)
        if is_alone(run):
            return self._own(workload, host, run, placed, number, gpus)
        from ray.util.placement_group import placement_group_table

        node = placement_group_table(placed)["bundles_to_node_id"][number]
        return Shared(self._warden(node), (workload, host, run))

    def _own(self, workload: str, host: str, run: str, group: Any, number: int, gpus: int) -> Any:
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        from clary.runtime.cluster.seat import Seat

        actor = self.ray.remote(Seat).options(
            **_lasting(_name(workload, host, run)),
            num_gpus=gpus,
            resources={SLOT: 1},
            max_concurrency=8,
            scheduling_strategy=PlacementGroupSchedulingStrategy(group, number),
        )
        return actor.remote(workload, host, run)

    def _warden(self, node: str) -> Any:
        """The node's; made when there is none. Of a node that is gone, every call fails."""
        ray = self.ray
        with self._wardening:
            if node not in self._wardens:
                from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

                from clary.runtime.cluster.warden import Warden

                slots = next((one.slots for one in self.nodes() if one.id == node), 1)
                actor = ray.remote(Warden).options(
                    **_lasting(f"node/{node}/{VERSION}"),
                    # A question may wait at each of its seats.
                    max_concurrency=4 * slots + 16,
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
                )
                self._wardens[node] = actor.remote()
            return self._wardens[node]

    def end(self, seat: Any) -> None:
        with contextlib.suppress(Exception):
            seat.end() if isinstance(seat, Shared) else self.ray.kill(seat, no_restart=True)

    def forget(self, workload: str) -> None:
        """No node is to go on with it."""
        with contextlib.suppress(Exception):
            self.ray  # noqa: B018
            known.remove(workload)


def _lasting(name: str) -> dict[str, Any]:
    """Options of actors that outlive whoever made them. Restarted on their own node they go on."""
    return {
        "name": name,
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "num_cpus": 0,
        "max_restarts": -1,
    }


def _name(workload: str, host: str, run: str) -> str:
    return f"{workload}/{host}/{run}"


def _selector(able: list[Node], names: Sequence[str]) -> dict[str, str]:
    chosen = [node.id for node in able if node.name in names]
    return {NODE_ID: f"in({','.join(chosen)})"} if chosen else {}


def _knock(address: str) -> None:
    """Raises `OSError` where nobody listens."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    socket.create_connection((host, int(port)), KNOCK_SECONDS).close()


def _named(told: list[dict[str, Any]]) -> list[Node]:
    """Several nodes of one machine are told apart by their ids."""
    names = Counter(one["NodeManagerHostname"] for one in told)
    return [_node(one, alone=names[one["NodeManagerHostname"]] == 1) for one in told]


def _node(told: dict[str, Any], *, alone: bool) -> Node:
    resources, host = told["Resources"], told["NodeManagerHostname"]
    return Node(
        id=told["NodeID"],
        name=host if alone else f"{host}-{told['NodeID'][:8]}",
        address=told["NodeManagerAddress"],
        slots=int(resources[SLOT]),
        cpus=int(resources.get("CPU", 0)),
        memory_bytes=int(resources.get("memory", 0)),
        gpus=int(resources.get("GPU", 0)),
        labels=dict(told.get("Labels") or {}),
    )
