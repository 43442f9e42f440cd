"""Which image repositories exist, as `app.py` tells it: the runtime knows the images, companions may not ask it."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple


class Repository(NamedTuple):
    """One repository of a registry. `tags` are those that can be run here."""

    registry: str
    """The account that owns it, e.g. 763104351884."""
    name: str
    tags: tuple[str, ...] = ()


class Repositories:
    """The known repositories of a region. A `Parts` member."""

    def __init__(self, known: Callable[[str], Mapping[str, Mapping[str, tuple[str, ...]]]]) -> None:
        """`known(region)` gives registry → repository name → tags."""
        self._known = known

    def of(self, region: str, registry: str) -> Iterator[Repository]:
        """In name order."""
        for name, tags in sorted(self._known(region).get(registry, {}).items()):
            yield Repository(registry, name, tuple(sorted(tags)))

    def find(self, region: str, registry: str, name: str) -> Repository | None:
        tags = self._known(region).get(registry, {}).get(name)
        return None if tags is None else Repository(registry, name, tuple(sorted(tags)))
