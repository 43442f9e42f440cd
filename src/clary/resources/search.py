"""Search and GetSearchSuggestions, over the records of every kind that the assembly has."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from botocore.model import Shape

from clary.resources.kinds import Kind, Kinds, Request
from clary.resources.matching import Expression, check, filters_of, matches, values_at
from clary.resources.project import project, view_of
from clary.resources.query import Page, Query, Sort
from clary.resources.records import Record
from clary.resources.sealed import open_token, seal
from clary.resources.sorts import column_sort
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import ValidationException
from clary.wire.models import Models
from clary.wire.operations import operation

DEFAULT_PAGE = 100
RECORD_MEMBERS = {"ExperimentTrial": "Trial", "ExperimentTrialComponent": "TrialComponent"}
"""Resources whose member in `SearchRecord`, and kind, has another name."""

DERIVED = {"Metrics": "FinalMetricDataList", "Tags": "Tags"}
"""Properties that filters name by key, and the member, a list of named values, that they are read from."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is searched: a kind, and the shape and member of `SearchRecord` that show it."""

    ctx: Context
    kind: Kind
    shape: Shape
    member: str

    def shown(self, record: Record, only: set[str] | None = None) -> dict[str, Any]:
        """As in the answer, tags included; only these members where given."""
        shown = project(self.kind, self.shape, view_of(self.ctx, record), only)
        if "Tags" in self.shape.members and (only is None or "Tags" in only):
            tags = self.ctx.need(Store).tags(record.id)
            shown["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        return shown


@operation("Search")
def search(ctx: Context, request: Request) -> Request:
    """Newest change first unless told otherwise. `TotalHits` is a lower bound while pages follow."""
    subject = _subject(ctx, request["Resource"])
    expression = _expression(request)
    if subject is None:
        return {"Results": [], "TotalHits": {"Value": 0, "Relation": "EqualTo"}}
    _check_names(subject, [test["Name"] for test in filters_of(expression)])
    question = ["Search", ctx.account, ctx.region, {k: v for k, v in request.items() if k not in _PAGING}]
    seen, after = open_token(ctx, request.get("NextToken"), question, [0, None])
    page = _page(subject, request, expression, None if after is None else tuple(after))
    seen += len(page.records)
    answer: Request = {
        "Results": [{subject.member: subject.shown(record)} for record in page.records],
        "TotalHits": {"Value": seen, "Relation": "EqualTo"},
    }
    if page.next is None:
        return answer
    hits = {"Value": seen + 1, "Relation": "GreaterThanOrEqualTo"}
    return answer | {"TotalHits": hits, "NextToken": seal(ctx, question, [seen, page.next])}


@operation("GetSearchSuggestions")
def get_search_suggestions(ctx: Context, request: Request) -> Request:
    """Property names that begin with the hint: of the model, and those that the newest records hold."""
    subject = _subject(ctx, request["Resource"])
    hint = request.get("SuggestionQuery", {}).get("PropertyNameQuery", {}).get("PropertyNameHint", "")
    names: set[str] = set()
    if subject is not None:
        names.update(_model_names(subject.shape))
        for record in ctx.need(Store).page(_newest(subject)).records:
            names.update(_held_names(subject.shown(record)))
    return {"PropertyNameSuggestions": [{"PropertyName": n} for n in sorted(names) if n.startswith(hint)][:100]}


OPERATIONS = (search, get_search_suggestions)

_PAGING = ("MaxResults", "NextToken")


def _subject(ctx: Context, resource: str) -> Subject | None:
    member = RECORD_MEMBERS.get(resource, resource)
    shapes = ctx.need(Models).service("sagemaker").shape_for("SearchRecord").members
    kind = ctx.need(Kinds).find(member)
    return Subject(ctx, kind, shapes[member], member) if kind and member in shapes else None


def _expression(request: Request) -> Expression:
    """With the visibility conditions: a record that has such a tag must have it with that value."""
    expression: Expression = request.get("SearchExpression", {})
    resource: str = request["Resource"]
    check(expression, RECORD_MEMBERS.get(resource, resource))
    visible: list[Expression] = [
        {
            "Operator": "Or",
            "Filters": [{"Name": c["Key"], "Operator": "NotExists"}, {"Name": c["Key"], "Value": c["Value"]}],
        }
        for c in request.get("VisibilityConditions", ())
        if "Key" in c and "Value" in c
    ]
    return {"SubExpressions": [expression, *visible]} if visible else expression


def _check_names(subject: Subject, names: list[str]) -> None:
    known = {*subject.shape.members, *_inner(subject.shape), *DERIVED}
    for name in names:
        if name.split(".")[0] not in known:
            raise ValidationException(f"Unknown property name: {name}")


def _page(subject: Subject, request: Request, expression: Expression, after: tuple[Any, ...] | None) -> Page:
    by = request.get("SortBy", "LastModifiedTime")
    column = column_sort(subject.kind, by)
    if column is None:
        _check_names(subject, [by])
    query = replace(
        _newest(subject),
        limit=request.get("MaxResults", DEFAULT_PAGE),
        descending=request.get("SortOrder", "Descending") == "Descending",
        name=_wanted_name(subject.kind, expression),
        where=_test(subject, expression) if expression else None,
    )
    if column is not None:
        return subject.ctx.need(Store).page(replace(query, sort=column, after=after))
    return _page_by_property(subject, query, by, after)


def _newest(subject: Subject) -> Query:
    ctx, sort = subject.ctx, "modified"
    scope = {"kind": subject.kind.noun, "account": ctx.account, "region": ctx.region}
    return Query(**scope, limit=DEFAULT_PAGE, sort=sort, descending=True)  # type: ignore[arg-type]


def _wanted_name(kind: Kind, expression: Expression) -> str | None:
    """The name that every match must have: most searches are for one, which an index answers."""
    if expression.get("Operator") == "Or" or kind.named != "client":
        return None
    tests = [t for t in expression.get("Filters", ()) if t["Name"] == kind.name_member]
    return next((t["Value"] for t in tests if t.get("Operator", "Equals") == "Equals"), None)


def _test(subject: Subject, expression: Expression) -> Callable[[Record], bool]:
    tests = list(filters_of(expression))
    only = _members(subject, [test["Name"] for test in tests])
    return lambda record: matches(expression, _comparable(subject.shown(record, only)))


def _members(subject: Subject, names: list[str]) -> set[str]:
    heads = {name.split(".")[0] for name in names}
    return heads | {DERIVED[head] for head in heads & set(DERIVED)} | set(_inner(subject.shape))


def _comparable(shown: dict[str, Any]) -> dict[str, Any]:
    """With metrics and tags by name."""
    tags = {tag["Key"]: tag["Value"] for tag in shown.get("Tags", ())}
    metrics = {metric["MetricName"]: metric.get("Value") for metric in shown.get("FinalMetricDataList", ())}
    return shown | {"Tags": tags, "Metrics": metrics}


def _page_by_property(subject: Subject, query: Query, by: str, after: tuple[Any, ...] | None) -> Page:
    """Sorting by what no column holds: every match is looked at, those without the property come first."""
    only = _members(subject, [by])
    keyed = []
    for record in _all(subject.ctx.need(Store), query):
        value = next(values_at(_comparable(subject.shown(record, only)), by), None)
        keyed.append((_rank(value), record))
    ordered = sorted(keyed, key=lambda pair: (pair[0], pair[1].id), reverse=query.descending)
    places = [(*rank, record.id) for rank, record in ordered]
    start = 0 if after is None else sum(1 for place in places if not _past(place, after, query.descending))
    records = [record for _, record in ordered[start : start + query.limit]]
    end = start + len(records)
    return Page(records, places[end - 1] if end < len(places) else None)


def _past(place: tuple[Any, ...], after: tuple[Any, ...], descending: bool) -> bool:
    return place < after if descending else place > after


def _rank(value: Any) -> tuple[int, float, str]:
    if isinstance(value, (int, float)):
        return 1, float(value), ""
    return (0, 0.0, "") if value is None else (2, 0.0, str(value))


def _all(store: Store, query: Query) -> Iterator[Record]:
    sort: Sort = "created"
    query = replace(query, sort=sort, limit=500, after=None)
    while True:
        page = store.page(query)
        yield from page.records
        if page.next is None:
            return
        query = replace(query, after=page.next)


def _inner(shape: Shape) -> list[str]:
    """Members that hold the resource itself, where the shape wraps it (`ModelDashboardModel.Model`)."""
    return [name for name, member in shape.members.items() if f"{name}Name" in getattr(member, "members", {})]


def _model_names(shape: Shape, prefix: str = "", depth: int = 4) -> Iterator[str]:
    for name, member in getattr(shape, "members", {}).items():
        inner = member.member if member.type_name == "list" else member
        if inner.type_name == "structure" and depth:
            yield from _model_names(inner, f"{prefix}{name}.", depth - 1)
        elif inner.type_name != "map":
            yield prefix + name


def _held_names(shown: dict[str, Any]) -> Iterator[str]:
    """Names by key: hyperparameters, environment, tags, metrics."""
    for member, value in _comparable(shown).items():
        if isinstance(value, dict) and all(not isinstance(each, (dict, list)) for each in value.values()):
            yield from (f"{member}.{key}" for key in value)
