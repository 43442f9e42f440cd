"""Which service, operation and protocol a request means. Everything shares one port.

The service of the signature's scope comes first; several services share the scope `sagemaker`, so target header,
smithy path, form action and finally method with path decide between them.
"""

from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Literal
from urllib.parse import parse_qs

from clary.wire.errors import AwsError
from clary.wire.messages import Head
from clary.wire.models import Models
from clary.wire.rest_paths import RestPaths
from clary.wire.services import ALL, SERVICES, Service

Protocol = Literal["json", "rest-json", "rest-xml", "query", "ec2", "smithy-rpc-v2-cbor"]
FORM = "application/x-www-form-urlencoded"
LONGEST_NAME = 128
LONGEST_PLAIN = 256


@dataclass(frozen=True, slots=True)
class Route:
    """`operation` is empty when the service has none of that name; `wanted` is then what was asked for."""

    service: Service
    protocol: str
    operation: str
    wanted: str = ""
    labels: dict[str, str] = field(default_factory=dict)


def route(head: Head, body: bytes, scope: str | None) -> Route | None:
    """The route, or `None` for a request that is S3's: scoped so, or unsigned and like nothing else.

    Raises `InvalidSignatureException` when the request is for another service than it was signed for.
    """
    if _is_plain(head):
        found = _by_plain_path(head.method, head.path, scope)
    else:
        found = _by_target(head) or _by_smithy_path(head) or _by_action(head, body, scope) or _by_path(head, scope)
        found = found and _known(found)
    if found is None and scope in (None, "s3"):
        return None
    found = found or _known(_unknown(head, scope))
    if scope is not None and found.service.signing != scope:
        raise AwsError(
            f"Credential should be scoped to correct service: '{found.service.signing}'.",
            code="InvalidSignatureException",
            status=403,
        )
    return found


def is_unsigned_api(head: Head) -> bool:
    """Whether a request without signature was meant for a service other than S3."""
    form = head.header("content-type").startswith(FORM) or "Action=" in head.query
    # Many clients call any body a form; a form API has but one path.
    if form and head.path == "/":
        return True
    if _by_target(head) or _by_smithy_path(head):
        return True
    return _by_path(head, None) is not None


def guess(head: Head, scope: str | None) -> Route:
    """A route to word an error by, when the real one could not be found."""
    named = _by_target(head) or _by_smithy_path(head)
    if named:
        return named
    service = next((service for service in ALL if service.signing == scope), SERVICES["sagemaker"])
    form = head.header("content-type").startswith(FORM) and "query" in service.protocols
    return Route(service, "query" if form else service.protocols[0], "")


def _is_plain(head: Head) -> bool:
    """Whether method and path say everything, in few enough characters to be remembered."""
    named = head.named
    return (
        not head.query
        and len(head.path) <= LONGEST_PLAIN
        and "x-amz-target" not in named
        and "smithy-protocol" not in named
        and not named.get("content-type", "").startswith(FORM)
    )


@lru_cache(maxsize=4096)
def _by_plain_path(method: str, path: str, scope: str | None) -> Route | None:
    """Calls of the data planes come again and again with the same path."""
    found = _by_path(Head(method, path, "", []), scope)
    return found and _known(found)


def _known(found: Route) -> Route:
    if found.operation in Models().service(found.service.name)._service_description["operations"]:
        return found
    return Route(found.service, found.protocol, "", found.operation or found.wanted)


def _by_target(head: Head) -> Route | None:
    prefix, _, operation = head.header("x-amz-target").rpartition(".")
    service = next((service for service in ALL if service.target and service.target == prefix), None)
    return Route(service, "json", operation[:LONGEST_NAME]) if service else None


def _by_smithy_path(head: Head) -> Route | None:
    if head.header("smithy-protocol") != "rpc-v2-cbor":
        return None
    steps = head.path.split("/")
    if len(steps) < 5 or steps[-4] != "service" or steps[-2] != "operation":
        return None
    service = next((service for service in ALL if service.target and service.target == steps[-3]), None)
    return Route(service, "smithy-rpc-v2-cbor", steps[-1][:LONGEST_NAME]) if service else None


def _by_action(head: Head, body: bytes, scope: str | None) -> Route | None:
    """A form request: `Action` and `Version` in the query or the body."""
    if not (head.header("content-type").startswith(FORM) or "Action=" in head.query):
        return None
    action, version = _action(head, body)
    for service in ALL:
        form = next((name for name in service.protocols if name in ("query", "ec2")), None)
        if form and action and (service.signing == scope if scope else service.version == version):
            return Route(service, form, action)
    return None


def _action(head: Head, body: bytes) -> tuple[str, str]:
    """Both stand first in what clients write, so a large form need not be read twice."""
    start = body[:4096].decode("utf-8", "replace")
    form = parse_qs(start, keep_blank_values=True) if "Action=" in start else {}
    named = head.query_map
    action = named.get("Action") or form.get("Action", [""])[0]
    return action[:LONGEST_NAME], named.get("Version") or form.get("Version", [""])[0]


def _by_path(head: Head, scope: str | None) -> Route | None:
    """One of the scope's rest-json services; of SageMaker's data planes when nothing is signed."""
    for service in ALL:
        if service.signing == (scope or "sagemaker") and service.protocols == ("rest-json",):
            matched = _rest_paths(service.name).match(head)
            if matched:
                return Route(service, "rest-json", matched[0], labels=matched[1])
    return None


def _unknown(head: Head, scope: str | None) -> Route:
    service = next((service for service in ALL if service.signing == scope), None)
    if service is None:
        told = f"Clary has no service that is signed as '{scope}'."
        raise AwsError(told, code="UnknownOperationException", status=404)
    wanted = head.header("x-amz-target") or f"{head.method} {head.path}"
    return Route(service, service.protocols[0], "", wanted[:LONGEST_NAME])


@cache
def _rest_paths(service: str) -> RestPaths:
    return RestPaths(Models().service(service))
