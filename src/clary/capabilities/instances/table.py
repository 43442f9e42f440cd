"""vCPU, memory and GPUs of instance types: EC2's figures for the type without `ml.`, as rules where families have one.

The names themselves are AWS's enums; a name without figures here has no limits.
"""

import re
from typing import NamedTuple

GIB = 1024**3


class Figures(NamedTuple):
    """One instance. `accelerated`: it has accelerators, GPUs or others, that its users count on."""

    cpus: int | None
    memory_bytes: int | None
    gpus: int
    accelerated: bool


_GIB_PER_CPU = {"m": 4.0, "c": 2.0, "r": 8.0}
"""By the first letter of a family with the usual shape: m5, c6i, r7i, m8g, ..."""
_USUAL = re.compile(r"[mcr]\d+[a-z-]*")
_SIZE = re.compile(r"(\d*)xlarge")
_ACCELERATED = re.compile(r"(p|g|inf|trn|dl)\d")

_EXACT: dict[str, tuple[int, float, int]] = {
    "t2.medium": (2, 4, 0),
    "t2.large": (2, 8, 0),
    "t2.xlarge": (4, 16, 0),
    "t2.2xlarge": (8, 32, 0),
    "t3.medium": (2, 4, 0),
    "t3.large": (2, 8, 0),
    "t3.xlarge": (4, 16, 0),
    "t3.2xlarge": (8, 32, 0),
    "c4.large": (2, 3.75, 0),
    "c4.xlarge": (4, 7.5, 0),
    "c4.2xlarge": (8, 15, 0),
    "c4.4xlarge": (16, 30, 0),
    "c4.8xlarge": (36, 60, 0),
    "c5n.xlarge": (4, 10.5, 0),
    "c5n.2xlarge": (8, 21, 0),
    "c5n.4xlarge": (16, 42, 0),
    "c5n.9xlarge": (36, 96, 0),
    "c5n.18xlarge": (72, 192, 0),
    "p2.xlarge": (4, 61, 1),
    "p2.8xlarge": (32, 488, 8),
    "p2.16xlarge": (64, 732, 16),
    "p3.2xlarge": (8, 61, 1),
    "p3.8xlarge": (32, 244, 4),
    "p3.16xlarge": (64, 488, 8),
    "p3dn.24xlarge": (96, 768, 8),
    "p4d.24xlarge": (96, 1152, 8),
    "p4de.24xlarge": (96, 1152, 8),
    "p5.4xlarge": (16, 256, 1),
    "p5.48xlarge": (192, 2048, 8),
    "p5e.48xlarge": (192, 2048, 8),
    "p5en.48xlarge": (192, 2048, 8),
    "g4dn.xlarge": (4, 16, 1),
    "g4dn.2xlarge": (8, 32, 1),
    "g4dn.4xlarge": (16, 64, 1),
    "g4dn.8xlarge": (32, 128, 1),
    "g4dn.12xlarge": (48, 192, 4),
    "g4dn.16xlarge": (64, 256, 1),
    **{
        f"{family}.{size}": (cpus, cpus * share, gpus)
        for family, share in (("g5", 4), ("g6", 4), ("g6e", 8))
        for size, cpus, gpus in (
            ("xlarge", 4, 1),
            ("2xlarge", 8, 1),
            ("4xlarge", 16, 1),
            ("8xlarge", 32, 1),
            ("12xlarge", 48, 4),
            ("16xlarge", 64, 1),
            ("24xlarge", 96, 4),
            ("48xlarge", 192, 8),
        )
    },
    "inf1.xlarge": (4, 8, 0),
    "inf2.xlarge": (4, 16, 0),
    "trn1.2xlarge": (8, 32, 0),
    "trn1.32xlarge": (128, 512, 0),
}
"""Type without `ml.` to vCPU, GiB, GPUs."""


def figures(instance_type: str) -> Figures:
    """What is known of `ml.<family>.<size>`."""
    name = instance_type.removeprefix("ml.")
    family, _, size = name.partition(".")
    accelerated = bool(_ACCELERATED.match(family))
    if name in _EXACT:
        cpus, gibibytes, gpus = _EXACT[name]
        return Figures(cpus, int(gibibytes * GIB), gpus, accelerated)
    count = _cpus(size)
    if count is None or not _USUAL.fullmatch(family):
        return Figures(None, None, 1 if accelerated else 0, accelerated)
    return Figures(count, int(count * _GIB_PER_CPU[family[0]] * GIB), 0, accelerated)


def _cpus(size: str) -> int | None:
    """Four for each `x`, the rule of all usual families; `large` is half of one."""
    if size in ("medium", "large"):
        return 1 if size == "medium" else 2
    found = _SIZE.fullmatch(size)
    return None if found is None else 4 * int(found[1] or 1)
