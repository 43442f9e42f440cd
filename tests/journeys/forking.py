"""An SDK imported once, a process forked for each script: importing takes longer than most journeys work.

A client environment's Python runs it. Reads lines of a script's path and its output's, separated by a tab; when a
script has ended, writes a line of the output's path and the exit code, separated alike. For `clients.py`.
"""

import importlib
import json
import os
import runpy
import signal
import sys
from pathlib import Path

import jsonschema

SIGNALS = {signal.SIGCHLD}


def main(modules: list[str]) -> None:
    # An SDK talks to its standard output while it is imported.
    answers = os.dup(1)
    os.dup2(2, 1)
    for name in modules:
        importlib.import_module(name)
    check_once()
    running: dict[int, str] = {}
    signal.signal(signal.SIGCHLD, lambda *_: tell(running, answers))
    for line in sys.stdin:
        script, output = line.rstrip("\n").split("\t")
        # Held back until the child is known.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        if (pid := os.fork()) == 0:
            become(script, output)
            return
        running[pid] = output
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def check_once():
    """The SDKs check their configuration, and the schema of it, each time they look something up in it: that is what
    they do most of all."""
    check, good = jsonschema.validate, set()

    def validate(instance, schema):
        if (pair := (json.dumps(instance), id(schema))) not in good:
            check(instance, schema)
            good.add(pair)

    jsonschema.validate = validate


def tell(running: dict[int, str], answers: int) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        os.write(answers, f"{running.pop(pid)}\t{os.waitstatus_to_exitcode(status)}\n".encode())


def become(script: str, output: str) -> None:
    """What raises ends the process as it would a fresh one: a traceback and status 1."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    said = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for number in (1, 2):
        os.dup2(said, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = [script]
    sys.path[0] = str(Path(script).parent)
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
