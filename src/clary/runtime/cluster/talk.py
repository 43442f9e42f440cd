"""What the controller and a seat say to each other, as plain JSON."""

import msgspec

from clary.runtime.cluster.parcel import Piece, Wanted
from clary.runtime.remote_socket import Address
from clary.runtime.workload import InstanceState


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the controller has already, what it wants (`stop` and `kill`), and a piece that the node wanted."""

    log: int = 0
    metrics: int = 0
    wait: float = 0.0
    requests: tuple[str, ...] = ()
    state: InstanceState | None = None
    address: Address | None = None
    piece: Piece | None = None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is new. `state` is `None` on a node that has no such instance."""

    node: str
    state: InstanceState | None = None
    log: bytes = b""
    metrics: bytes = b""
    more: bool = False
    """There is more of the log or the metrics."""
    address: Address | None = None
    """Where callers of its model server are let in."""
    wanted: Wanted | None = None
    """Without it, it cannot begin."""

    def is_news(self, asked: Asked) -> bool:
        """To who asked that."""
        changed = self.state != asked.state or self.address != asked.address
        return bool(self.log or self.metrics or self.wanted or changed)


class Found(msgspec.Struct, frozen=True, array_like=True):
    """Something in an output folder. `mode` includes the file type; `link`: where a link points. Names are hex."""

    path: str
    mode: int
    size: int
    changed: int
    link: str = ""


class Survey(msgspec.Struct, frozen=True):
    """Of an output folder: everything in it, parents first. `None` on a node that has no such instance."""

    node: str
    found: list[Found] | None


read_asked = msgspec.json.Decoder(Asked).decode
read_survey = msgspec.json.Decoder(Survey).decode
_read_told = msgspec.json.Decoder(Told).decode


def answer(told: bytes) -> Told:
    return _read_told(told)


def alone(run: str) -> str:
    """The run's name where its instances have an actor each."""
    return f"alone-{run}"


def is_alone(run: str) -> bool:
    return run.startswith("alone-")
