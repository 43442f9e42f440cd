"""The models that the container counts as loaded: one small file each, seen by all of its workers.

The platform's call reaches one worker. The others load a model when they are first asked for it, and let go of it when
its file is gone.
"""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote


class Register:
    """A folder that is empty when the server starts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def version(self) -> int:
        """Another number after every change."""
        return self._folder.stat().st_mtime_ns

    def add(self, name: str, url: str, cost: int) -> None:
        """`cost`: bytes of memory that it takes in each worker."""
        file = self._file(name)
        new = file.with_name(f".{file.name}.{os.getpid()}")
        new.write_text(json.dumps({"modelName": name, "modelUrl": url, "cost": cost}))
        new.rename(file)

    def remove(self, name: str) -> bool:
        """Whether it was there."""
        try:
            self._file(name).unlink()
        except FileNotFoundError:
            return False
        return True

    def find(self, name: str) -> dict[str, str] | None:
        """As the contract shows a model."""
        found = self._read(name)
        return {key: found[key] for key in ("modelName", "modelUrl")} if found else None

    def cost(self) -> int:
        """Of all of them together."""
        return sum(found["cost"] for name in self.names() if (found := self._read(name)))

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self._file(name).read_text())
        except FileNotFoundError:
            return None
        return found

    def names(self) -> list[str]:
        """Sorted."""
        return sorted(unquote(file.name[2:]) for file in self._folder.iterdir() if file.name.startswith("m-"))

    def _file(self, name: str) -> Path:
        return self._folder / f"m-{quote(name, safe='')}"
