"""The `clary` command: what may be typed, and which function does it.

Commands are imported when they run, and arguments are parsed by the standard library, because `clary env` is called
from shell profiles and `clary up` stays in memory for as long as it serves.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import ValidationError

from clary.cli.failures import CliFailure
from clary.settings import load

SETTINGS = ("home", "host", "port", "workers", "backend", "ray_address")
USAGES = ("notebook", "training", "processing", "hosting", "transform", "app", "cluster")
"""`catalogue.types.USAGES`, which is not imported for the sake of the other commands; a test compares."""


def app(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 1 for an expected failure, 2 for a wrong argument or setting. A bug keeps its trace."""
    given = vars(_parser().parse_args(arguments))
    command = given.pop("command")
    chosen = {name: given.pop(name) for name in SETTINGS if name in given}
    try:
        return int(_function(command)(load(**chosen), **given) or 0)
    except CliFailure as expected:
        print(f"clary: {expected}", file=sys.stderr)
        return 1
    except ValidationError as wrong:
        print(f"clary: a setting is wrong: {wrong}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read has seen enough, as in `clary instances | head`. What is still in hand goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _function(command: str) -> Any:
    return getattr(importlib.import_module(f"clary.cli.{command}"), command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("clary", description="Amazon SageMaker on your own machines.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = _command(commands, "up", "Start everything, in the foreground. Ctrl-C stops serving; running jobs go on.")
    up.add_argument("--host", help="address to listen on (127.0.0.1)")
    up.add_argument("--port", type=int, help="port to listen on (8470)")
    up.add_argument("--workers", type=int, help="server processes (1)")
    up.add_argument("--backend", choices=("local", "ray"), help="where instances run (local)")
    up.add_argument("--ray-address", metavar="HOST:PORT", help="the Ray cluster, with --backend ray")
    up.add_argument("--stop-jobs", action="store_true", help="at the end, also end what still runs")
    up.add_argument("--insecure", action="store_true", help="allow plain HTTP beyond this machine")

    env = _command(commands, "env", 'Print the exports that point any AWS client here: eval "$(clary env)".')
    env.add_argument("--json", action="store_true", dest="as_json", help="print JSON instead")

    run = _command(commands, "run", "Run a command with the environment of `clary env`: clary run -- python job.py")
    run.add_argument("words", nargs="+", metavar="CMD", help="the command and its arguments, after --")

    demo = _command(commands, "demo", "Train, deploy and predict on real data, through the SageMaker SDK and boto3.")
    demo.add_argument("--keep", action="store_true", help="leave endpoints and models, to try them by hand")

    doctor = _command(commands, "doctor", "What this machine can do, and how to get the rest.")
    doctor.add_argument("--json", action="store_true", dest="as_json", help="print JSON")

    status = _command(commands, "status", "Training jobs and endpoints of this Clary.")
    status.add_argument("--json", action="store_true", dest="as_json", help="print JSON")

    instances = _command(commands, "instances", "Instance types, and which of them your hosts can stand in for.")
    instances.add_argument("--usage", choices=USAGES, help="only types that it accepts")
    instances.add_argument("--family", help="only this family, such as m5 or g5")
    instances.add_argument("--gpu", action="store_true", help="only types with GPUs")
    instances.add_argument(
        "--min-memory", type=float, default=0.0, metavar="GIB", help="only types with this much memory"
    )
    instances.add_argument("--region", help="the Region to ask in (that of `clary env`)")
    instances.add_argument("--json", action="store_true", dest="as_json", help="print JSON")

    cost = _command(commands, "cost", "What jobs and endpoints would have cost at AWS's list prices.")
    cost.add_argument("--by", choices=("job", "tag", "day"), default="job", help="one row for each (job)")
    cost.add_argument("--region", help="the Region to ask in (that of `clary env`)")
    shown = cost.add_mutually_exclusive_group()
    shown.add_argument("--csv", action="store_true", dest="as_csv", help="print CSV")
    shown.add_argument("--json", action="store_true", dest="as_json", help="print JSON")

    logs = _command(commands, "logs", "Print the log of a training job or an endpoint.")
    logs.add_argument("name", help="name of the training job or endpoint")
    logs.add_argument("-f", "--follow", action="store_true", help="wait for more")

    recommend = _command(commands, "recommend", "What an Inference Recommender job found, as a table and a plot.")
    recommend.add_argument("name", help="name of the job")
    form = recommend.add_mutually_exclusive_group()
    form.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts instead")
    form.add_argument("--json", action="store_true", dest="as_json", help="print JSON")

    interrupt = _command(commands, "interrupt", "Interrupt a running spot training job, as AWS reclaims its capacity.")
    interrupt.add_argument("name", help="name of the training job")

    shell = _command(
        commands, "shell", "Open a shell in the sandbox of a training job, running or kept after its failure."
    )
    shell.add_argument("name", help="name of the training job")
    shell.add_argument("--host", dest="instance", default="algo-1", help="which of its instances (algo-1)")
    shell.add_argument(
        "-c", dest="line", default="", metavar="LINE", help="run this line of /bin/sh and end, as `sh -c` does"
    )

    _images(commands)
    _node(commands)

    stop = _command(commands, "stop", "Stop a running `clary up`, as Ctrl-C would.")
    stop.add_argument("--jobs", action="store_true", help="first stop the running training jobs")

    coverage = _command(commands, "coverage", "Which operations execute, only record, or are refused.")
    form = coverage.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print docs/coverage.md")
    return parser


def _images(commands: Any) -> None:
    images = commands.add_parser("images", help="Images of users' own: build, load, list, and name them for jobs.")
    actions = images.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = _command(actions, "list", "Images of this machine's container engine, and the aliases of each.")
    listed.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
    build = _command(actions, "build", "Build a folder with a Dockerfile.")
    build.add_argument("folder", type=Path)
    build.add_argument("-t", "--tag", required=True, help="name of the image")
    build.add_argument("-f", "--file", default="Dockerfile", help="the Dockerfile, in the folder (Dockerfile)")
    load = _command(actions, "load", "Load an archive that `docker save` or `podman save` wrote.")
    load.add_argument("file", type=Path)
    alias = _command(actions, "alias", "Let an image URI of jobs and models mean an image of this machine.")
    alias.add_argument("uri", help="as CreateTrainingJob and CreateModel give it")
    alias.add_argument("image", help="as the container engine knows it")
    remove = _command(actions, "rm", "Remove an alias, else an image.")
    remove.add_argument("name")


def _node(commands: Any) -> None:
    node = commands.add_parser("node", help="This machine as a node of the Ray cluster of `clary up --backend ray`.")
    actions = node.add_subparsers(dest="action", required=True, metavar="ACTION")
    head = _command(actions, "head", "Be the first node of a new cluster, in the foreground.")
    head.add_argument("--port", type=int, default=6379, dest="ray_port", help="port of the cluster (6379)")
    join = _command(actions, "join", "Join a cluster, in the foreground.")
    join.add_argument("address", metavar="HOST:PORT", help="of the cluster's first node")
    for one in (head, join):
        one.add_argument("--slots", type=int, help="instances that may run here at once (four for each core)")
        one.add_argument("--region", default="", help="the Region that it stands in (any)")
        one.add_argument("--zone", default="", help="and the Availability Zone (the Region's a)")
        one.add_argument(
            "--types", default="", metavar="NAMES", help="instance types that it carries: ml.m5,ml.g5.xlarge"
        )
        one.add_argument("--cpus", type=int, help="vCPU that it has to give (all)")
        one.add_argument("--memory", type=float, metavar="GIB", help="memory that it has to give (all)")
        one.add_argument("--gpus", type=int, help="GPUs that it has to give (all)")


def _command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.add_argument("--home", type=Path, help="folder that holds all state (~/.clary)")
    return parser
