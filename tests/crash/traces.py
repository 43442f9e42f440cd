"""What a home has on this machine outside its folder: processes, mounts, control groups, networks."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import psutil

from clary.runtime import limits
from clary.runtime.shim import hub


def processes(home: Path) -> dict[int, str]:
    """Everything that has to do with the home: named in its command line, or in a sandbox that shows parts of it."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            if str(home) in words or str(home) in (folder / "mountinfo").read_text():
                found[int(folder.name)] = words[:200]
        except OSError:
            continue
    return found


def instances(home: Path, job: str = "") -> list[Path]:
    """Folders of instances that were laid out; of one training job, or of all workloads."""
    found = []
    for file in (home / "jobs").glob("*/workload.json"):
        try:
            workload = json.loads(file.read_bytes())
        except (OSError, ValueError):
            continue
        name = workload["environment"].get("TRAINING_JOB_NAME") or workload["purpose"]
        found += [file.parent / each["host"] for each in workload["instances"] if job in ("", name)]
    return found


def shims(home: Path, job: str = "") -> list[psutil.Process]:
    """The shims that live; not what they forked, which shows the same command line until it becomes something else."""
    folders = {str(folder) for folder in instances(home, job)}
    return [each for each in psutil.process_iter() if _is_shim(each, folders)]


def _is_shim(process: psutil.Process, folders: set[str]) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return "-S" in words and bool(folders & set(words)) and _parents_words(process) != words


def _parents_words(process: psutil.Process) -> list[str]:
    try:
        parent = process.parent()
        return parent.cmdline() if parent else []
    except psutil.Error:
        return []


def control_groups(ids: set[str]) -> list[str]:
    """Control groups of these workloads."""
    groups = limits.groups()
    parents = {parent for parent in (groups.memory, groups.pids, groups.cpu) if parent}
    names = [path for parent in parents for path in parent.glob("clary-*")]
    return sorted(str(path) for path in names if any(identity in path.name for identity in ids))


def mounts(home: Path) -> list[str]:
    """What is mounted from or on the home in this namespace."""
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(home) in line]


def address_translations(home: Path) -> set[str]:
    """The tables of NAT that workloads of this home ask for."""
    specs = [json.loads(file.read_bytes()) for file in (home / "jobs").glob(f"*/{hub.NAME}")]
    return {command[-1].split()[-1] for spec in specs for command in spec["close"] if command[0].endswith("nft")}


def tables() -> set[str]:
    """The tables that this machine has, of all homes and others."""
    if not shutil.which("nft"):
        return set()
    listed = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in listed.splitlines()}
