"""Where things of a training job lie: in S3, on this machine, and inside its instances."""

from pathlib import Path, PurePosixPath

from clary.capabilities.jobs import staging
from clary.resources.records import Record

ML = "/opt/ml"
MODEL, OUTPUT, OUTPUT_DATA = f"{ML}/model", f"{ML}/output", f"{ML}/output/data"
INPUT_DATA, CONFIG = f"{ML}/input/data", f"{ML}/input/config"
CODE = f"{ML}/code"
CHECKPOINTS = f"{ML}/checkpoints"
SOURCE = "/opt/clary/source/sourcedir.tar.gz"
FOLDERS = (MODEL, OUTPUT, OUTPUT_DATA)
"""Writable folders whose content outlives the instances. The rest of /opt/ml is writable too."""


def output_uri(record: Record) -> str:
    """Where the job's results go, without a trailing slash."""
    return f"{record.spec['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{record.name}/output"


def is_compressed(record: Record) -> bool:
    return bool(record.spec["OutputDataConfig"].get("CompressionType", "GZIP") != "NONE")


def model_artifacts(record: Record) -> str:
    """`ModelArtifacts.S3ModelArtifacts`: known before the model is."""
    return f"{output_uri(record)}/{'model.tar.gz' if is_compressed(record) else 'model/'}"


def checkpoint_folder(record: Record) -> str | None:
    """Inside the instances; `None` without checkpoints."""
    config = record.spec.get("CheckpointConfig")
    return None if config is None else str(config.get("LocalPath") or CHECKPOINTS)


def is_folder(path: str) -> bool:
    """Whether a user may choose it for a folder of his own."""
    folder = PurePosixPath(path)
    return folder.is_absolute() and ".." not in folder.parts and len(folder.parts) > 2 and str(folder) != ML


class Staging(staging.Staging):
    """What is laid out of a training job's input."""

    def channel(self, name: str, host: str | None) -> Path:
        """A channel's files: one folder for all hosts, or a host's own."""
        return self.folder / "channels" / (host or "all") / name

    def pipe(self, name: str) -> Path:
        """What a Pipe channel streams (`runtime/pipes.py`), to all hosts."""
        return self.folder / "pipes" / name

    def manifest(self, name: str) -> Path:
        return self.folder / "manifests" / name

    @property
    def source(self) -> Path:
        """The archive of the user's code."""
        return self.folder / "sourcedir.tar.gz"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"
