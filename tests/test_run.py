"""`tests/run.py` over tiny suites: what a second try is for, and what it cannot make green."""

import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")
ONCE = """
from pathlib import Path

def test_once():
    seen = Path("seen")
    first = not seen.exists()
    seen.touch()
    assert not first, "the machine was busy"
"""
GOOD = "def test_good(): pass\n"


def _run(folder: Path, suite: str, *options: str) -> tuple[int, str]:
    # Importing hypothesis would take most of the time.
    lean = "-q -p no:cacheprovider -p no:hypothesispytest"
    (folder / "pytest.ini").write_text(f"[pytest]\naddopts = {lean}\npythonpath = {RUN.parents[1]}\n")
    (folder / "test_tiny.py").write_text(suite)
    done = subprocess.run(
        [sys.executable, RUN, *options, "test_tiny.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def test_one_that_passes_the_second_time_is_named_below_its_failure(tmp_path: Path) -> None:
    code, said = _run(tmp_path, GOOD + ONCE, "-n1")
    *_, last = said.splitlines()
    assert (code, last.split(": ")[0]) == (0, "!!! unsteady")
    assert "test_tiny.py::test_once" in last and said.count("AssertionError: the machine was busy") == 1


def test_one_that_fails_twice_fails_the_run(tmp_path: Path) -> None:
    suite = f"{GOOD}{ONCE}def test_bad(): assert False\n"
    code, said = _run(tmp_path, suite, "-n0")
    assert (code, "!!! unsteady: test_tiny.py::test_once" in said) == (1, False)
    assert [line for line in said.splitlines() if line.startswith("Once more")] == [
        "Once more, by itself: test_tiny.py::test_bad"
    ]


@pytest.mark.parametrize(
    ("suite", "options", "code"),
    [
        (GOOD + "".join(f"def test_bad{number}(): assert False\n" for number in range(4)), ["-n0"], 1),
        (GOOD + ONCE, ["-n0", "-x"], 1),
        (ONCE + "import nothing_of_this_name\n", ["-n0"], 2),
        (f"{GOOD}import os\ndef test_crash(): os._exit(1)\n", ["-n1"], 1),
        ("import pytest\n@pytest.mark.skip\ndef test_skipped(): pass\n", ["-n0"], 5),
    ],
    ids=["four that fail", "not all run", "an error at collection", "a worker that crashed", "none that passed"],
)
def test_there_is_no_second_try_for(tmp_path: Path, suite: str, options: list[str], code: int) -> None:
    found, said = _run(tmp_path, suite, *options)
    assert (found, "Once more" in said) == (code, False), said


def test_one_that_is_only_skipped_the_second_time_fails_the_run(tmp_path: Path) -> None:
    suite = GOOD + ONCE.replace("assert not first", "import pytest; first or pytest.skip(); assert not first")
    code, said = _run(tmp_path, suite, "-n0")
    assert (code, "unsteady" in said) == (5, False)
