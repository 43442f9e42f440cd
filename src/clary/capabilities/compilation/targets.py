"""What models can be compiled for here, by the names of AWS's targets, and the images that compile and that serve."""

import platform
from collections.abc import Mapping
from typing import Any

from clary.runtime.images import registries

CPU = {
    "ml_m4": "ml.m4.4xlarge",
    "ml_m5": "ml.m5.4xlarge",
    "ml_m6g": "ml.m6g.4xlarge",
    "ml_c4": "ml.c4.4xlarge",
    "ml_c5": "ml.c5.4xlarge",
    "ml_c6g": "ml.c6g.4xlarge",
}
"""Families that any CPU stands in for, and an instance type of each as large as a compiler likes it."""
GPU = {"ml_p2": "ml.p2.xlarge", "ml_p3": "ml.p3.2xlarge", "ml_g4dn": "ml.g4dn.xlarge"}
ACCELERATORS = ("ml_inf1", "ml_inf2", "ml_trn1", "ml_eia2")
GPU_FRAMEWORKS = ("PYTORCH",)
"""Those whose engine here runs on a GPU."""
TENSORFLOW_FRAMEWORKS = ("TENSORFLOW", "KERAS")
"""Those whose models only TensorFlow reads."""
ARCHITECTURES = {"X86_64": ("x86_64", "amd64"), "ARM64": ("aarch64", "arm64")}
PLATFORM_TYPE = "ml.c5.4xlarge"
ELSEWHERE = "us-west-2"
"""The Region whose registry answers for Regions without one of their own."""


class NoTarget(ValueError):
    """Nothing here compiles for it. The message says why."""


def check(output: Mapping[str, Any], framework: str, machine: str = "") -> None:
    """Raises `NoTarget`. `machine`: of whom it is asked, if not this one."""
    device = output.get("TargetDevice")
    if device is None:
        _check_platform(output["TargetPlatform"], machine or platform.machine())
    elif device in GPU and framework not in GPU_FRAMEWORKS:
        raise NoTarget(f"{framework} models are compiled for CPU targets only; {device} is a GPU target.")
    elif device in ACCELERATORS:
        raise NoTarget(f"TargetDevice {device} needs an accelerator and a compiler that only AWS has.")
    elif device not in CPU and device not in GPU:
        raise NoTarget(
            f"TargetDevice {device} is an edge device, for which no compiler is built here. "
            f"Built are: {', '.join(sorted((*CPU, *GPU)))}, and TargetPlatform LINUX of this machine's architecture."
        )


def _check_platform(wanted: Mapping[str, str], machine: str) -> None:
    found = next((name for name, names in ARCHITECTURES.items() if machine in names), machine)
    if "Accelerator" in wanted:
        raise NoTarget(f"TargetPlatform with Accelerator {wanted['Accelerator']} is not built here.")
    if wanted["Os"] != "LINUX" or wanted["Arch"] != found:
        raise NoTarget(
            f"TargetPlatform {wanted['Os']}/{wanted['Arch']} is not this machine's: models are compiled for "
            f"LINUX/{found} only."
        )


def instance_type(output: Mapping[str, Any]) -> str:
    """What the job runs on."""
    device = output.get("TargetDevice", "")
    return CPU.get(device) or GPU.get(device) or PLATFORM_TYPE


def device(output: Mapping[str, Any]) -> str:
    """`cuda` or `cpu`."""
    return "cuda" if output.get("TargetDevice") in GPU else "cpu"


def name(output: Mapping[str, Any]) -> str:
    """As the artefact's name has it: `ml_c5`, `LINUX_X86_64`."""
    wanted = output.get("TargetPlatform", {})
    parts = [wanted[member] for member in ("Os", "Arch", "Accelerator") if member in wanted]
    return str(output.get("TargetDevice") or "_".join(parts))


def image(spec: Mapping[str, Any], region: str) -> str:
    """Of the container that AWS would serve the compiled model with."""
    source = spec["InputConfig"]
    processor = "gpu" if device(spec["OutputConfig"]) == "cuda" else "cpu"
    version = _short(source.get("FrameworkVersion", "2.9" if source["Framework"] == "TENSORFLOW" else "2.0"))
    repository, tag = {
        "PYTORCH": ("sagemaker-inference-pytorch", f"{version}-{processor}-py3"),
        "XGBOOST": ("xgboost-neo", "latest"),
        "TENSORFLOW": ("sagemaker-inference-tensorflow", f"{version}-cpu-py3"),
        "KERAS": ("sagemaker-neo-keras", "2.2.4-cpu-py3"),
        # scikit-learn's models have none of their own.
    }.get(source["Framework"], ("sagemaker-neo-onnx", "1.7-cpu-py3"))
    return _uri(repository, tag, region)


def compiler(spec: Mapping[str, Any], region: str) -> str:
    """The image in whose runtime the job works: the one that serves, where that one can read the model."""
    if spec["InputConfig"]["Framework"] in TENSORFLOW_FRAMEWORKS:
        # A tag of nobody's: an alias of AWS's own would put a container in this place.
        return _uri("tensorflow-inference", "clary-compiler", region)
    return image(spec, region)


def _uri(repository: str, tag: str, region: str) -> str:
    account = _owner(region, repository) or _owner(ELSEWHERE, repository)
    return f"{account}.dkr.ecr.{region}.amazonaws.com/{repository}:{tag}"


def _short(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _owner(region: str, repository: str) -> str:
    return next((account for account, owned in registries(region).items() if repository in owned), "")
