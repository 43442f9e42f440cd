"""Scalable targets, policies, scheduled actions and activities as records, and how they are named.

A target's name is its dimension and its ResourceId; the others belong to it by that name. All times are epoch seconds.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from clary.companions import tokens
from clary.resources.kinds import Kind
from clary.resources.machine import Machine
from clary.resources.query import Query
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import AwsError, ValidationException

SERVICE = "application-autoscaling"
LIVE = Machine(start="Active", edges={"Active": frozenset({"Active"})})

TARGET = Kind(noun="ScalableTarget", arn="", machine=LIVE, verbs="", service=SERVICE)
POLICY = Kind(noun="ScalingPolicy", arn="", machine=LIVE, verbs="", service=SERVICE)
SCHEDULED_ACTION = Kind(noun="ScheduledAction", arn="", machine=LIVE, verbs="", service=SERVICE)
ACTIVITY = Kind(
    noun="ScalingActivity",
    arn="",
    machine=Machine(
        start="Pending",
        edges={
            "Pending": frozenset({"InProgress", "Failed", "Successful"}),
            "InProgress": frozenset({"Successful", "Failed"}),
            "Successful": frozenset(),
            "Failed": frozenset(),
        },
    ),
    verbs="",
    service=SERVICE,
)
"""Reconciled also when it is over: it is forgotten after six weeks."""

MOST = 50
"""Items of a page."""

SCOPE = ("ServiceNamespace", "ResourceId", "ScalableDimension")


def target_name(spec: dict[str, Any]) -> str:
    return f"{spec['ScalableDimension']} {spec['ResourceId']}"


def member_name(spec: dict[str, Any], name: str) -> str:
    """Of a policy or a scheduled action: each target has names of its own."""
    return f"{target_name(spec)} {name}"


def target_of(store: Store, record: Record) -> Record | None:
    return store.get(TARGET.noun, record.account, record.region, record.parent)


def children(store: Store, kind: Kind, target: Record) -> list[Record]:
    """All of a target's, oldest first."""
    return list(every(store, kind, target.account, target.region, parent=target.name))


def every(store: Store, kind: Kind, account: str, region: str, **filters: Any) -> Iterator[Record]:
    """In order of creation; `filters` are members of a `Query`."""
    after = None
    while True:
        query = Query(kind=kind.noun, account=account, region=region, after=after, limit=500, **filters)
        page = store.page(query)
        yield from page.records
        if page.next is None:
            return
        after = page.next


def arn(ctx: Context, form: str, record_id: str, spec: dict[str, Any], name: str) -> str:
    """Of a policy (`scalingPolicy`, `policyName`) or a scheduled action, in the form of EC2's service."""
    what, named = form.split()
    place = f"resource/{spec['ServiceNamespace']}/{spec['ResourceId']}"
    return f"arn:aws:autoscaling:{ctx.region}:{ctx.account}:{what}:{record_id}:{place}:{named}/{name}"


def page_of(
    ctx: Context, request: dict[str, Any], listing: str, records: Iterable[Record], *, descending: bool = False
) -> tuple[list[Record], dict[str, Any]]:
    """One page of records that come in the order of their ids, and the members that say where the next begins."""
    limit = min(request.get("MaxResults", MOST), MOST)
    if limit < 1:
        raise ValidationException("MaxResults must be between 1 and 50.")
    token = request.get("NextToken")
    try:
        after = tokens.read(listing, token, str)[0] if token else None
    except tokens.BadToken as error:
        raise AwsError("The next token is invalid.", code="InvalidNextTokenException", status=400) from error
    rest = (one for one in records if after is None or (one.id < after if descending else one.id > after))
    found = list(islice(rest, limit))
    more = next(rest, None) is not None
    return found, {"NextToken": tokens.write(listing, found[-1].id)} if more else {}


def find_target(ctx: Context, request: dict[str, Any]) -> Record:
    """Raises ObjectNotFoundException."""
    record = ctx.need(Store).get(TARGET.noun, ctx.account, ctx.region, target_name(request))
    if record is None:
        raise missing("scalable target registered", request)
    return record


def missing(what: str, request: dict[str, Any], *more: str) -> AwsError:
    """AWS's sentence of what a target, or something of it, is not."""
    scope = [
        f"service namespace: {request['ServiceNamespace']}",
        f"resource ID: {request['ResourceId']}",
        f"scalable dimension: {request['ScalableDimension']}",
    ]
    told = f"No {what} for {', '.join([*scope, *more])}"
    return AwsError(told, code="ObjectNotFoundException", status=400)
