"""`make test`: the whole suite, in parallel, with one closing line that tells how it went.

A run in which no test passed is not green, even if none failed.
"""

import os
import sys

import pytest

WORKERS = str(min(os.cpu_count() or 1, 4))


class Passed:
    """Counts; a pytest plugin."""

    def __init__(self) -> None:
        self.count = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.count += report.when == "call" and report.passed


def main() -> int:
    passed = Passed()
    # Journeys and other tests of one group share a server; everything else goes where there is room.
    code = pytest.main(["-n", WORKERS, "--dist", "loadgroup", *sys.argv[1:]], plugins=[passed])
    return int(code) if passed.count else int(code) or int(pytest.ExitCode.NO_TESTS_COLLECTED)


if __name__ == "__main__":
    sys.exit(main())
