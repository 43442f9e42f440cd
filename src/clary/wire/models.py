"""AWS's published service models, from the installed botocore: the API as data.

Loaded at first use, without the documentation text: a service costs 40 ms and a few MB, so nothing is cached on disk.
Facts that Python cannot take as they are stand corrected in `patches.json`, each with how we know.
"""

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import botocore
import msgspec
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

__all__ = ["Models", "OperationModel", "ServiceModel", "Shape", "StructureShape"]

DATA = Path(botocore.__file__).parent / "data"


class Models:
    """All services by botocore's name. Stateless towards callers; every instance shares the loaded models."""

    def service(self, name: str) -> ServiceModel:
        """Raises `FileNotFoundError` for a service that botocore does not have."""
        return _load(name)

    def operation(self, service: str, name: str) -> OperationModel:
        """Raises botocore's `OperationNotFoundError`."""
        return _operation(service, name)


def described(description: dict[str, Any], name: str | None = None) -> ServiceModel:
    """A model from its description; tests give AWS's protocol cases this way."""
    return ServiceModel(description, name)


@cache
def _load(name: str) -> ServiceModel:
    folder = max((DATA / name).glob("*/service-2.json*"), default=None)
    if folder is None:
        raise FileNotFoundError(f"botocore has no service {name}")
    raw = gzip.decompress(folder.read_bytes()) if folder.suffix == ".gz" else folder.read_bytes()
    model = _bare(msgspec.json.decode(raw))
    for extra in sorted(folder.parent.glob("service-2.sdk-extras.json")):
        _merge(model, msgspec.json.decode(extra.read_bytes()).get("merge", {}))
    return ServiceModel(model, name)


@cache
def _operation(service: str, name: str) -> OperationModel:
    return _load(service).operation_model(name)


def _bare(value: Any, within: str = "") -> Any:
    """Without documentation, but keeping members that happen to be called so."""
    if isinstance(value, dict):
        named = within in ("members", "shapes", "operations")
        return {k: _bare(v, k) for k, v in value.items() if named or k not in ("documentation", "documentationUrl")}
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return value


def _merge(target: dict[str, Any], change: dict[str, Any]) -> None:
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value
