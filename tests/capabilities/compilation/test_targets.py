"""Targets, options and the images that serve: tables."""

from typing import Any

import pytest
from tests.capabilities.compilation.records import request

from clary.capabilities.compilation import options, outputs, targets
from clary.capabilities.compilation.options import BadOptions, Options
from clary.capabilities.compilation.targets import NoTarget
from clary.runtime.images import environment_of

X86, ARM = {"Os": "LINUX", "Arch": "X86_64"}, {"Os": "LINUX", "Arch": "ARM64"}


@pytest.mark.parametrize(
    ("output", "framework", "machine"),
    [
        ({"TargetDevice": "ml_c5"}, "ONNX", "x86_64"),
        ({"TargetDevice": "ml_c6g"}, "XGBOOST", "x86_64"),
        ({"TargetDevice": "ml_p3"}, "PYTORCH", "x86_64"),
        ({"TargetPlatform": X86}, "ONNX", "x86_64"),
        ({"TargetPlatform": ARM}, "ONNX", "aarch64"),
    ],
)
def test_what_is_built(output: Any, framework: str, machine: str) -> None:
    targets.check(output, framework, machine)


@pytest.mark.parametrize(
    ("output", "framework", "why"),
    [
        ({"TargetDevice": "ml_p3"}, "XGBOOST", "XGBOOST models are compiled for CPU targets only"),
        ({"TargetDevice": "ml_p3"}, "TENSORFLOW", "TENSORFLOW models are compiled for CPU targets only"),
        ({"TargetDevice": "ml_inf1"}, "PYTORCH", "needs an accelerator and a compiler that only AWS has"),
        ({"TargetDevice": "jetson_nano"}, "PYTORCH", "is an edge device"),
        ({"TargetDevice": "lambda"}, "PYTORCH", "is an edge device"),
        ({"TargetPlatform": ARM}, "ONNX", "LINUX/ARM64 is not this machine's"),
        ({"TargetPlatform": {"Os": "ANDROID", "Arch": "X86_64"}}, "ONNX", "ANDROID/X86_64 is not this machine's"),
        ({"TargetPlatform": X86 | {"Accelerator": "NVIDIA"}}, "ONNX", "Accelerator NVIDIA is not built"),
    ],
)
def test_what_is_not(output: Any, framework: str, why: str) -> None:
    with pytest.raises(NoTarget, match=why):
        targets.check(output, framework, "x86_64")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, Options()),
        ("   ", Options()),
        ('{"dtype": "int8"}', Options("int8")),
        ("{'dtype': 'float16', 'mcpu': 'skylake-avx512'}", Options("float16", unused=("mcpu",))),
        ('{"dtype": "int64"}', Options("float32", "int64")),
        ('"--verbose 1 --num-neuroncores 2"', Options(unused=("--verbose 1 --num-neuroncores 2",))),
    ],
)
def test_options(text: str | None, expected: Options) -> None:
    assert options.parse(text) == expected


@pytest.mark.parametrize("text", ["nothing", "[1]", '{"dtype": "int4"}', "[" * 900])
def test_bad_options(text: str) -> None:
    with pytest.raises(BadOptions, match="CompilerOptions"):
        options.parse(text)


@pytest.mark.parametrize(
    ("spec", "image", "artefact"),
    [
        (request(), "785573368785.dkr.ecr.us-east-1.amazonaws.com/xgboost-neo:latest", "model-ml_c5"),
        (
            request(framework="PYTORCH", FrameworkVersion="1.8.1", output={"TargetDevice": "ml_g4dn"}),
            "785573368785.dkr.ecr.us-east-1.amazonaws.com/sagemaker-inference-pytorch:1.8-gpu-py3",
            "model-ml_g4dn",
        ),
        (
            request(framework="SKLEARN", output={"TargetPlatform": X86}),
            "785573368785.dkr.ecr.us-east-1.amazonaws.com/sagemaker-neo-onnx:1.7-cpu-py3",
            "model-LINUX_X86_64",
        ),
        (
            request(framework="TENSORFLOW", FrameworkVersion="2.9.2"),
            "785573368785.dkr.ecr.us-east-1.amazonaws.com/sagemaker-inference-tensorflow:2.9-cpu-py3",
            "model-ml_c5",
        ),
        (
            request(framework="KERAS"),
            "785573368785.dkr.ecr.us-east-1.amazonaws.com/sagemaker-neo-keras:2.2.4-cpu-py3",
            "model-ml_c5",
        ),
    ],
)
def test_image_and_artefact(spec: Any, image: str, artefact: str) -> None:
    assert targets.image(spec, "us-east-1") == image
    assert outputs.uri(spec) == f"s3://compilation/out/job/{artefact}.tar.gz"


@pytest.mark.parametrize(
    ("framework", "environment"),
    [("TENSORFLOW", "tensorflow"), ("KERAS", "tensorflow"), ("ONNX", "neo"), ("XGBOOST", "neo"), ("PYTORCH", "neo")],
)
def test_where_models_are_compiled_and_served(framework: str, environment: str) -> None:
    spec = request(framework=framework)
    assert environment_of(targets.compiler(spec, "us-east-1")) == environment
    assert environment_of(targets.image(spec, "us-east-1")) == "neo"
