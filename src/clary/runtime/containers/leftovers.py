"""Removing what a killed shim or a crashed backend left in the engine."""

import contextlib

from clary.runtime.containers import network
from clary.runtime.containers.engine import Engine
from clary.runtime.shim import container
from clary.runtime.shim.spec import Spec


def sweep(told: Spec) -> None:
    """End an instance's container and take back its files."""
    container.forget(told["container"])


def close(told: Spec, workload_id: str) -> None:
    """Remove the workload's network, once its containers are gone."""
    with contextlib.suppress(ValueError):
        network.close_network(workload_id, Engine(told["container"]["engine"]))
