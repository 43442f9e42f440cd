"""What `clary shell` must find in an instance, as tests for every kind of sandbox. Mixed into a conformance suite."""

import subprocess
import sys

from tests.runtime.backend_conformance import PATIENCE, Bench

ENTER = """import sys
from pathlib import Path
from clary.runtime import entering
try:
    sys.exit(entering.enter(Path(sys.argv[1]), ["/bin/sh", "-c", sys.argv[2]]))
except entering.CannotEnter as error:
    sys.exit(f"refused: {error}")"""
ML = "${SAGEMAKER_BASE_DIR:-/opt/ml}"


class EnteringConformance:
    """A backend's own test module mixes it in."""

    restored = True
    """Whether what has ended can be entered."""

    def test_a_shell_sees_what_the_process_sees(self, bench: Bench) -> None:
        script = (
            f'cd "{ML}/model"; echo mine > file; echo up; while [ ! -e go ]; do sleep 0.02; done; echo heard; sleep 60'
        )
        identity = bench.start("/bin/sh", "-c", script, folders=("/opt/ml/model",), environment={"WORD": "told"})
        bench.says(identity, "up")
        seen = enter(bench, identity, f'cd "{ML}/model"; cat file; echo $WORD; touch go; exit 3')
        assert (seen.returncode, seen.stdout.split()) == (3, ["mine", "told"]), seen.stderr
        bench.says(identity, "heard")

    def test_what_has_ended_is_entered_again_or_refused(self, bench: Bench) -> None:
        script = f'echo kept > "{ML}/model/file"; exit 1'
        identity = bench.start("/bin/sh", "-c", script, folders=("/opt/ml/model",))
        bench.ended(identity)
        seen = enter(bench, identity, f'cat "{ML}/model/file"; exit 3')
        if self.restored:
            assert (seen.returncode, seen.stdout) == (3, "kept\n"), seen.stderr
        else:
            assert (seen.returncode, seen.stderr) == (1, "refused: the container has ended\n")


def enter(bench: Bench, identity: str, line: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ENTER, str(bench.home / "jobs" / identity / "algo-1"), line]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
