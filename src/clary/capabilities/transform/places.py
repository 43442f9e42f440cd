"""Where things of a transform job lie on this machine, all below the folder of its workload."""

from pathlib import Path

from clary.capabilities.jobs import staging


class Staging(staging.Staging):
    """Its objects, dealt out to the hosts."""

    def items(self, host: str) -> Path:
        """What the host's driver reads of them (`serving/batch/job.py`), and `path`, which names each output."""
        return self.folder / f"{host}.jsonl"

    def object(self, host: str, number: int) -> Path:
        return self.folder / host / str(number)


def driver(jobs: Path, job: str, host: str) -> Path:
    """The folder of a host's driver. Not right below the workload's, where what holds a lock counts as an instance."""
    return jobs / job / "drivers" / host


def model(jobs: Path, job: str, number: int) -> Path:
    """What the container of this number starts from."""
    return jobs / job / "models" / str(number)
