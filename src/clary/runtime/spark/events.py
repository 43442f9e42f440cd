"""Spark's event logs: copied while they grow into the folder that the job uploads, as AWS's container does."""

import contextlib
import shutil
import threading
from pathlib import Path

EVERY_SECONDS = 5.0


class Events(threading.Thread):
    """`source` is where Spark writes. Without a target nothing is written nor copied."""

    def __init__(self, source: Path, target: Path | None) -> None:
        super().__init__(daemon=True)
        self._source, self._target = source, target
        self._over = threading.Event()

    def __enter__(self) -> "Events":
        if self._target:
            self._source.mkdir(parents=True, exist_ok=True)
            self._target.mkdir(parents=True, exist_ok=True)
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._target:
            self.join()
            self._copy(self._target)

    def run(self) -> None:
        while self._target and not self._over.wait(EVERY_SECONDS):
            self._copy(self._target)

    def _copy(self, target: Path) -> None:
        for file in self._source.iterdir():
            with contextlib.suppress(OSError):
                # Spark renames it at the end; who reads it meanwhile should find it by one name.
                shutil.copyfile(file, target / file.name.removesuffix(".inprogress"))
