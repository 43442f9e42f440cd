"""The environments of one home: which are there, which are being built."""

import fcntl
import threading
from pathlib import Path

from clary.runtime import java
from clary.runtime.environments import lock
from clary.runtime.environments.build import BuildFailed, build


class Shelf:
    """Builds run in threads of whoever asks first, one at a time for a name over all processes.

    A build that a crash cut short leaves a hidden folder, and the next request starts afresh.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._guard = threading.Lock()
        self._building: dict[str, str] = {}
        self._failed: dict[str, BuildFailed] = {}

    def path(self, name: str, *, gpu: bool = False) -> Path:
        """Where the environment lies, built or not."""
        return self.root / lock.key(name, gpu)

    def prepare(self, name: str, *, gpu: bool = False) -> str | None:
        """`None` when it is there, else progress text. Raises `BuildFailed` once for each failed build; asking
        again tries again."""
        target = self.path(name, gpu=gpu)
        if java.is_missing(name):
            versions = ", ".join(map(str, java.VERSIONS))
            raise BuildFailed(f"the {name} runtime needs a Java of version {versions} on this machine; {java.ADVICE}")
        if target.is_dir():
            return None
        with self._guard:
            if name in self._failed:
                raise self._failed.pop(name)
            if name not in self._building:
                self._building[name] = f"Preparing the {name} runtime"
                threading.Thread(target=self._build, args=(name, gpu, target), daemon=True).start()
            return self._building[name]

    def _build(self, name: str, gpu: bool, target: Path) -> None:
        try:
            self._locked(name, gpu, target)
        except BuildFailed as error:
            self._failed[name] = error
        except OSError as error:
            self._failed[name] = BuildFailed(str(error))
        finally:
            with self._guard:
                del self._building[name]

    def _locked(self, name: str, gpu: bool, target: Path) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f".{target.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not target.is_dir():
                build(name, gpu, target, lambda text: self._building.__setitem__(name, text))
