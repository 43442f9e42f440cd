"""Image URIs of AWS, of users, and of nobody."""

import pytest

from clary.runtime.images import Image, NotManaged, UnknownImage, environment_of, recognise
from clary.runtime.images.recognise import MANAGED, _table
from clary.runtime.images.refusals import BY_FRAMEWORK, BY_REPOSITORY

XGBOOST = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
PYTORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.1.0-gpu-py310-cu121-ubuntu20.04-sagemaker"

ECR = "dkr.ecr.us-west-2.amazonaws.com"
DLC = f"763104351884.{ECR}"
CHINA = "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn"


def test_an_image_is_read_whole() -> None:
    assert recognise(PYTORCH) == Image(
        repository="pytorch-training",
        tag="2.1.0-gpu-py310-cu121-ubuntu20.04-sagemaker",
        account="763104351884",
        region="us-east-1",
        framework="pytorch",
        version="2.1.0",
        device="gpu",
        use="training",
        environment="pytorch",
    )


@pytest.mark.parametrize(
    ("uri", "framework", "version", "device", "use", "environment"),
    [
        (XGBOOST, "xgboost", "1.7-1", "", "", "xgboost"),
        (SKLEARN, "sklearn", "1.2-1", "cpu", "", "sklearn"),
        ("433757028032.dkr.ecr.us-west-2.amazonaws.com/xgboost:latest", "xgboost", "", "", "", "xgboost"),
        ("174872318107.dkr.ecr.us-west-2.amazonaws.com/linear-learner:1", "linear-learner", "1", "", "", ""),
        (f"159807026194.{ECR}/sagemaker-model-monitor-analyzer", "model-monitor", "", "", "", ""),
        (f"{CHINA}/pytorch-inference:2.0-cpu-py310", "pytorch", "2.0", "cpu", "inference", "pytorch"),
        (f"{DLC}/tensorflow-inference:2.13-gpu", "tensorflow", "2.13", "gpu", "inference", "tensorflow"),
        (f"153931337802.{ECR}/sagemaker-spark-processing:3.5-cpu-v1.0", "spark", "3.5", "cpu", "processing", "spark"),
    ],
)  # fmt: skip
def test_images_of_aws_are_known(
    uri: str, framework: str, version: str, device: str, use: str, environment: str
) -> None:
    found = recognise(uri)
    assert (found.framework, found.version, found.device, found.use, found.environment) == (
        framework,
        version,
        device,
        use,
        environment,
    )


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "ubuntu",
        "python:3.11",
        "123456789012.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1",
        "246618743249.dkr.ecr.us-west-2.amazonaws.com/my-own:1",
        "246618743249.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
        f"{XGBOOST}\n",
        f"{XGBOOST}/../x",
        "24661874324.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1",
    ],
)
def test_other_images_are_not_aws(uri: str) -> None:
    with pytest.raises(UnknownImage):
        recognise(uri)


def test_an_image_without_a_runtime_is_refused_by_name() -> None:
    with pytest.raises(NotManaged, match="linear-learner, which has no managed runtime"):
        environment_of("174872318107.dkr.ecr.us-west-2.amazonaws.com/linear-learner:1")
    assert environment_of(XGBOOST) == "xgboost"


def test_a_digest_is_as_good_as_a_tag() -> None:
    uri = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost@sha256:" + "0" * 64
    assert (recognise(uri).tag, recognise(uri).environment) == ("", "xgboost")


def test_every_image_of_awss_has_a_runtime_or_a_reason() -> None:
    named = BY_FRAMEWORK.keys() | BY_REPOSITORY.keys()
    for repository, (framework, _accounts) in _table()["repositories"].items():
        assert repository in MANAGED or repository in named or framework in named, (repository, framework)


def test_a_refusal_says_why() -> None:
    with pytest.raises(NotManaged, match=r"version: it needs an accelerator that only AWS has\. Managed are"):
        environment_of(f"{DLC}/huggingface-pytorch-training-neuronx:2.1.2-transformers4.43.2-neuronx-py310")
