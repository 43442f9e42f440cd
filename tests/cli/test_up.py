"""`clary up` as a user meets it: real processes on a real port."""

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import psutil
from tests.ports import free_port
from tests.servers import PATIENCE, Clary, wait_until

from clary.cli.up import healthy
from clary.settings import Settings

READY_SECONDS = 6.0
"""Of processor time, all processes together, because the suite shares its cores (`benchmarks/` reads the clock)."""
IDLE_MEGABYTES = 300


def processes(clary: Clary, module: str) -> list[psutil.Process]:
    """The children of `clary up` that run a module, and theirs."""
    found = psutil.Process(clary.process.pid).children(recursive=True)
    return [process for process in found if module in _command(process)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return "ended meanwhile"


def test_starts_stops_and_resumes_with_the_same_keys(clary_home: Clary) -> None:
    clary_home.start()
    assert_keys_are_the_owners_alone(clary_home)
    keys = clary_home.client_environ()["AWS_ACCESS_KEY_ID"]
    arn = clary_home.client("sts").get_caller_identity()["Arn"]
    assert clary_home.stop(signal.SIGINT) == 0
    clary_home.start()
    assert_start_was_cheap_and_everything_together_is_small(clary_home)
    assert clary_home.client_environ()["AWS_ACCESS_KEY_ID"] == keys
    assert clary_home.client("sts").get_caller_identity()["Arn"] == arn
    assert "assumed-role/SageMakerRole/" in arn
    assert_stop_command_ends_it(clary_home)


def assert_keys_are_the_owners_alone(clary: Clary) -> None:
    modes = {path.name: path.stat().st_mode & 0o077 for path in Path(clary.home, "secrets").iterdir()}
    assert "credentials.json" in modes
    assert set(modes.values()) == {0}


def assert_start_was_cheap_and_everything_together_is_small(clary: Clary) -> None:
    parent = psutil.Process(clary.process.pid)
    # Not the children of the controller: it looks about with programs that end again.
    together = [parent, *parent.children(), *processes(clary, "clary.workers")[1:]]
    assert sum(sum(process.cpu_times()[:4]) for process in together) < READY_SECONDS
    assert sum(process.memory_info().rss for process in together) / 2**20 < IDLE_MEGABYTES


def assert_stop_command_ends_it(clary: Clary) -> None:
    stopped = clary.command("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert clary.process.wait(PATIENCE) == 0
    again = clary.command("stop")
    assert (again.returncode, again.stderr) == (
        1,
        f"clary: Clary does not run on {clary.home}. Start it: clary up\n",
    )


def test_a_first_start_that_fails_says_so_and_ends(clary_home: Clary) -> None:
    clary_home.home.mkdir()
    (clary_home.home / "secrets").write_text("in the way")
    refused = clary_home.command("up")
    assert (refused.returncode, "FileExistsError" in refused.stderr) == (1, True), refused.stderr
    assert refused.stderr.endswith("clary: The server's own part of it failed; the lines above say why\n")


def test_options_outrank_the_file(clary_home: Clary) -> None:
    clary_home.home.mkdir()
    (clary_home.home / "clary.toml").write_text("workers = 2\nport = 1\nregion = 'eu-west-1'\n")
    clary_home.start("--workers", "1")
    wait_until(
        lambda: len(processes(clary_home, "clary.workers")) == 2,
        otherwise=lambda: "the one that watches and one worker",
    )
    assert clary_home.client("sts").meta.region_name == "eu-west-1"


def test_a_port_that_is_taken(clary_home: Clary, tmp_path: Path) -> None:
    """By another program, and by a Clary of another home, with which the kernel would share its connections."""
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]
        refused = clary_home.command("up", "--port", str(port))
    where = f"127.0.0.1:{port}"
    words = f"clary: Cannot listen on {where}: Address already in use. Choose another port with --port\n"
    assert (refused.returncode, refused.stderr, clary_home.home.exists()) == (1, words, False)
    clary_home.start()
    with Clary(tmp_path / "another") as another:
        refused = another.command("up", "--port", str(clary_home.port))
    words = f"clary: Another Clary answers at {clary_home.url}. Choose another port with --port\n"
    assert (refused.returncode, refused.stderr) == (1, words)


def test_refuses_to_listen_beyond_this_machine_in_plain_text(clary_home: Clary) -> None:
    refused = clary_home.command("up", "--host", "0.0.0.0")
    assert refused.returncode == 1
    assert "Refusing to listen on 0.0.0.0" in refused.stderr and "--insecure" in refused.stderr
    assert not clary_home.home.exists()


def test_a_running_one_is_left_alone_and_its_killed_processes_are_back(clary_home: Clary) -> None:
    clary_home.start()
    second = clary_home.command("up", "--port", "1")
    assert (second.returncode, second.stderr) == (
        1,
        f"clary: Clary already runs on {clary_home.home}: {clary_home.url}\n",
    )
    assert clary_home.command("status", check=True).stdout == ""
    assert clary_home.command("status", "--json", check=True).stdout == "[]\n"
    for module in ("clary.controller", "clary.workers"):
        before = {process.pid for process in processes(clary_home, module)}
        for pid in before:
            # One may have taken another with it.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda module=module, before=before: {p.pid for p in processes(clary_home, module)} - before)
        wait_until(lambda: healthy(Settings(port=clary_home.port)))
    clary_home.client("sts").get_caller_identity()


def test_nothing_of_a_killed_clary_keeps_serving(clary_home: Clary) -> None:
    clary_home.start()
    left = psutil.Process(clary_home.process.pid).children(recursive=True)
    assert left
    clary_home.stop(signal.SIGKILL)
    gone, alive = psutil.wait_procs(left, PATIENCE)
    assert not alive and len(gone) == len(left)
    clary_home.start()
    clary_home.client("sts").get_caller_identity()
