"""The nodes of the cluster as last seen, in a file of the home: for processes that do not talk to Ray themselves.

The controller writes it (`cluster.nodes`), the fleet reads it.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from clary.runtime import shims

FILE = "nodes.json"


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A living node that takes instances. What Ray does not say of it is 0."""

    id: str
    name: str
    """Its host's name; where several nodes are on one host, with the start of the id."""
    address: str
    slots: int
    cpus: int = 0
    memory_bytes: int = 0
    gpus: int = 0
    labels: dict[str, str] = {}


_read_nodes = msgspec.json.Decoder(tuple[Node, ...]).decode


def write(home: Path, nodes: Iterable[Node]) -> None:
    """Replaced when something is different, and only then."""
    told = msgspec.json.encode(sorted(nodes, key=lambda node: node.name))
    if not (home / FILE).exists() or (home / FILE).read_bytes() != told:
        shims.replace(home / FILE, told)


def known(home: Path) -> bool:
    """Whether the home's instances run on a cluster, which was seen."""
    return (home / FILE).exists()


def forget(home: Path) -> None:
    """They run here now."""
    (home / FILE).unlink(missing_ok=True)


def read(home: Path) -> tuple[Node, ...]:
    """In the order of names; none before the cluster was first seen."""
    try:
        return _read_nodes((home / FILE).read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        # A power cut may have left it empty.
        return ()
