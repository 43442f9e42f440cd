"""The command that starts the user's program on this host, alone or under torchrun.

What only some jobs need is imported where they need it: the toolkit's start is part of every job's.
"""

import os
import shlex
import sys
import time
from collections.abc import Iterable, Mapping

from clary.runtime.toolkit import failures
from clary.runtime.toolkit.arguments import arguments
from clary.runtime.toolkit.job import Job
from clary.runtime.toolkit.variables import gpus, master_port

DNS_SECONDS = 900.0


def algorithm(place: str) -> list[str]:
    """A built-in algorithm, `package.module:function`, in a fresh interpreter that can import this package."""
    module, _, function = place.partition(":")
    # The last three folders of this file's path are clary/runtime/toolkit: above them lies the package's parent.
    package = __file__.rsplit(os.sep, 4)[0]
    code = f"import sys; sys.path.insert(0, {package!r}); from {module} import {function} as f; sys.exit(f())"
    return [sys.executable, "-c", code]


def program(here: Job) -> list[str]:
    """The program with its arguments, by its kind."""
    words = arguments(here.hyperparameters)
    if (here.code / "setup.py").exists() and not here.program.endswith(".sh"):
        return [sys.executable, "-m", here.module, *words]
    if here.program.endswith(".py"):
        return [sys.executable, here.program, *words]
    (here.code / here.program).chmod(0o777)
    return ["/bin/sh", "-c", f"./{here.program} {' '.join(map(shlex.quote, words))}".rstrip()]


def torchrun(here: Job, environ: Mapping[str, str]) -> list[str]:
    """The program under `torchrun` of this interpreter; one process for each GPU, or one."""
    if not here.program.endswith(".py"):
        raise failures.ImportModuleError(f"torch_distributed needs a Python program, not {here.program}")
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        f"--nnodes={len(here.hosts)}",
        f"--nproc_per_node={max(1, gpus(environ))}",
    ]
    launcher.append(f"--master_port={master_port(environ)}")
    if len(here.hosts) > 1:
        launcher += [f"--master_addr={here.hosts[0]}", f"--node_rank={here.hosts.index(here.host)}"]
    return [*launcher, *program(here)[1:]]


def shown(words: Iterable[str]) -> str:
    """A command as a person would type it."""
    return shlex.join(words)


def wait_for_hosts(hosts: list[str], seconds: float = DNS_SECONDS) -> None:
    """Until every host of the job has an address: names may appear after the process starts."""
    if len(hosts) < 2:
        return
    end = time.monotonic() + seconds
    pause = 0.05
    for host in hosts:
        while not _resolves(host):
            if time.monotonic() > end:
                raise failures.ImportModuleError(f"host {host} has no address")
            time.sleep(pause)
            pause = min(pause * 2, 5.0)


def _resolves(host: str) -> bool:
    import socket

    try:
        socket.gethostbyname(host)
    except OSError:
        return False
    return True
