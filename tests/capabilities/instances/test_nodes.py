"""The nodes of a cluster as hosts of the fleet, and where instances are placed among them."""

from pathlib import Path
from typing import Any

import pytest

from clary.capabilities.instances import NoCapacity, fleet, place
from clary.capabilities.instances.nodes import hosts, labels
from clary.catalogue.fleet import Host
from clary.catalogue.types import GIB
from clary.runtime import roster
from clary.runtime.backend import Away
from clary.runtime.roster import Node
from clary.settings import Settings
from clary.wire.context import Parts

HERE, FAR = "us-east-1", "eu-west-1"


def node(name: str, cpus: int = 8, gib: int = 32, gpus: int = 0, **labelled: Any) -> Node:
    told = labels(**labelled) if labelled else {}
    return Node(
        id=f"id-{name}",
        name=name,
        address="10.0.0.1",
        slots=1,
        cpus=cpus,
        memory_bytes=gib * GIB,
        gpus=gpus,
        labels=told,
    )


SMALL = node("small", cpus=2, gib=4)
LARGE = node("large", region=HERE, zone="us-east-1b", types=("ml.m5", "ml.g5.xlarge"), gpus=1)
AWAY = node("away", region=FAR, zone="eu-west-1c", types=("ml.m5.*",))


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    settings = Settings(home=tmp_path, backend="ray", region=HERE)
    return Parts(settings, fleet(settings))


def test_labels_say_where_a_node_stands_and_what_it_carries(tmp_path: Path) -> None:
    wrong = node("wrong", region="atlantis-1", zone="atlantis-1a", types=())
    roster.write(tmp_path, [wrong, SMALL, LARGE])
    assert hosts(tmp_path) == (
        Host(
            name="large",
            region=HERE,
            zone="us-east-1b",
            types=("ml.g5.xlarge", "ml.m5.*"),
            cpus=8,
            memory_gib=32,
            gpus=1,
        ),
        Host(name="small", region="", zone="", cpus=2, memory_gib=4),
    )


def test_the_fleet_follows_the_nodes(tmp_path: Path) -> None:
    of_nodes = fleet(Settings(home=tmp_path, backend="ray", region=HERE))
    assert (of_nodes.regions, of_nodes.hosts(HERE)) == ((HERE,), ())
    roster.write(tmp_path, [SMALL, AWAY])
    assert (set(of_nodes.regions), of_nodes.zones(FAR)) == ({HERE, FAR}, ["eu-west-1a", "eu-west-1c"])


@pytest.mark.parametrize(
    ("region", "types", "expected", "cpus", "memory", "gpus"),
    [
        (HERE, ["ml.m5.large"], (("large",),), 2, 8, 0),
        (HERE, ["ml.m5.large"] * 2, (("large", "small"),) * 2, 2, 4, 0),
        (HERE, ["ml.g5.xlarge"], (("large",),), 4, 16, 1),
        (HERE, ["ml.g5.xlarge", "ml.c5.xlarge"], (("large",), ("small",)), 2, 4, 0),
        (FAR, ["ml.m5.xlarge"], (("away",),), 4, 16, 0),
    ],
)
def test_instances_go_where_their_type_is(
    parts: Parts, tmp_path: Path, region: str, types: list[str], expected: Any, cpus: int, memory: int, gpus: int
) -> None:
    roster.write(tmp_path, [SMALL, LARGE, AWAY])
    placing = place(parts, region, types)
    given = placing.fit.limits
    assert (placing.hosts, given.cpus, given.memory_bytes, given.gpus) == (expected, cpus, memory * GIB, gpus)


def test_what_no_node_carries_is_refused_in_awss_words(parts: Parts, tmp_path: Path) -> None:
    roster.write(tmp_path, [LARGE])
    with pytest.raises(NoCapacity, match=r"^CapacityError: Unable .* No node in the Region carries ml.c5.xlarge\.$"):
        place(parts, HERE, ["ml.c5.xlarge"])
    roster.write(tmp_path, [SMALL])
    with pytest.raises(NoCapacity, match=r"Node small has no GPU, ml\.g5.xlarge has 1 GPU"):
        place(parts, HERE, ["ml.g5.xlarge"])


def test_without_any_node_it_waits(parts: Parts) -> None:
    with pytest.raises(Away, match="no node of the Ray cluster"):
        place(parts, HERE, ["ml.m5.large"])
