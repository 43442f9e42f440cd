"""Instances on the nodes of a Ray cluster (`backend.py`); of Ray only Core is used, where it is needed.

An instance is a detached actor, its *seat* (`seat.py`), in a STRICT_SPREAD placement group; the seat runs a
`LocalBackend` of its node for that one instance. The controller keeps a copy of what the node says (`mirror.py`) where
a local instance would have written it, so that everybody else reads logs, metrics and outputs as ever.
"""

from clary.runtime.cluster.backend import RayBackend

__all__ = ["RayBackend"]
