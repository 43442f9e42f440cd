"""The supervisor, with stand-in programs instead of the server."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.servers import wait_until

from clary.cli.supervisor import PATIENCE

SUPERVISE = """
import os, sys
from clary.cli.supervisor import Child, Supervisor
children = [Child(name, [sys.executable, "-c", code], os.environ) for name, code in {children!r}.items()]
supervisor = Supervisor(children, lambda text: print(text, flush=True))
supervisor.run()
supervisor.stop()
print("stopped", flush=True)
"""


@contextmanager
def supervise(**children: str) -> Iterator["subprocess.Popen[str]"]:
    code = SUPERVISE.format(children={name: textwrap.dedent(code) for name, code in children.items()})
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            # Also when the test failed, and without waiting for anyone: a second signal kills.
            while process.poll() is None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.2)


def read(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().rstrip()


def test_a_dying_process_is_started_again_with_growing_waits() -> None:
    with supervise(server="raise SystemExit(3)") as process:
        assert [read(process) for _ in range(3)] == [
            "The server ended with exit code 3; starting it again",
            "The server ended with exit code 3; starting it again in 0.5 s",
            "The server ended with exit code 3; starting it again in 1 s",
        ]
        process.terminate()
        # It may have died once more meanwhile.
        assert process.stdout and process.stdout.read().endswith("stopped\n")


def test_all_are_stopped_in_the_end(tmp_path: Path) -> None:
    waiting = """
        import os, signal, sys, pathlib
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(pathlib.Path({file!r}).write_text("ended")))
        os.write(1, b"up\\n")
        signal.pause()
    """
    files = {name: tmp_path / name for name in ("first", "second")}
    with supervise(**{name: waiting.format(file=str(file)) for name, file in files.items()}) as process:
        assert [read(process), read(process)] == ["up", "up"]
        process.terminate()
        assert read(process) == "stopped"
    assert [file.read_text() for file in files.values()] == ["ended", "ended"]


def test_a_second_signal_does_not_wait() -> None:
    deaf = """
        import os, signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(1, b"up\\n")
        while True:
            signal.pause()
    """
    with supervise(server=deaf) as process:
        assert read(process) == "up"
        process.terminate()

        def ended() -> bool:
            process.terminate()
            return process.poll() is not None

        wait_until(ended, PATIENCE / 2)
