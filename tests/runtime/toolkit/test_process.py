"""Starting the user's process, and handing termination on to it."""

import subprocess
import sys

import pytest

SLOW_AFTER_THE_START = """import os, signal, sys, time
from pathlib import Path
from clary.runtime.toolkit import failures, process

def late(frame, event, _):
    if event == "call" and frame.f_code is process._hand_on_termination.__code__:
        time.sleep(0.5)

command = ["/bin/sh", "-c", "trap 'exit 7' TERM; kill -TERM $PPID; sleep 60 & wait"]
signal.signal(signal.SIGTERM, lambda number, _: os._exit(99))
sys.setprofile(late)
"""


@pytest.mark.parametrize(
    "start",
    [
        "sys.exit(process.through(command, os.environ))",
        "sys.exit(process.forked(lambda: os.execv(command[0], command)))",
        """try:
    process.run(command, Path("/"), os.environ)
except failures.ExecuteUserScriptError as error:
    sys.exit(error.code)""",
    ],
)
def test_a_process_hears_of_termination_however_early(start: str) -> None:
    done = subprocess.run([sys.executable, "-c", SLOW_AFTER_THE_START + start], check=False)
    assert done.returncode == 7
