"""Which S3 operation a request is, from botocore's model: method, whether there is a key, query members, headers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from botocore.model import OperationModel, ServiceModel

from clary.objects.errors import S3Error
from clary.wire.hosts import bucket_of


@dataclass(frozen=True, slots=True)
class Address:
    """What a request is about. `bucket` and `key` are empty where it names none."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Route:
    """The query members and headers that a request must have to be this operation."""

    operation: OperationModel
    query: frozenset[str]
    values: frozenset[tuple[str, str]]
    headers: frozenset[str]

    @property
    def weight(self) -> tuple[int, int, bool]:
        """More demands, then not being superseded, make the better match."""
        return len(self.query) + len(self.headers), len(self.values), not self.operation.deprecated


class Routes:
    def __init__(self, model: ServiceModel) -> None:
        self._routes: dict[tuple[str, str], list[Route]] = {}
        for name in model.operation_names:
            operation = model.operation_model(name)
            self._routes.setdefault(_group(operation), []).append(_route(operation))
        for routes in self._routes.values():
            routes.sort(key=lambda route: route.weight, reverse=True)

    def find(self, method: str, address: Address, query: Mapping[str, str], headers: Collection[str]) -> OperationModel:
        """Raises `MethodNotAllowed`."""
        level = "key" if address.key else "bucket" if address.bucket else "service"
        for route in self._routes.get((method, level), ()):
            if route.query <= query.keys() and route.headers <= set(headers) and route.values <= query.items():
                return route.operation
        raise S3Error("MethodNotAllowed", Method=method, ResourceType="OBJECT" if address.key else "BUCKET")


# Two operations of other hosts, whose routes would hide those of this one.
_ELSEWHERE = {"WriteGetObjectResponse", "ListDirectoryBuckets"}


def _group(operation: OperationModel) -> tuple[str, str]:
    path = operation.http["requestUri"].partition("?")[0]
    level = "key" if "{Key+}" in path else "bucket" if "{Bucket}" in path else "service"
    return operation.http["method"], "elsewhere" if operation.name in _ELSEWHERE else level


def _route(operation: OperationModel) -> Route:
    static = dict(parse_qsl(operation.http["requestUri"].partition("?")[2], keep_blank_values=True))
    shape = operation.input_shape
    required = [shape.members[name].serialization for name in shape.required_members] if shape else []
    query = {entry["name"] for entry in required if entry.get("location") == "querystring"}
    # `x-id` only tells the operation to middle boxes; a presigned request of an older client lacks it.
    names = {name for name in static if name != "x-id"}
    headers = {entry["name"].lower() for entry in required if entry.get("location") == "header"}
    return Route(
        operation,
        frozenset(query | names),
        frozenset((name, value) for name, value in static.items() if value and name in names),
        frozenset(headers & {"x-amz-copy-source", "x-amz-rename-source"}),
    )


def read_address(host: str, path: str) -> Address:
    """Bucket and key of an undecoded path, in path style or with the bucket in the host name."""
    if named := bucket_of(host):
        return Address(named, _decode(path.removeprefix("/")))
    bucket, _, key = path.removeprefix("/").partition("/")
    return Address(unquote(bucket), _decode(key))


def _decode(path: str) -> str:
    try:
        return unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidURI") from None
