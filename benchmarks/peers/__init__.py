"""The programs Clary is measured beside: each in its own environment from a lock file here, in its usual set-up."""

from pathlib import Path

from tests.servers import CACHE

from clary.cli import clients

HERE = Path(__file__).parent


def environment(name: str) -> Path:
    """The peer's virtual environment, built when it is not there."""
    return clients.environment(HERE / f"{name}.txt", CACHE / "peers", print)


def version(name: str, package: str | None = None) -> str:
    """`name version`, as its lock file says."""
    wanted = f"{package or name}=="
    lines = (HERE / f"{name}.txt").read_text().splitlines()
    found = next(line for line in lines if line.startswith(wanted))
    return f"{package or name} {found.removeprefix(wanted)}"
