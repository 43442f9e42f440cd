"""Where in S3 a container's model data and code are, by its definition, and getting what is not on this machine."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from clary.capabilities.jobs.items import BadData
from clary.capabilities.jobs.landing import Landing
from clary.capabilities.model_containers.keep import Artefacts
from clary.capabilities.model_containers.spec import is_multi_model
from clary.objects import Objects, Stored, parse_uri


class NoModelData(BadData):
    """The artefact is not, or no longer, where the model says."""


def find(objects: Objects, account: str, container: dict[str, Any], number: int, landing: Landing) -> Artefacts:
    """`number`: of the container, for messages. Raises `NoModelData`."""
    source = _Source(objects, account, landing.path, number)
    archive, files = _model_data(source, container)
    found = Artefacts(archive, files, _code(source, container))
    try:
        landing.fetch()
    except BadData as error:
        raise NoModelData(str(error)) from error
    return found


class _Source(NamedTuple):
    objects: Objects
    account: str
    path: Callable[[Stored], Path]
    number: int


def _model_data(source: _Source, container: dict[str, Any]) -> tuple[Path | None, tuple[tuple[str, Path], ...]]:
    """An archive, or files, or neither for a model that needs none."""
    data = container.get("ModelDataSource", {}).get("S3DataSource", {})
    if data.get("CompressionType") == "None":
        return None, _files(source, data["S3Uri"])
    uri = "" if is_multi_model(container) else container.get("ModelDataUrl") or data.get("S3Uri")
    return (_object(source, uri), ()) if uri else (None, ())


def _object(source: _Source, uri: str) -> Path:
    bucket, key = parse_uri(uri)
    found = source.objects.find(bucket, key) if source.objects.bucket_exists(source.account, bucket) else None
    if found is None:
        raise _no_data(uri, source.number)
    return source.path(found)


def _files(source: _Source, uri: str) -> tuple[tuple[str, Path], ...]:
    bucket, prefix = parse_uri(uri)
    if not source.objects.bucket_exists(source.account, bucket):
        raise _no_data(uri, source.number)
    below = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
    found = ((info.key[len(below) :], info) for info in source.objects.list(bucket, below))
    files = tuple((name, source.path(info)) for name, info in found if _is_file_name(name))
    if not files:
        raise _no_data(uri, source.number)
    return files


def _is_file_name(name: str) -> bool:
    """Not a folder marker, and not a key that would leave the model folder."""
    return bool(name) and not name.endswith("/") and ".." not in PurePosixPath(name).parts and not name.startswith("/")


def _code(source: _Source, container: dict[str, Any]) -> Path | None:
    """Older SDK models name their script's archive instead of packing it with the model."""
    submitted = container.get("Environment", {}).get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    return _object(source, submitted) if submitted.startswith("s3://") else None


def _no_data(uri: str, number: int) -> NoModelData:
    return NoModelData(
        f'Failed to download model data for container "container_{number + 1}" from URL: "{uri}". Please ensure that '
        "there is an object located at the URL and that the role passed to CreateModel has permissions to download the "
        "object."
    )
