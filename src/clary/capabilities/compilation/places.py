"""Where things of a compilation job lie, inside its instance and on this machine."""

from pathlib import Path

from clary.capabilities.jobs import staging

CONFIG, ARCHIVE = "/opt/ml/input/config/compilationjob.json", "/opt/ml/input/archive"
MODEL, OUTPUT, UNPACKED = "/opt/ml/model", "/opt/ml/output", "/opt/ml/unpacked"
NAME = "model.tar.gz"
"""Of the input, whatever its key is."""


class Staging(staging.Staging):
    """What is laid out of a compilation job's input."""

    @property
    def input(self) -> Path:
        """A folder with nothing but the archive."""
        return self.folder / "input"
