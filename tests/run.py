"""`make test`: the whole suite, in parallel; then again on PostgreSQL what depends on the database.

A run in which no test passed is not green, even if none failed.
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


class Passed:
    """Counts; a pytest plugin."""

    def __init__(self) -> None:
        self.count = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.count += report.when == "call" and report.passed


def main() -> int:
    if sys.argv[1:]:
        return _run(sys.argv[1:])
    return _run([]) or _on_postgresql()


def _run(arguments: list[str]) -> int:
    passed = Passed()
    spread = ["-n", WORKERS, "-p", "tests.scheduling", "--no-loadscope-reorder", "-rs"]
    code = pytest.main([*spread, *arguments], plugins=[passed])
    return int(code) if passed.count else int(code) or int(pytest.ExitCode.NO_TESTS_COLLECTED)


def _on_postgresql() -> int:
    """In a fresh interpreter: which database is used is settled at import."""
    here = Path(__file__).parent
    chosen = [str(here / name) for name in ON_POSTGRESQL]
    environ = os.environ | {"CLARY_TEST_DATABASE": "postgresql"}
    print("The same on PostgreSQL:", *ON_POSTGRESQL, flush=True)
    return subprocess.run([sys.executable, __file__, *chosen], env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
