"""Where this Clary's instances can be: hosts, each in a Region and a zone, and the instance types that each carries.

A fleet file (TOML or JSON, the setting `fleet`) lists hosts, or the nodes of a Ray cluster are the hosts. Without
either, this machine is the only one, and carries every type that it can honour. A host that names no Region is in the
zone `<region>a` of whatever Region is asked for.
"""

import re
import tomllib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import msgspec

from clary.catalogue import types
from clary.catalogue.types import InstanceType

LARGEST_FILE = 1024 * 1024

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


class Host(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One machine. `region` and `zone` are empty where it stands in any; never in a file.

    `types` are names or patterns such as `ml.m5.*`; figures that are not given limit nothing."""

    name: Name
    region: str
    zone: str
    types: tuple[str, ...] = ("*",)
    cpus: Annotated[int, msgspec.Meta(gt=0, le=1_000_000)] | None = None
    memory_gib: Annotated[float, msgspec.Meta(gt=0, le=10_000_000)] | None = None
    gpus: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[hosts]]` tables in TOML, or `{"hosts": [...]}`."""

    hosts: tuple[Host, ...] = ()


# Prepared while one thread imports: msgspec does it at the first use of a class, and crashes if two threads are first.
msgspec.json.Decoder(File)


class Fleet:
    """`listed` gives the hosts, whenever it is asked; `home` is the Region where none of them names one."""

    def __init__(self, home: str, listed: Callable[[], tuple[Host, ...]], gpu_types_on_cpu: bool = False) -> None:
        self._home = home
        self._listed = listed
        self._gpu_types_on_cpu = gpu_types_on_cpu

    def anywhere(self) -> tuple[Host, ...]:
        """All hosts, in whatever Region."""
        return self._listed()

    @property
    def regions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(host.region or self._home for host in self._listed())) or (self._home,)

    def hosts(self, region: str) -> tuple[Host, ...]:
        if region not in types.regions():
            return ()
        return tuple(_settled(host, region) for host in self._listed() if host.region in ("", region))

    def zones(self, region: str) -> list[str]:
        return sorted({host.zone for host in self.hosts(region)})

    def carries(self, host: Host, one: InstanceType) -> bool:
        """Its list has the type, and it has the GPUs. CPU and memory may be fewer: the type is capped."""
        if one.cpus is None or not lists(host, one.name):
            return False
        return one.acc is None or self._gpu_types_on_cpu or 0 < one.gpus <= host.gpus

    def types(self, region: str, zone: str = "") -> Iterator[InstanceType]:
        """What some host of the Region, or of one zone, carries, in the catalogue's order."""
        hosts = [host for host in self.hosts(region) if zone in ("", host.zone)]
        return (one for one in types.every().values() if any(self.carries(host, one) for host in hosts))


def lists(host: Host, instance_type: str) -> bool:
    """Whether the type is one of those that the host is said to have, whatever it really has."""
    return any(fnmatchcase(instance_type, pattern) for pattern in host.types)


def _settled(host: Host, region: str) -> Host:
    return host if host.region else msgspec.structs.replace(host, region=region, zone=f"{region}a")


def zone_id(zone: str) -> str:
    """An id in AWS's form. Which letter has which number differs by account on AWS; here a is 1, b is 2, ..."""
    start, *_, number = zone[:-1].replace("us-gov-", "usg-").split("-")
    directions = re.findall("north|south|central|east|west", zone)
    return f"{start}{''.join(word[0] for word in directions)}{number}-az{ord(zone[-1]) - ord('a') + 1}"


def read(file: Path) -> tuple[Host, ...]:
    """The hosts of a fleet file. Raises `msgspec.ValidationError`, as a wrong setting does, naming what is wrong."""
    try:
        hosts = msgspec.convert(_document(file), File).hosts
    except msgspec.ValidationError as error:
        raise _wrong(file, str(error)) from error
    if not hosts:
        raise _wrong(file, "it has no [[hosts]]")
    for host in hosts:
        if why := wrong(host) if host.region else "'' is not an AWS Region":
            raise _wrong(file, f"host {host.name}: {why}")
    names = [host.name for host in hosts]
    if twice := {name for name in names if names.count(name) > 1}:
        raise _wrong(file, f"host names must be unique, and {min(twice)} is there twice")
    return hosts


def _document(file: Path) -> Any:
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise _wrong(file, "it is larger than 1 MiB")
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(file, f"it cannot be read: {error}") from error
    try:
        return msgspec.json.decode(text) if file.suffix == ".json" else tomllib.loads(text)
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise _wrong(file, str(error)) from error


def wrong(host: Host) -> str:
    """What is wrong with its Region and zone, where it names them, or with its types; else empty."""
    if host.region and host.region not in types.regions():
        return f"{host.region!r} is not an AWS Region"
    if host.region and not re.fullmatch(f"{host.region}[a-z]", host.zone):
        return f"{host.zone!r} is not a zone of {host.region}, such as {host.region}a"
    unknown = (pattern for pattern in host.types if not any(fnmatchcase(name, pattern) for name in types.every()))
    return next((f"there is no instance type {pattern!r}" for pattern in unknown), "")


def _wrong(file: Path, why: str) -> msgspec.ValidationError:
    return msgspec.ValidationError(f"fleet file {file}: {why}")
