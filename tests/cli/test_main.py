"""What the command line accepts and says."""

import resource
import statistics
import subprocess
import sys

import pytest
from tests.servers import Clary

from clary.cli.main import app

ENV_SECONDS = 0.5
"""Of processor time, because the suite shares its cores; alone it takes 0.12 s by the clock."""


def test_env_before_the_first_start_says_what_to_do(clary_home: Clary) -> None:
    ran = clary_home.command("env")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"clary: No keys in {clary_home.home} yet. Start Clary first: clary up\n"


def test_env_is_quick_enough_for_a_shell_profile(clary_home: Clary) -> None:
    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def once() -> float:
        before = spent()
        clary_home.command("env")
        return spent() - before

    assert statistics.median(once() for _ in range(5)) < ENV_SECONDS


def test_a_wrong_setting_is_named(clary_home: Clary) -> None:
    clary_home.home.mkdir()
    (clary_home.home / "clary.toml").write_text("prot = 1\n")
    ran = clary_home.command("env")
    assert ran.returncode == 2
    assert "prot" in ran.stderr and "Traceback" not in ran.stderr


@pytest.mark.parametrize("words", [[], ["dance"], ["env", "--nonsense"], ["run"], ["logs"]])
def test_wrong_words_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        app(words)
    assert refused.value.code == 2


def test_a_reader_that_has_seen_enough(clary_home: Clary) -> None:
    command = [sys.executable, "-u", "-m", "clary.cli", "coverage"]
    ran = subprocess.Popen(command, env=clary_home.environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with ran:
        assert ran.stdout and ran.stderr
        ran.stdout.close()
        assert ran.stderr.read() == b""
    assert ran.returncode == 1
