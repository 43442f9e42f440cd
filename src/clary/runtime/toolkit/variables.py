"""The `SM_*` variables that a script reads."""

import json
import os
from collections.abc import Mapping
from typing import Any

from clary.runtime.toolkit.arguments import arguments
from clary.runtime.toolkit.job import Job

MASTER_PORT = "7777"


def script(here: Job, environ: Mapping[str, str]) -> dict[str, str]:
    """All variables to set for the user's process."""
    facts = _facts(here, environ)
    plain = {f"SM_{name.upper()}": encode(value) for name, value in facts.items()}
    channels = {f"SM_CHANNEL_{name.upper()}": str(here.channel(name)) for name in here.channels}
    chosen = {f"SM_HP_{name.upper()}": encode(value) for name, value in here.hyperparameters.items()}
    whole = {"SM_TRAINING_ENV": encode(_training_env(here, facts))}
    return plain | channels | chosen | whole | _python_path(here, environ) | _master(here, facts, environ)


def encode(value: Any) -> str:
    """Text stays, everything else is compact JSON with sorted keys."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def _facts(here: Job, environ: Mapping[str, str]) -> dict[str, Any]:
    groups = here.resources.get("instance_groups", [])
    group = here.resources.get("current_group_name", "homogeneousCluster")
    by_name = {entry["instance_group_name"]: entry for entry in groups}
    return {
        "hosts": here.hosts,
        "current_host": here.host,
        "current_instance_type": here.resources.get("current_instance_type", ""),
        "current_instance_group": group,
        "current_instance_group_hosts": by_name.get(group, {}).get("hosts", here.hosts),
        "instance_groups": list(by_name),
        "instance_groups_dict": by_name,
        "distribution_instance_groups": here.reserved.get("sagemaker_distribution_instance_groups", []),
        "is_hetero": len(groups) > 1,
        "network_interface_name": here.resources.get("network_interface_name", "eth0"),
        "hps": here.hyperparameters,
        "user_args": arguments(here.hyperparameters),
        "user_entry_point": here.program,
        "framework_params": here.framework_params,
        "framework_module": environ.get("SAGEMAKER_TRAINING_MODULE", ""),
        "module_name": here.module,
        "module_dir": here.submit_directory or str(here.code),
        "resource_config": here.resources,
        "input_data_config": here.channels,
        "channels": sorted(here.channels),
        "model_dir": str(here.model),
        "input_dir": str(here.input),
        "input_config_dir": str(here.input / "config"),
        "output_dir": str(here.output),
        "output_data_dir": str(here.output / "data"),
        "output_intermediate_dir": str(here.output / "intermediate"),
        "num_cpus": cpus(environ),
        "num_gpus": gpus(environ),
        "num_neurons": 0,
        "log_level": here.log_level,
    }


def _training_env(here: Job, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The whole environment in one JSON, under the names AWS's toolkit uses there."""
    renamed = {"hps": "hyperparameters", "framework_params": "additional_framework_parameters"}
    dropped = {"user_args", "instance_groups_dict"}
    env = {renamed.get(name, name): value for name, value in facts.items() if name not in dropped}
    master = here.hosts[0]
    return env | {
        "channel_input_dirs": {name: str(here.channel(name)) for name in here.channels},
        "is_master": here.host == master,
        "master_hostname": master,
        "job_name": here.name,
        "is_modelparallel_enabled": None,
    }


def _python_path(here: Job, environ: Mapping[str, str]) -> dict[str, str]:
    rest = [environ["PYTHONPATH"]] if environ.get("PYTHONPATH") else []
    return {"PYTHONPATH": os.pathsep.join([str(here.code), *rest])}


def _master(here: Job, facts: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """What the PyTorch images always set for `torch.distributed`."""
    interface = str(facts["network_interface_name"])
    return {
        "MASTER_ADDR": here.hosts[0],
        "MASTER_PORT": master_port(environ),
        "NCCL_SOCKET_IFNAME": interface,
        "NCCL_IB_DISABLE": "1",
        "NCCL_DEBUG": "WARN",
    }


def master_port(environ: Mapping[str, str]) -> str:
    """AWS's, unless the runtime says that others share this network."""
    return environ.get("CLARY_MASTER_PORT", MASTER_PORT)


def cpus(environ: Mapping[str, str]) -> int:
    """CPUs this instance may use. `CLARY_CPUS` is the runtime's word where a quota cannot be seen by affinity."""
    given = environ.get("CLARY_CPUS", "")
    return int(float(given)) if given else len(os.sched_getaffinity(0))


def gpus(environ: Mapping[str, str]) -> int:
    """GPUs this instance may use, as the driver's variable says; counted by `nvidia-smi` when it says all."""
    visible = environ.get("CUDA_VISIBLE_DEVICES", environ.get("NVIDIA_VISIBLE_DEVICES", ""))
    if visible in ("", "void", "none", "-1"):
        return 0
    if visible != "all":
        return len([device for device in visible.split(",") if device])
    import subprocess

    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, check=False)
    except FileNotFoundError:
        return 0
    return len(listed.stdout.splitlines())
