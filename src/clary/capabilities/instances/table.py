"""What one instance of a type has, for its limits: the catalogue's figures.

A name without figures has no limits; whether it has accelerators is then told by its family.
"""

import re
from typing import NamedTuple

from clary.catalogue import types

GIB = types.GIB
_ACCELERATED = re.compile(r"(p|g|inf|trn|dl)\d")


class Figures(NamedTuple):
    """One instance. `accelerated`: it has accelerators, GPUs or others, that its users count on."""

    cpus: int | None
    memory_bytes: int | None
    gpus: int
    accelerated: bool


def figures(instance_type: str) -> Figures:
    """What is known of `ml.<family>.<size>`."""
    one = types.find(instance_type)
    if one is not None and one.cpus and one.mib:
        return Figures(one.cpus, one.mib * types.MIB, one.gpus, one.acc is not None)
    accelerated = bool(_ACCELERATED.match(instance_type.removeprefix("ml.")))
    return Figures(None, None, 1 if accelerated else 0, accelerated)
