"""The generic List verb: every filter, sort and token that the model's List shapes have, as one `Query`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from botocore.model import OperationModel, Shape

from clary.resources.kinds import Kind, Request
from clary.resources.project import project, view_of
from clary.resources.query import Query, Sort
from clary.resources.records import Record
from clary.resources.sealed import open_token, seal
from clary.resources.sorts import default_order, default_sort, sort_named
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.models import Models

DEFAULT_PAGE = 100

COLUMN_FILTERS = {
    "NameContains": "name_contains",
    "CreationTimeAfter": "created_after",
    "CreationTimeBefore": "created_before",
    "CreatedAfter": "created_after",
    "CreatedBefore": "created_before",
    "LastModifiedTimeAfter": "modified_after",
    "LastModifiedTimeBefore": "modified_before",
    "ModifiedTimeAfter": "modified_after",
    "ModifiedTimeBefore": "modified_before",
    "StatusEquals": "status",
}
PAGING = ("MaxResults", "NextToken", "SortBy", "SortOrder", "CrossAccountFilterOption")


def is_quick(request: Request) -> bool:
    """A page without filters is as many steps along one index, however much is stored."""
    return request.keys() <= set(PAGING)


def list_records(kind: Kind, ctx: Context, request: Request) -> Request:
    """One page. The last one has no `NextToken`; a token with other filters or another order is refused."""
    model = ctx.need(Models).operation(ctx.service, ctx.operation)
    query = query_of(kind, ctx, request, model)
    page = ctx.need(Store).page(query)
    member, summary = _summaries(model)
    answer = {member: [project(kind, summary, view_of(ctx, record, request)) for record in page.records]}
    return answer if page.next is None else answer | {"NextToken": seal(ctx, _question(ctx, query, request), page.next)}


def query_of(kind: Kind, ctx: Context, request: Request, model: OperationModel) -> Query:
    """What a List request asks for. Raises `ValidationException` for a token that does not belong to it."""
    sort: Sort = sort_named(kind, request["SortBy"]) if "SortBy" in request else default_sort(model.name)
    order = request.get("SortOrder") or default_order(model.name)
    query = Query(
        kind=kind.noun,
        account=ctx.account,
        region=ctx.region,
        limit=request.get("MaxResults", DEFAULT_PAGE),
        sort=sort,
        descending=order.upper().startswith("DESC"),
    )
    query = replace(query, **_columns(kind, request), where=_where(kind, request))
    after = open_token(ctx, request.get("NextToken"), _question(ctx, query, request), None)
    return replace(query, after=None if after is None else tuple(after))


def _question(ctx: Context, query: Query, request: Request) -> list[Any]:
    filters = {name: value for name, value in request.items() if name not in PAGING}
    return [ctx.operation, ctx.account, ctx.region, query.sort, query.descending, filters]


def _column(kind: Kind, member: str) -> str | None:
    """The `Query` member that answers a filter, if a column does."""
    named = {
        kind.parent_member: "parent",
        kind.status_member: "status",
        f"{kind.status_member}Equals": "status",
        f"{kind.name_member}Equals": "name",
        f"{kind.name_member}Contains": "name_contains",
        f"{kind.noun}NameContains": "name_contains",
        f"{kind.noun}NamePrefix": "name_prefix",
    }
    return COLUMN_FILTERS.get(member) or named.get(member)


def _columns(kind: Kind, request: Request) -> dict[str, Any]:
    found = {_column(kind, member): value for member, value in request.items() if member not in kind.filters}
    return {name: value for name, value in found.items() if name is not None}


def _where(kind: Kind, request: Request) -> Callable[[Record], bool] | None:
    tests = [
        _Test(kind, member, value)
        for member, value in request.items()
        if member not in PAGING and (member in kind.filters or _column(kind, member) is None)
    ]
    return (lambda record: all(test(record) for test in tests)) if tests else None


@dataclass(frozen=True, slots=True)
class _Test:
    """A filter on what the record itself says: `<Member>Equals`, `<Member>Contains`, or the member's own name."""

    kind: Kind
    member: str
    value: Any

    def __call__(self, record: Record) -> bool:
        if self.member in self.kind.filters:
            return self.kind.filters[self.member](record, self.value)
        if self.member.endswith("Contains"):
            return self.value in str(_said(record, self.member.removesuffix("Contains")) or "")
        return bool(_said(record, self.member.removesuffix("Equals")) == self.value)


def _said(record: Record, member: str) -> Any:
    return record.state.get(member, record.spec.get(member))


def _summaries(model: OperationModel) -> tuple[str, Shape]:
    for name, shape in model.output_shape.members.items():
        if shape.type_name == "list":
            return name, shape.member
    raise ValueError(f"{model.name} answers no list")
