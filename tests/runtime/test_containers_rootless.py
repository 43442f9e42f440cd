"""The container tests for a user without rights and their own rootless podman, in a process of its own.

As `test_unprivileged.py` does it, with what rootless podman needs besides: a name and ranges of subordinate ids, which
this mount namespace alone sees.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

USER = "12345"
REPOSITORY = Path(__file__).parents[2]
TOOLS = ("podman", "setpriv", "unshare", "newuidmap", "slirp4netns")
SELECTED = (
    "not TakenForDocker and ("
    "exit_code_output or too_much_memory or mounts_are_read_only or another_user or taken_back or find_each_other "
    "or reached_by_its_socket or killed_shim_leaves or used_is_counted or rights_are_limited or does_not_hold "
    "or (container and link) or end_on_the_way)"
)
PASSABLE = """set -e
mkdir -p "$STAGE/interpreter"
mount --bind "$PREFIX" "$STAGE/interpreter"
case "$PREFIX" in
/root/*)
    mount -t tmpfs -o mode=755 tmpfs /root
    mkdir -p "$PREFIX"
    mount --bind "$STAGE/interpreter" "$PREFIX" ;;
esac
for name in passwd group subuid subgid; do touch /etc/$name; mount --bind "$STAGE/$name" /etc/$name; done
mknod -m 666 "$STAGE/tun" c 10 200 && mount --bind "$STAGE/tun" /dev/net/tun || true
exec setpriv --reuid "$ID" --regid "$ID" --clear-groups -- "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"one of {', '.join(TOOLS)} is not here")
@pytest.mark.timeout(400)
def test_containers_run_for_a_user_without_rights(tmp_path: Path) -> None:
    stage = Path("/tmp") / f"clary-rootless-{os.getpid()}"
    home = stage / "home"
    (home / "run").mkdir(parents=True)
    stage.chmod(0o755)
    for path in (home, home / "run"):
        os.chown(path, int(USER), int(USER))
    (home / "run").chmod(0o700)
    for name in ("passwd", "group"):
        (stage / name).write_text(Path("/etc", name).read_text())
    with (stage / "passwd").open("a") as file:
        file.write(f"clary-test:x:{USER}:{USER}::{home}:/bin/sh\n")
    for name in ("subuid", "subgid"):
        (stage / name).write_text("clary-test:524288:65536\n")
    variables = {"STAGE": str(stage), "PREFIX": sys.base_prefix, "ID": USER, "PATH": os.environ["PATH"]}
    variables |= {"HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run"), "USER": "clary-test"}
    command = [sys.executable, "-m", "pytest", "--basetemp", str(home / "t"), "-k", SELECTED, "-rs"]
    try:
        done = subprocess.run(
            [
                # What podman leaves running for its user ends with the namespace.
                *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"),
                *("/bin/sh", "-c", PASSABLE, "sh"),
                *(*command, "tests/runtime/test_containers.py", "tests/runtime/test_roots.py"),
            ],
            cwd=REPOSITORY,
            env=variables | {"PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    if " passed" not in done.stdout:
        pytest.skip(done.stdout[-300:])
