"""Where things of a processing job lie, inside its instances and on this machine."""

from pathlib import Path, PurePosixPath

from clary.capabilities.jobs import staging

CONFIG, OUTPUT = "/opt/ml/config", "/opt/ml/output"
PROCESSING = PurePosixPath("/opt/ml/processing")


class BadPath(ValueError):
    """Not a path that a job may use."""


def local(path: str) -> PurePosixPath:
    """A LocalPath: absolute, at or below /opt/ml/processing, and without a way up."""
    found = PurePosixPath(path)
    if ".." in found.parts or "\0" in path or not found.is_relative_to(PROCESSING):
        raise BadPath(path)
    return found


def overlap(one: PurePosixPath, other: PurePosixPath) -> bool:
    """Whether one holds the other."""
    return one.is_relative_to(other) or other.is_relative_to(one)


class Staging(staging.Staging):
    """What is laid out of a processing job's input."""

    def input(self, number: int, host: str | None) -> Path:
        """An input's files: one folder for all hosts, or a host's own. By number, since its name is any text."""
        return self.folder / "inputs" / str(number) / (host or "all")

    def pipe(self, number: int) -> Path:
        """What an input in Pipe mode streams (`runtime/pipes.py`), to all hosts."""
        return self.folder / "pipes" / str(number)

    @property
    def skeleton(self) -> Path:
        """What /opt/ml/processing begins with: the empty folders of the outputs."""
        return self.folder / "skeleton"
