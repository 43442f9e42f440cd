"""The same backend for a user without any rights: the suite runs again as one, in a process of its own.

Only root can become somebody else. The interpreter and the checkout may lie where that user could not even look, so
the run gets a mount namespace in which the folders above them are passable.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

USER = "12345"
REPOSITORY = Path(__file__).parents[2]

PASSABLE = """set -e
mkdir -p "$STAGE/interpreter"
mount --bind "$PREFIX" "$STAGE/interpreter"
case "$PREFIX" in
/root/*)
    mount -t tmpfs -o mode=755 tmpfs /root
    mkdir -p "$PREFIX"
    mount --bind "$STAGE/interpreter" "$PREFIX" ;;
esac
exec setpriv --reuid "$ID" --regid "$ID" --clear-groups --no-new-privs -- "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="these tests already run without rights")
@pytest.mark.skipif(not shutil.which("setpriv") or not shutil.which("unshare"), reason="util-linux is not here")
@pytest.mark.timeout(900)
def test_the_suite_passes_for_a_user_without_rights(tmp_path: Path) -> None:
    stage = Path("/tmp") / f"clary-unprivileged-{os.getpid()}"
    home = stage / "home"
    home.mkdir(parents=True)
    stage.chmod(0o755)
    os.chown(home, int(USER), int(USER))
    variables = {"STAGE": str(stage), "PREFIX": sys.base_prefix, "ID": USER, "PATH": os.environ["PATH"]}
    tests = [f"tests/runtime/{name}.py" for name in ("test_local", "test_network", "test_escape")]
    command = [sys.executable, "-m", "pytest", "--basetemp", str(home / "t"), "-k", "not Plain", *tests]
    environment = variables | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}
    try:
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", PASSABLE, "sh", *command],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert " passed" in done.stdout
