"""Instances on the nodes of a Ray cluster (`backend.py`); of Ray only Core is used, where it is needed.

An instance has room in a STRICT_SPREAD placement group and a *seat* (`seat.py`), which runs a `LocalBackend` of its
node for that one instance. Its node's actor holds it (`warden.py`), or it is an actor itself; both are detached. The
controller keeps a copy of what the node says (`mirror.py`) where a local instance would have written it, so that
everybody else reads logs, metrics and outputs as ever.
"""

from clary.runtime.cluster.backend import RayBackend

__all__ = ["RayBackend"]
