"""`clary up`: start everything of one home and keep it running in the foreground."""

import http.client
import os
import subprocess
import sys
import time
from ipaddress import ip_address
from pathlib import Path

from clary.cli import clientenv, running, stop
from clary.cli.failures import CannotStart
from clary.cli.screen import note
from clary.cli.supervisor import Child, Supervisor
from clary.settings import Settings, variables
from clary.wire.http.listening import listen

READY_SECONDS = 60.0
LEAVING_SECONDS = 3.0
"""How long the port may still be another Clary's."""


def up(settings: Settings, *, insecure: bool, stop_jobs: bool) -> None:
    """Returns after Ctrl-C or SIGTERM. Raises `CannotStart`, `running.AlreadyRunning` or what a fleet file raises."""
    _check_host(settings.host, insecure)
    if settings.fleet and settings.backend == "ray":
        raise CannotStart(
            "With --backend ray the nodes say which types they carry and where (`clary node join --help`)"
        )
    if settings.fleet:
        from clary.catalogue import fleet

        fleet.read(settings.fleet)
    begun = time.monotonic()
    _check_port(settings)
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with running.claim(settings):
        _check_alone(settings)
        environ = _environ(settings)
        first = not clientenv.credentials_file(settings).exists()
        if first:
            note("First start: creating keys and roles")
        if settings.database.startswith("postgres") or settings.s3_endpoint:
            # What is shared with other servers may refuse this one.
            _controller(environ, "--first-start")
        supervisor = Supervisor(_children(environ), note)
        if _until_ready(supervisor, settings, first):
            note(_greeting(settings, time.monotonic() - begun))
        supervisor.run()
        note("Stopping. " + ("Ending the jobs" if stop_jobs else "Running jobs go on; `clary up` finds them again"))
        if stop_jobs:
            stop.stop_jobs(settings)
        supervisor.stop()
        if stop_jobs:
            _controller(environ, "--end-workloads")


def _children(environ: dict[str, str]) -> list[Child]:
    """Workers first: they end first, so that nothing is accepted that the controller no longer sees."""
    return [
        Child("server", [sys.executable, "-m", "clary.workers"], environ),
        Child("controller", [sys.executable, "-m", "clary.controller"], environ),
    ]


def _environ(settings: Settings) -> dict[str, str]:
    return dict(os.environ) | variables(settings) | {"CLARY_PARENT": str(os.getpid())}


def _controller(environ: dict[str, str], task: str) -> None:
    """In its own process, so that this one imports none of the server."""
    if subprocess.run([sys.executable, "-m", "clary.controller", task], env=environ).returncode:
        raise CannotStart("The server's own part of it failed; the lines above say why")


def _until_ready(supervisor: Supervisor, settings: Settings, first: bool) -> bool:
    """The keys of a first start are the controller's work, which the server does not wait for."""
    end = time.monotonic() + READY_SECONDS
    while not supervisor.ending:
        supervisor.step(0.02)
        if healthy(settings) and clientenv.credentials_file(settings).exists():
            return True
        if first and supervisor.any_died:
            supervisor.stop()
            raise CannotStart("The server's own part of it failed; the lines above say why")
        if time.monotonic() > end:
            supervisor.stop()
            raise CannotStart(f"The server did not answer within {READY_SECONDS:g} s; the lines above may say why")
    return False


def healthy(settings: Settings, timeout: float = 1.0) -> bool:
    """Does a server answer at the settings' address?"""
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=timeout)
    try:
        connection.request("GET", "/clary/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _check_host(host: str, insecure: bool) -> None:
    if insecure or host == "localhost" or _is_loopback(host):
        return
    raise CannotStart(
        f"Refusing to listen on {host}: Clary speaks plain HTTP, so anyone on the network could read what passes. "
        "Put a TLS proxy in front of 127.0.0.1, or say --insecure on a network you trust."
    )


def _check_port(settings: Settings) -> None:
    """Whether the port is another program's. Two servers of one user could share it: `_check_alone`."""
    try:
        listen(settings.host, settings.port, 1).close()
    except OSError as error:
        raise CannotStart(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. Choose another port with --port"
        ) from error


def _check_alone(settings: Settings) -> None:
    """One that was just killed may still be answering its last requests."""
    end = time.monotonic() + LEAVING_SECONDS
    while healthy(settings):
        if time.monotonic() > end:
            raise CannotStart(f"Another Clary answers at {settings.url}. Choose another port with --port")
        time.sleep(0.05)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _greeting(settings: Settings, seconds: float) -> str:
    return (
        f"Clary listens on {settings.url} (home {settings.home}, ready in {seconds:.1f} s)\n"
        f'Next, in another terminal:  eval "$({_program()} env{_home_option(settings)})"\n'
        "then use boto3, the AWS CLI or the SageMaker SDK as ever. Ctrl-C stops serving."
    )


def _program() -> str:
    return Path(sys.argv[0]).name if Path(sys.argv[0]).name != "__main__.py" else "clary"


def _home_option(settings: Settings) -> str:
    return "" if settings.home == Settings().home else f" --home {settings.home}"
