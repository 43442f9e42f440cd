"""`make test`: the whole suite, in parallel; then again on PostgreSQL what depends on the database.

A run in which no test passed is not green, even if none failed.

The suite starts real engines, clusters and servers, and one test in thousands may fail because the machine was busy at
the wrong moment. So a few that failed are run once more, each by itself. One that fails again fails the run. One that
passes does not, but is called unsteady at the end of the output: its first failure is above, and is a fault of ours.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKERS = str(min((os.cpu_count() or 1) + 1, 4))
"""One more than cores: many tests mostly wait, for clients that sleep and for processes that end."""
ON_POSTGRESQL = (
    "resources",
    "companions",
    "objects",
    "capabilities/instances",
    "capabilities/models",
    "capabilities/jobs/test_full_disk.py",
    "capabilities/endpoints/test_lifecycle.py",
)
"""Tests whose subject keeps or reads records; of what runs models, only where lists and states are the subject."""
FEW = 3
"""Most failures that may be bad luck."""
ALONE = "--alone"
"""First argument of a second try."""


class Outcomes:
    """What became of the tests; a pytest plugin."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: set[str] = set()
        self.whole = True
        """Every test had its turn, and no worker crashed."""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.whole &= not report.failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.passed += report.when == "call" and report.passed
        if report.failed:
            self.failed.add(report.nodeid)
        # xdist has another word where the worker crashed.
        self.whole &= report.when in ("setup", "call", "teardown")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.whole &= not (session.shouldfail or session.shouldstop)


def main() -> int:
    arguments = sys.argv[1:]
    if arguments[:1] == [ALONE]:
        return _run(["-n0", *arguments[1:]])[0]
    code, failed = _run(arguments)
    unsteady: list[str] = []
    if failed:
        code = _again(failed, unsteady)
    if not arguments:
        code = code or _on_postgresql()
    for name in unsteady:
        print(f"!!! unsteady: {name} failed, and passed when it was run again. See its failure above.", flush=True)
    return code


def _run(arguments: list[str]) -> tuple[int, list[str]]:
    """The exit code, and the failed tests that a second try is for."""
    seen = Outcomes()
    spread = ["-n", WORKERS, "-p", "tests.scheduling", "--no-loadscope-reorder", "-rs"]
    code = pytest.main([*spread, *arguments], plugins=[seen])
    if not seen.passed and code == pytest.ExitCode.OK:
        code = pytest.ExitCode.NO_TESTS_COLLECTED
    again = code == pytest.ExitCode.TESTS_FAILED and seen.whole and len(seen.failed) <= FEW
    return int(code), sorted(seen.failed) if again else []


def _again(failed: list[str], unsteady: list[str]) -> int:
    """One after the other, each in a fresh process with nothing beside it. The first that fails again ends it."""
    for name in failed:
        print(f"Once more, by itself: {name}", flush=True)
        code = subprocess.run([sys.executable, __file__, ALONE, name], check=False).returncode
        if code:
            return code
        unsteady.append(name)
    return 0


def _on_postgresql() -> int:
    """In a fresh interpreter: which database is used is settled at import."""
    here = Path(__file__).parent
    chosen = [str(here / name) for name in ON_POSTGRESQL]
    environ = os.environ | {"CLARY_TEST_DATABASE": "postgresql"}
    print("The same on PostgreSQL:", *ON_POSTGRESQL, flush=True)
    return subprocess.run([sys.executable, __file__, *chosen], env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
