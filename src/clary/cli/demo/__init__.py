"""`clary demo`: the main job end to end, on a real dataset, with unmodified AWS clients.

The two scripts beside this file are the demonstration; here they are only given an environment and their results
shown. They run in the SageMaker SDK's own environment, because its dependencies are no business of Clary's.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clary.cli import clientenv, clients, running
from clary.cli.failures import CannotStart
from clary.cli.screen import note, table
from clary.settings import Settings

FOLDER = Path(__file__).parent
SCRIPTS = ("through_sdk.py", "through_boto3.py")
START_SECONDS = 60.0
COLUMNS = {
    "client": "client",
    "predictions": "predictions",
    "accuracy": "accuracy",
    "auc": "AUC",
    "train_seconds": "train s",
    "deploy_seconds": "deploy s",
}
"""Of a script's result, and how they are headed."""


def demo(settings: Settings, *, keep: bool) -> int:
    """Returns 0 when both clients trained, deployed and predicted."""
    client = clients.environment(FOLDER / "sdk-v3.txt", settings.home / "clients", note)
    with _clary(settings):
        results = [_run(settings, client, script, ["--keep"] if keep else []) for script in SCRIPTS]
    good = [result for result in results if result]
    note("")
    table(
        [{title: result[key] for key, title in COLUMNS.items()} for result in good],
        "XGBoost on scikit-learn's breast cancer data",
    )
    if len(good) < len(SCRIPTS):
        note("The demonstration failed; see above")
        return 1
    note(_next_steps(settings, good if keep else []))
    return 0


def _run(settings: Settings, client: Path, script: str, options: list[str]) -> dict[str, Any] | None:
    """One script, its output passed on. Its last line is the result; `None` when it failed."""
    note(f"\n== {script} ==")
    command = [str(client / "bin" / "python"), "-u", str(FOLDER / script), *options]
    with subprocess.Popen(command, env=clientenv.applied(settings), stdout=subprocess.PIPE, text=True) as process:
        last = ""
        for line in process.stdout or ():
            last = line
            if not line.startswith("{"):
                note(line.rstrip())
    return json.loads(last) if process.returncode == 0 else None


@contextmanager
def _clary(settings: Settings) -> Iterator[None]:
    """Use the Clary that runs on this home, or run one meanwhile."""
    if running.find(settings):
        yield
        return
    command = [sys.executable, "-m", "clary.cli", "up", "--home", str(settings.home)]
    command += ["--host", settings.host, "--port", str(settings.port)]
    with subprocess.Popen(command, start_new_session=True) as server:
        try:
            _await_ready(settings, server)
            yield
        finally:
            server.terminate()


def _await_ready(settings: Settings, server: subprocess.Popen[bytes]) -> None:
    from clary.cli.up import healthy

    end = time.monotonic() + START_SECONDS
    while not (running.find(settings) and healthy(settings)):
        if server.poll() is not None or time.monotonic() > end:
            raise CannotStart("Clary did not start; the lines above say why")
        time.sleep(0.05)


def _next_steps(settings: Settings, kept: list[dict[str, Any]]) -> str:
    home = "" if settings.home == Settings().home else f" --home {settings.home}"
    lines = [
        "\nBoth clients are unmodified. To go on with your own code:",
        f"  clary up{home}                 # in one terminal",
        f'  eval "$(clary env{home})"      # in another, then run what you would run on AWS',
        f"The two scripts are in {FOLDER}",
    ]
    lines += [f"Endpoint {result['endpoint']} is kept" for result in kept]
    return "\n".join(lines)
