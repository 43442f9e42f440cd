"""Debugger's and Profiler's settings of a training job: checked, and told to the container in files.

Their libraries inside the container find these and work on them there. Nothing is evaluated and nothing sampled for
them outside: no rule has an evaluation status, and `ProfilingStatus` is `Disabled`.
"""

from collections.abc import Mapping
from typing import Any

from clary.wire.errors import ValidationException

INTERVALS = (100, 200, 500, 1000, 5000, 60000)
"""Milliseconds that AWS's documentation of ProfilerConfig allows."""
DEFAULT_INTERVAL = 500


def check(spec: Mapping[str, Any]) -> None:
    """Raises `ValidationException`."""
    for member in ("DebugRuleConfigurations", "ProfilerRuleConfigurations"):
        names = [rule["RuleConfigurationName"] for rule in spec.get(member, [])]
        if len(set(names)) < len(names):
            raise ValidationException(f"The RuleConfigurationName of {member} must be unique.")
    interval = spec.get("ProfilerConfig", {}).get("ProfilingIntervalInMilliseconds", DEFAULT_INTERVAL)
    if interval not in INTERVALS:
        allowed = ", ".join(map(str, INTERVALS))
        raise ValidationException(f"ProfilingIntervalInMilliseconds {interval} is not one of {allowed}.")


def files(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Content by name, for `/opt/ml/input/config`."""
    found: dict[str, Any] = {}
    if hook := spec.get("DebugHookConfig"):
        found["debughookconfig.json"] = {
            "S3OutputPath": hook["S3OutputPath"],
            "LocalPath": hook.get("LocalPath", "/opt/ml/output/tensors"),
            "HookParameters": hook.get("HookParameters"),
            "CollectionConfigurations": hook.get("CollectionConfigurations"),
        }
    profiler = spec.get("ProfilerConfig", {})
    if profiler and not profiler.get("DisableProfiler", False):
        found["profilerconfig.json"] = {
            "ProfilingIntervalInMilliseconds": DEFAULT_INTERVAL,
            "ProfilingParameters": {},
            "LocalPath": "/opt/ml/output/profiler",
            **{name: value for name, value in profiler.items() if name != "DisableProfiler"},
        }
    if board := spec.get("TensorBoardOutputConfig"):
        found["tensorboardoutputconfig.json"] = {"LocalPath": "/opt/ml/output/tensorboard", **board}
    return found
