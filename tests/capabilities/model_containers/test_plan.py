"""What a container sees when it starts, and what its server may have imported before."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from clary.capabilities.model_containers.keep import Artefacts, ModelData
from clary.capabilities.model_containers.plan import Placed, preloaded, workload
from clary.runtime.workload import Limits, Mount, Preloaded

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


ADDITIONAL = "/opt/ml/additional-model-data-sources"
MODEL = {"PrimaryContainer": {"Image": "i", "Environment": {"A": "b"}}}
FOUND = Artefacts(
    ModelData(Path("/kept/model.tar.gz")),
    Path("/kept/sourcedir.tar.gz"),
    {"packed": ModelData(Path("/kept/packed.tar.gz")), "draft": ModelData(files=(("deep/a", Path("/kept/0")),))},
)
PLACED = Placed(
    key="k", wake="w", log="l", endpoint="e", limits=Limits(), hosts=(), image="i", framework="sklearn", credentials={},
    artefacts=FOUND,
)  # fmt: skip


def test_a_managed_runtime_gets_archives_and_unpacks_them_itself() -> None:
    planned = workload("w", 0, MODEL, PLACED)
    (instance,) = planned.instances
    assert (dict(instance.unpacked), planned.folders) == ({}, ("/opt/ml/model",))
    assert instance.mounts == (
        Mount(source="/kept/0", target=f"{ADDITIONAL}/draft/deep/a"),
        Mount(source="/kept/model.tar.gz", target="/opt/clary/input/model.tar.gz"),
        Mount(source="/kept/sourcedir.tar.gz", target="/opt/clary/input/sourcedir.tar.gz"),
        Mount(source="/kept/packed.tar.gz", target="/opt/clary/input/additional/packed.tar.gz"),
    )
    assert dict(planned.environment) == {
        "A": "b",
        "CLARY_FRAMEWORK": "sklearn",
        "CLARY_MODEL_ARCHIVE": "/opt/clary/input/model.tar.gz",
        "CLARY_CODE_ARCHIVE": "/opt/clary/input/sourcedir.tar.gz",
        "CLARY_ADDITIONAL_ARCHIVES": "/opt/clary/input/additional/packed.tar.gz",
    }


def test_an_image_of_its_own_finds_archives_unpacked() -> None:
    planned = workload("w", 0, MODEL, replace(PLACED, framework=""))
    (instance,) = planned.instances
    assert (dict(planned.environment), planned.folders) == ({"A": "b"}, ())
    assert instance.mounts == (Mount(source="/kept/0", target=f"{ADDITIONAL}/draft/deep/a"),)
    unpacked = {"/opt/ml/model": "/kept/model.tar.gz", f"{ADDITIONAL}/packed": "/kept/packed.tar.gz"}
    assert dict(instance.unpacked) == unpacked

    without = Artefacts(additional=FOUND.additional)
    assert workload("w", 0, MODEL, replace(PLACED, framework="", artefacts=without)).folders == ("/opt/ml/model",)
