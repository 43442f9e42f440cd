"""Debugger's and Profiler's settings of a training job: checked, and told to the container in files.

Their libraries inside the container find these and work on them there; what they write goes to S3 while the job runs
(`following.py`). Nothing is evaluated and nothing sampled for them outside: no rule has an evaluation status, and
`ProfilingStatus` is `Disabled`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from clary.capabilities.training.places import is_folder
from clary.objects import parse_uri
from clary.wire.errors import ValidationException

INTERVALS = (100, 200, 500, 1000, 5000, 60000)
"""Milliseconds that AWS's documentation of ProfilerConfig allows."""
DEFAULT_INTERVAL = 500
TENSORS, PROFILER, TENSORBOARD = (f"/opt/ml/output/{name}" for name in ("tensors", "profiler", "tensorboard"))
"""Where they write, unless told otherwise."""


def check(spec: Mapping[str, Any]) -> None:
    """Raises `ValidationException`."""
    for member in ("DebugRuleConfigurations", "ProfilerRuleConfigurations"):
        names = [rule["RuleConfigurationName"] for rule in spec.get(member, [])]
        if len(set(names)) < len(names):
            raise ValidationException(f"The RuleConfigurationName of {member} must be unique.")
    for name, folder, place in outputs(spec):
        _check_output(name, folder, place)
    interval = spec.get("ProfilerConfig", {}).get("ProfilingIntervalInMilliseconds", DEFAULT_INTERVAL)
    if interval not in INTERVALS:
        allowed = ", ".join(map(str, INTERVALS))
        raise ValidationException(f"ProfilingIntervalInMilliseconds {interval} is not one of {allowed}.")


def _check_output(name: str, folder: str, place: str) -> None:
    if not is_folder(folder):
        raise ValidationException(f"LocalPath {folder} cannot be the folder of {name}.")
    try:
        parse_uri(place)
    except ValueError:
        raise ValidationException(f"{place} is not an S3 URI.") from None


def outputs(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Of each that is wanted: what AWS calls its output in S3, the folder where it writes, and the given address."""
    profiler = spec.get("ProfilerConfig", {})
    for name, folder, given in (
        ("debug-output", TENSORS, spec.get("DebugHookConfig", {})),
        ("profiler-output", PROFILER, {} if profiler.get("DisableProfiler") else profiler),
        ("tensorboard-output", TENSORBOARD, spec.get("TensorBoardOutputConfig", {})),
    ):
        if given.get("S3OutputPath"):
            yield name, given.get("LocalPath") or folder, given["S3OutputPath"]


def files(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Content by name, for `/opt/ml/input/config`."""
    found: dict[str, Any] = {}
    if hook := spec.get("DebugHookConfig"):
        found["debughookconfig.json"] = {
            "S3OutputPath": hook["S3OutputPath"],
            "LocalPath": hook.get("LocalPath") or TENSORS,
            "HookParameters": hook.get("HookParameters"),
            "CollectionConfigurations": hook.get("CollectionConfigurations"),
        }
    profiler = spec.get("ProfilerConfig", {})
    if profiler and not profiler.get("DisableProfiler", False):
        found["profilerconfig.json"] = {
            "ProfilingIntervalInMilliseconds": DEFAULT_INTERVAL,
            "ProfilingParameters": {},
            "LocalPath": PROFILER,
            **{name: value for name, value in profiler.items() if name != "DisableProfiler"},
        }
    if board := spec.get("TensorBoardOutputConfig"):
        found["tensorboardoutputconfig.json"] = {"LocalPath": TENSORBOARD, **board}
    return found
