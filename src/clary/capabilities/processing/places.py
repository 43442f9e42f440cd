"""Where things of a processing job lie, inside its instances and on this machine."""

from pathlib import Path, PurePosixPath

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


class Staging:
    """What is laid out on this machine before the instances start, inside the workload's folder."""

    def __init__(self, jobs: Path, workload: str) -> None:
        self.folder = jobs / workload / "staged"

    def input(self, number: int, host: str | None) -> Path:
        """An input's files: one folder for all hosts, or a host's own. By number, since its name is any text."""
        return self.folder / "inputs" / str(number) / (host or "all")

    @property
    def skeleton(self) -> Path:
        """What /opt/ml/processing begins with: the empty folders of the outputs."""
        return self.folder / "skeleton"
