"""Which workloads the cluster has, in Ray's key-value store: for nodes that come back with what they held before."""

from typing import Any

_FOLDER = b"clary/"


def add(workload: str) -> None:
    _kv()._internal_kv_put(_FOLDER + workload.encode(), b"", overwrite=True)


def remove(workload: str) -> None:
    """May be repeated."""
    _kv()._internal_kv_del(_FOLDER + workload.encode())


def workloads() -> set[str]:
    return {key.removeprefix(_FOLDER).decode() for key in _kv()._internal_kv_list(_FOLDER)}


def _kv() -> Any:
    from ray.experimental import internal_kv

    return internal_kv
