"""What a container's server may have imported before it starts."""

import os

import pytest

from clary.capabilities.model_containers.plan import preloaded
from clary.runtime.workload import Limits, Preloaded

ONE = Limits(cpus=1.0, memory_bytes=8 << 30)
ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("framework", "environment", "limits", "expected"),
    [
        ("sklearn", {}, ONE, Preloaded("sklearn", 1)),
        ("pytorch", {"SAGEMAKER_PROGRAM": "inference.py"}, ONE, Preloaded("pytorch", 1)),
        ("sklearn", {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}, Limits(), Preloaded("sklearn", ALL)),
        ("sklearn", {"SAGEMAKER_MODEL_SERVER_WORKERS": "-1"}, ONE, Preloaded("sklearn", 1)),
        ("sklearn", {"CLARY_CPUS": "x", "CLARY_MODEL_ARCHIVE": "x" * 5000}, ONE, Preloaded("sklearn", 1)),
        ("sklearn", {"SAGEMAKER_MODEL_SERVER_WORKERS": "x"}, ONE, None),
        ("sklearn", {"OMP_NUM_THREADS": "4"}, ONE, None),
        ("sklearn", {"PYTHONPATH": "/opt/ml/model"}, ONE, None),
        ("sklearn", {"SCIPY_ARRAY_API": "1"}, ONE, None),
        ("pytorch", {}, Limits(gpus=1), None),
        ("tensorflow", {}, ONE, None),
        ("", {}, ONE, None),
    ],
)
def test_preloaded(framework: str, environment: dict[str, str], limits: Limits, expected: Preloaded | None) -> None:
    assert preloaded(framework, {"Environment": environment}, limits) == expected
