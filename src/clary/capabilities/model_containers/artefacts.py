"""Where in S3 a container's model data and code are, by its definition, and getting what is not on this machine."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from clary.capabilities.jobs.items import BadData, checked
from clary.capabilities.jobs.landing import Landing
from clary.capabilities.model_containers.keep import Artefacts, ModelData
from clary.capabilities.model_containers.spec import is_multi_model
from clary.objects import Objects, Stored, parse_uri


class NoModelData(BadData):
    """The artefact is not, or no longer, where the model says."""


def find(objects: Objects, account: str, container: dict[str, Any], number: int, landing: Landing) -> Artefacts:
    """`number`: of the container, for messages. Raises `NoModelData`."""
    source = _Source(objects, account, landing.path, number)
    found = Artefacts(_model_data(source, container), _code(source, container), _additional(source, container))
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


def _model_data(source: _Source, container: dict[str, Any]) -> ModelData:
    """Nothing for a model that needs none, or whose containers load it while they run."""
    if wanted := container.get("ModelDataSource", {}).get("S3DataSource"):
        return _data(source, wanted)
    uri = "" if is_multi_model(container) else container.get("ModelDataUrl")
    return ModelData(_object(source, uri)) if uri else ModelData()


def _additional(source: _Source, container: dict[str, Any]) -> dict[str, ModelData]:
    given = container.get("AdditionalModelDataSources", [])
    return {each["ChannelName"]: _data(source, each["S3DataSource"]) for each in given}


def _data(source: _Source, wanted: dict[str, Any]) -> ModelData:
    """Of an S3ModelDataSource."""
    uri = wanted["S3Uri"]
    if wanted["CompressionType"] == "Gzip":
        return ModelData(_object(source, uri))
    if wanted["S3DataType"] == "S3Prefix":
        return ModelData(files=_files(source, uri))
    name = parse_uri(uri)[1].rpartition("/")[2]
    return ModelData(files=_named(source, uri, [(name, _object(source, uri))]))


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
    files = [(name, source.path(info)) for name, info in found if not _is_marker(name)]
    if not files:
        raise _no_data(uri, source.number)
    return _named(source, uri, files)


def _is_marker(name: str) -> bool:
    """What consoles make to show a folder."""
    return not name or name.endswith("/")


def _named(source: _Source, uri: str, files: list[tuple[str, Path]]) -> tuple[tuple[str, Path], ...]:
    """The files, if all can be there under their names."""
    names = {name for name, _ in files}
    try:
        for name in names:
            checked(name)
            if above := next((str(folder) for folder in PurePosixPath(name).parents if str(folder) in names), None):
                raise BadData(f"The object keys {above!r} and {name!r} cannot both be file names")
    except BadData as error:
        raise _failed(uri, source.number, f"{error}.") from None
    return tuple(files)


def _code(source: _Source, container: dict[str, Any]) -> Path | None:
    """Older SDK models name their script's archive instead of packing it with the model."""
    submitted = container.get("Environment", {}).get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    return _object(source, submitted) if submitted.startswith("s3://") else None


def _no_data(uri: str, number: int) -> NoModelData:
    return _failed(
        uri,
        number,
        "Please ensure that there is an object located at the URL and that the role passed to CreateModel has "
        "permissions to download the object.",
    )


def _failed(uri: str, number: int, why: str) -> NoModelData:
    return NoModelData(f'Failed to download model data for container "container_{number + 1}" from URL: "{uri}". {why}')
