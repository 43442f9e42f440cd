"""Reading an image URI. The table of AWS's repositories is data (`table.json`, made by `extract.py`)."""

import functools
import json
import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from clary.runtime.images.refusals import why_not

_URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\."
    r"(?P<suffix>[a-z0-9.-]+)/"
    r"(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class Address(msgspec.Struct, frozen=True):
    """An image of any account's registry. `tag` and `digest` are empty where the URI leaves them out."""

    account: str
    region: str
    repository: str
    tag: str
    digest: str


_VERSION = re.compile(r"v?(\d+(?:\.\d+)*(?:-\d+(?![\w.]))?)")

MANAGED = {
    "sagemaker-xgboost": "xgboost",
    "xgboost": "xgboost",
    "sagemaker-scikit-learn": "sklearn",
    "pytorch-training": "pytorch",
    "pytorch-inference": "pytorch",
    "pytorch-inference-arm64": "pytorch",
    "pytorch-inference-graviton": "pytorch",
    "sagemaker-pytorch": "pytorch",
    "sagemaker-spark-processing": "spark",
    "tensorflow-training": "tensorflow",
    "tensorflow-inference": "tensorflow",
    "tensorflow-inference-graviton": "tensorflow",
    "huggingface-pytorch-training": "huggingface",
    "huggingface-pytorch-inference": "huggingface",
    "sagemaker-tritonserver": "neo",
    "xgboost-neo": "neo",
    "sagemaker-inference-pytorch": "neo",
    "sagemaker-inference-tensorflow": "neo",
    "sagemaker-neo-tensorflow": "neo",
    "sagemaker-neo-pytorch": "neo",
    "sagemaker-neo-keras": "neo",
    "sagemaker-neo-onnx": "neo",
}
"""The environment that stands in for a repository (`environments/<name>.txt`)."""

UNLISTED = {
    "sagemaker-neo-onnx": ("neo-onnx", "xgboost-neo"),
    "sagemaker-neo-keras": ("neo-keras", "xgboost-neo"),
}
"""Repositories that AWS documents and the SDKs do not list: framework, and one that the same accounts own."""

Device = Literal["cpu", "gpu", ""]
Use = Literal["training", "inference", "processing", ""]


class UnknownImage(Exception):
    """The URI names no image of AWS's; running a user's own image needs containers."""


class NotManaged(UnknownImage):
    """An image of AWS's for which no managed runtime exists yet."""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image of AWS's. `version`, `device` and `use` are empty where the URI leaves them open."""

    repository: str
    tag: str
    account: str
    region: str
    framework: str
    """As the SDKs name it: `xgboost`, `sklearn`, `pytorch`, `huggingface`, …"""
    version: str
    device: Device
    use: Use
    environment: str
    """Name of the managed runtime; empty when there is none."""


@functools.lru_cache(256)
def recognise(uri: str) -> Image:
    """What the URI means. Raises `UnknownImage`."""
    found = _URI.fullmatch(uri)
    if found is None:
        raise UnknownImage(f"{uri} is not the URI of an image in a registry of AWS's.")
    repository, account, region = found["repository"], found["account"], found["region"]
    if not _is_aws(repository, account, region):
        raise UnknownImage(
            f"{uri} is not one of AWS's own images (repository {repository} of account {account} in {region})."
        )
    tag = found["tag"] or ""
    version = _VERSION.match(tag)
    return Image(
        repository=repository,
        tag=tag,
        account=account,
        region=region,
        framework=_table()["repositories"][repository][0],
        version=version[1] if version else "",
        device=_device(tag),
        use=_use(repository),
        environment=MANAGED.get(repository, ""),
    )


def address(uri: str) -> Address | None:
    """The parts of a URI in ECR's form, whoever's it is."""
    found = _URI.fullmatch(uri)
    if found is None:
        return None
    return Address(found["account"], found["region"], found["repository"], found["tag"] or "", found["digest"] or "")


def environment_of(uri: str) -> str:
    """The managed runtime that stands in for the image. Raises `UnknownImage` or `NotManaged`."""
    image = recognise(uri)
    if not image.environment:
        raise NotManaged(
            f"{uri} is AWS's image for {image.framework}, which has no managed runtime in this version: "
            f"{why_not(image.repository, image.framework)}. Managed are: {', '.join(sorted(MANAGED))}."
        )
    return image.environment


def registries(region: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """AWS's registries in a region: account, its repositories, and of each the tags; which tags exist is not known."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for repository, (_framework, accounts) in _table()["repositories"].items():
        for account in _table()["accounts"][accounts].get(region, "").split():
            found.setdefault(account, {})[repository] = ()
    return found


def _is_aws(repository: str, account: str, region: str) -> bool:
    entry = _table()["repositories"].get(repository)
    if entry is None:
        return False
    accounts: dict[str, str] = _table()["accounts"][entry[1]]
    # A region newer than the table: an account that owns the repository anywhere is AWS's.
    owners = accounts.get(region) or " ".join(accounts.values())
    return account in owners.split()


def _device(tag: str) -> Device:
    words = tag.split("-")
    return "gpu" if "gpu" in words else "cpu" if "cpu" in words else ""


def _use(repository: str) -> Use:
    words = set(repository.split("-"))
    if "training" in words:
        return "training"
    if words & {"inference", "serving"}:
        return "inference"
    return "processing" if "processing" in words else ""


@functools.cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((Path(__file__).parent / "table.json").read_text())
    for repository, (framework, like) in UNLISTED.items():
        table["repositories"][repository] = [framework, table["repositories"][like][1]]
    return table
