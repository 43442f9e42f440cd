"""The modules that a model's own code brings: two models may each have an `inference.py`, and neither sees the other's.

Only one model's modules and search path are in place at a time. Models without code of their own need none of it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


class Own:
    """What the code below one folder has imported from there, and where it looks for more."""

    def __init__(self, folder: Path) -> None:
        self._folder = f"{folder}/"
        self._modules: dict[str, ModuleType] = {}
        self._path: list[str] = []
        self._count = 0

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Its modules are found inside, as if no other model were there. By one thread at a time."""
        sys.modules.update(self._modules)
        sys.path[:0] = self._path
        try:
            yield
        finally:
            self._put_away()

    def _put_away(self) -> None:
        # What was imported since; looking through all that is loaded would take longer than many a call.
        if len(sys.modules) != self._count:
            self._modules = {name: module for name, module in list(sys.modules.items()) if self._is_own(module)}
        for name in self._modules:
            sys.modules.pop(name, None)
        self._count = len(sys.modules) + len(self._modules)
        self._path = [entry for entry in dict.fromkeys(sys.path) if f"{entry}/".startswith(self._folder)]
        sys.path[:] = [entry for entry in sys.path if not f"{entry}/".startswith(self._folder)]

    def _is_own(self, module: ModuleType) -> bool:
        file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "")
        return file.startswith(self._folder)
