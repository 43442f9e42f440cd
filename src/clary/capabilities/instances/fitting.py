"""An instance type on one machine: its limits, capped, or a refusal when its GPUs are not here."""

from dataclasses import dataclass

from clary.capabilities.instances.table import GIB, figures
from clary.runtime.workload import Limits


class NoCapacity(Exception):
    """This machine cannot stand in for the type; the message is AWS's and says why."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is to give."""

    cpus: int
    memory_bytes: int
    gpus: int
    processes: int = 4096
    """Processes and threads that one instance may have, whatever its type."""
    called: str = "this machine"


@dataclass(frozen=True, slots=True)
class Fit:
    """`limits` say nothing of times. `note` says what the machine has less than the type; else empty."""

    limits: Limits
    note: str = ""


def fit(instance_type: str, machine: Machine, gpu_types_on_cpu: bool = False) -> Fit:
    """Raises `NoCapacity` for a type with accelerators that this machine lacks, unless `gpu_types_on_cpu`."""
    wanted = figures(instance_type)
    if wanted.accelerated and not gpu_types_on_cpu and not _has(machine, wanted.gpus):
        raise NoCapacity(
            "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML "
            f"instance type. {machine.called[0].upper()}{machine.called[1:]} has {_count(machine.gpus)}, "
            f"{instance_type} has {_count(wanted.gpus) if wanted.gpus else 'other accelerators'}. (The setting "
            "gpu_types_on_cpu runs such jobs on the CPU.)"
        )
    short = short_of(instance_type, machine)
    return Fit(
        Limits(
            cpus=min(wanted.cpus, machine.cpus) if wanted.cpus else None,
            memory_bytes=min(wanted.memory_bytes, machine.memory_bytes) if wanted.memory_bytes else None,
            gpus=min(wanted.gpus, machine.gpus),
            processes=machine.processes,
        ),
        f"{instance_type} runs with {short}, all that {machine.called} has" if short else "",
    )


def short_of(instance_type: str, machine: Machine) -> str:
    """What the machine has less than the type: "2 of 16 vCPU, 8 of 64 GiB memory". Empty when nothing is missing."""
    wanted = figures(instance_type)
    gpus = min(wanted.gpus, machine.gpus)
    parts = [
        f"{machine.cpus} of {wanted.cpus} vCPU" if wanted.cpus and wanted.cpus > machine.cpus else "",
        f"{machine.memory_bytes / GIB:.0f} of {wanted.memory_bytes / GIB:.0f} GiB memory"
        if wanted.memory_bytes and wanted.memory_bytes > machine.memory_bytes
        else "",
        f"{gpus} of {_count(wanted.gpus)}" if wanted.gpus > gpus else "",
    ]
    return ", ".join(part for part in parts if part)


def _has(machine: Machine, gpus: int) -> bool:
    return 0 < gpus <= machine.gpus


def _count(gpus: int) -> str:
    return "no GPU" if not gpus else "1 GPU" if gpus == 1 else f"{gpus} GPUs"
