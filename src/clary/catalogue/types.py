"""The catalogue of `ml.*` instance types: `types.json`, written by `tools/instance_catalogue.py`, read at first use.

The file names the source of each group of facts. What no source says is absent here, too: `None`, never a guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

FILE = Path(__file__).with_name("types.json")
MIB, GIB = 1024**2, 1024**3


class Accelerators(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`kind` is "gpu" (NVIDIA's), "neuron" or "gaudi"; `mib` is the memory of each, `cores` its Neuron cores."""

    kind: str
    maker: str
    model: str
    count: int
    mib: int
    cores: int = 0


class InstanceType(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One type. `ebs` is baseline and maximum in Mbit/s, `disk` the number of local disks and the GB of each."""

    name: str = ""
    uses: tuple[str, ...]
    """Of `USAGES`: which of AWS's enums have the name."""
    cpus: int | None = None
    mib: int | None = None
    arch: str = ""
    net: str = ""
    ebs: tuple[int, int] | None = None
    disk: tuple[int, int] | None = None
    acc: Accelerators | None = None
    current: bool = False
    """Of the current generation, in EC2's judgement."""
    zones: str = "0"
    """Where EC2 offers the type: bits of the file's zones, in hex."""
    usd: float | None = None

    @property
    def bare(self) -> str:
        """EC2's name for it."""
        return self.name.removeprefix("ml.")

    @property
    def family(self) -> str:
        return self.bare.partition(".")[0]

    @property
    def gpus(self) -> int:
        return self.acc.count if self.acc and self.acc.kind == "gpu" else 0


class Prices(msgspec.Struct, frozen=True):
    """For which Region and usages `usd` is the list price, and as of which day."""

    region: str
    date: str
    usages: tuple[str, ...]


class Document(msgspec.Struct, frozen=True):
    """The whole file."""

    sources: dict[str, str]
    prices: Prices
    regions: dict[str, str]
    zones: tuple[str, ...]
    types: dict[str, InstanceType]


_read_document = msgspec.json.Decoder(Document).decode


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for one instance and hour, on demand."""

    usd: float
    date: str
    source: str


USAGES = ("notebook", "training", "processing", "hosting", "transform", "app", "cluster")


@cache
def document() -> Document:
    found = _read_document(FILE.read_bytes())
    types = {name: msgspec.structs.replace(one, name=name) for name, one in found.types.items()}
    return msgspec.structs.replace(found, types=types)


def every() -> Mapping[str, InstanceType]:
    """All types by name, families together, sizes ascending."""
    return document().types


def find(name: str) -> InstanceType | None:
    return document().types.get(name)


def regions() -> Mapping[str, str]:
    """AWS's Regions with their long names."""
    return document().regions


def offered(one: InstanceType) -> dict[str, list[str]]:
    """Where EC2 offers it: Region to the ids of its zones."""
    bits = int(one.zones, 16)
    found: dict[str, list[str]] = {}
    for number, text in enumerate(document().zones):
        if bits >> number & 1:
            zone, region = text.split()
            found.setdefault(region, []).append(zone)
    return found


def price(one: InstanceType, usage: str, region: str) -> Price | None:
    """The list price, where one is known for this usage and Region."""
    known = document()
    told = known.prices
    if one.usd is None or usage not in told.usages or usage not in one.uses or region != told.region:
        return None
    return Price(one.usd, told.date, known.sources["prices"])
