"""A capability or companion as `app.py` assembles it: its kinds, its special operations, its reconcilers."""

from dataclasses import dataclass

from clary.resources.kinds import Kind
from clary.resources.reconcile import Reconciler
from clary.wire.operations import Operation


@dataclass(frozen=True, slots=True)
class Capability:
    name: str
    kinds: tuple[Kind, ...] = ()
    operations: tuple[Operation, ...] = ()
    """What the common verbs of the kinds cannot say; an operation here replaces the generic verb of that name."""
    reconcilers: tuple[Reconciler, ...] = ()
