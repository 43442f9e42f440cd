"""A state machine: which status may follow which."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """`edges` maps a status to those that may follow; a status without edges is final."""

    start: str
    edges: Mapping[str, frozenset[str]]

    def allows(self, before: str, after: str) -> bool:
        """Whether a record may move, or stay, so."""
        return before == after or after in self.edges.get(before, frozenset())


STATELESS = Machine(start="", edges={})
"""For kinds that only exist, such as a model or an endpoint configuration."""
