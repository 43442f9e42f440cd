"""The quotas: one for each use that an instance type can be put to. Names are AWS's; the codes are ours, in AWS's form.

AWS publishes no rule for its codes, so ours are digests of the names: the same on every Clary, for ever.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from clary.catalogue import types

FORMS = {
    "notebook": ("notebook", "{} for notebook instance usage"),
    "training": ("training", "{} for training job usage"),
    "spot": ("training", "{} for spot training job usage"),
    "warm-pool": ("training", "{} for training warm pool usage"),
    "processing": ("processing", "{} for processing job usage"),
    "hosting": ("hosting", "{} for endpoint usage"),
    "transform": ("transform", "{} for transform job usage"),
    "cluster": ("cluster", "{} for cluster usage"),
    "jupyterlab": ("app", "Studio JupyterLab Apps running on {} instances"),
    "kernelgateway": ("app", "Studio KernelGateway Apps running on {} instance"),
}
"""Use to the catalogue's usage that it needs, and to the form of the quota's name."""

DEFAULT = 100_000.0
"""Instances. No limit of Clary's own: what there is no room for waits, and what no host has is a capacity error."""


class Quota(NamedTuple):
    code: str
    name: str


def quota(use: str, instance_type: str) -> Quota:
    name = FORMS[use][1].format(instance_type)
    return Quota(f"L-{hashlib.sha256(name.encode()).hexdigest()[:8].upper()}", name)


@cache
def every() -> Mapping[str, Quota]:
    """All quotas by code, in the order of their names."""
    found = [
        quota(use, name)
        for name, one in types.every().items()
        for use, (usage, _) in FORMS.items()
        if usage in one.uses and name != "system"
    ]
    return {one.code: one for one in sorted(found, key=lambda one: one.name)}
