"""Building one environment with uv."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from uv import find_uv_bin

from clary.runtime import indexes, shims
from clary.runtime.environments import bytecode, lock

LAYER = "layer/bin"
"""Inside an environment: its console scripts, started with whatever `python` is first on the path."""
SYSTEM = "sbin"
"""Inside an environment, if it has programs of its own for there: what is to be seen as /usr/sbin."""
MACHINES_SYSTEM = "/opt/clary/sbin"
"""Where the machine's own /usr/sbin is seen then."""
_SSH = {"ssh": "clary.runtime.ssh.client", "sshd": "clary.runtime.ssh.server"}
PROGRAMS = {
    "spark": {"smspark-submit": "clary.runtime.spark.submit"},
    "pytorch": _SSH,
    "huggingface": _SSH,
    "tensorflow": _SSH,
}
"""Programs of ours that the image would have: by environment, their name and the module whose `main` they call."""


class BuildFailed(Exception):
    """No environment came of it. The message holds the tool's last words."""


def build(name: str, gpu: bool, target: Path, progress: Callable[[str], None]) -> None:
    """Make environment `name` at `target` in one step, as seen from outside. Raises `BuildFailed`.

    The caller holds the environment's lock, so what another build left was left by a crash.
    """
    work = target.with_name(f".{target.name}.{os.getpid()}")
    for left in target.parent.glob(f".{target.name}.[0-9]*"):
        shutil.rmtree(left, ignore_errors=True)
    try:
        progress(f"Preparing the {name} runtime: creating the environment")
        _uv(["venv", "--relocatable", "--no-project", "--python", shims.interpreter(), str(work)])
        _install(name, gpu, work, progress)
        progress(f"Preparing the {name} runtime: compiling what it brings")
        bytecode.complete(work, [other for other in target.parent.glob("[!.]*") if other != target])
        _write_layer(work, PROGRAMS.get(name, {}))
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _install(name: str, gpu: bool, work: Path, progress: Callable[[str], None]) -> None:
    text = lock.text(name)
    attempts: list[tuple[str, list[str]]] = [(text, [])]
    if "torch==" in text and not gpu:
        # From the configured places; from PyTorch's own index; else the big build, which runs without a GPU too.
        small = lock.without_cuda(text)
        attempts = [(small, []), (small, ["--torch-backend", "cpu"]), (text, [])]
    *first, last = attempts
    for wanted, options in first:
        with contextlib.suppress(BuildFailed):
            _install_lock(wanted, options, work, name, progress)
            return
    _install_lock(*last, work, name, progress)


def _install_lock(text: str, options: list[str], work: Path, name: str, progress: Callable[[str], None]) -> None:
    requirements = work / "requirements.txt"
    requirements.write_text(text)
    progress(f"Preparing the {name} runtime: installing {len(text.splitlines())} packages")
    python = str(work / "bin" / "python")
    _uv(["pip", "install", "--no-deps", *options, "--python", python, "-r", str(requirements)])


def _uv(arguments: list[str]) -> None:
    environment = indexes.configured().for_uv() | dict(os.environ)
    command = [find_uv_bin(), "--no-config", "--color", "never", "--no-progress", *arguments]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildFailed("\n".join((done.stderr or done.stdout).strip().splitlines()[-20:]))


def _write_layer(work: Path, programs: Mapping[str, str]) -> None:
    layer = work / LAYER
    layer.mkdir(parents=True)
    for script in sorted((work / "bin").iterdir()):
        _show(script, layer)
    for name, module in programs.items():
        (layer / name).write_text(
            f"#!/usr/bin/env python\nimport sys\n\nfrom {module} import main\n\nsys.exit(main())\n"
        )
        (layer / name).chmod(0o755)
    if "sshd" in programs:
        _write_system(work / SYSTEM, layer / "sshd")


def _show(script: Path, layer: Path) -> None:
    """One program of the environment's own folder."""
    if script.is_symlink() or re.match(r"activate|pydoc", script.name):
        return
    content = script.read_bytes()
    if content.startswith(b"\x7fELF"):
        (layer / script.name).symlink_to(f"../../bin/{script.name}")
    elif (body := _python_script(content)) is not None:
        (layer / script.name).write_bytes(b"#!/usr/bin/env python\n" + body)
        (layer / script.name).chmod(0o755)


def _write_system(folder: Path, sshd: Path, machines: Path = Path("/usr/sbin")) -> None:
    """The machine's own programs by links, and `sshd` where images have it.

    Not where /usr/sbin is another name of /usr/bin: all programs of the machine would have to be shown anew for one.
    """
    if machines.is_symlink() or not machines.is_dir():
        return
    folder.mkdir()
    for program in machines.iterdir():
        if program.name != sshd.name:
            # A link is repeated: what it says may be meant from its own place.
            place = program.readlink() if program.is_symlink() else f"{MACHINES_SYSTEM}/{program.name}"
            (folder / program.name).symlink_to(place)
    shutil.copy(sshd, folder / sshd.name)


def _python_script(content: bytes) -> bytes | None:
    """What follows the line(s) that name the interpreter; `None` when it is no Python script."""
    first, _, rest = content.partition(b"\n")
    if re.match(rb"#!.*python", first):
        return rest
    found = re.match(rb"#!/bin/sh\n'''exec' .*python.*\n' '''\n", content)
    return content[found.end() :] if found else None
