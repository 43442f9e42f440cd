"""What to list, and the walk of one index that answers it. `Store.page` runs it; `listing.py` makes the queries."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, bindparam, func, literal_column, select, tuple_

from clary.resources.prepared import Prepared
from clary.resources.records import Record
from clary.resources.tables import Word, records

Sort = Literal["created", "modified", "name", "status"]
Position = tuple[Any, ...]

ORDERS: dict[str, tuple[str, ...]] = {
    "created": ("created", "id"),
    "modified": ("modified", "id"),
    "name": ("name", "parent"),
    "status": ("status", "created", "id"),
}
"""The columns of each order: total, so that a page can start after any record, whatever is inserted meanwhile."""

CHUNK = 500
"""Rows read at a time where `where` has to look at each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """`None` and empty members filter nothing. Times are epoch seconds; both bounds are exclusive, as AWS's are.

    `where` is for filters that no column answers; it sees every record that passes the others.
    """

    kind: str
    account: str
    region: str
    limit: int = 100
    sort: Sort = "created"
    descending: bool = False
    after: Position | None = None
    parent: str | None = None
    status: str | None = None
    name: str | None = None
    name_contains: str = ""
    name_prefix: str = ""
    created_after: float | None = None
    created_before: float | None = None
    modified_after: float | None = None
    modified_before: float | None = None
    where: Callable[[Record], bool] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    records: list[Record]
    next: Position | None
    """Give it as `after` for the following page; `None` on the last."""


def walk(conn: Connection, query: Query, decode: Callable[[Any], Record]) -> Page:
    """One record more than the limit is looked for, to know whether a page follows."""
    found: list[Record] = []
    after = query.after
    chunk = query.limit + 1 if query.where is None else max(CHUNK, query.limit + 1)
    while True:
        rows = _statement(conn, query, after).all(conn, _values(query, after) | {"most": chunk})
        candidates = [decode(row) for row in rows]
        found += candidates if query.where is None else filter(query.where, candidates)
        if len(found) > query.limit:
            return Page(found[: query.limit], position(query.sort, found[query.limit - 1]))
        if len(rows) < chunk:
            return Page(found, None)
        after = position(query.sort, candidates[-1])


def position(sort: Sort, record: Record) -> Position:
    return tuple(getattr(record, name) for name in ORDERS[sort])


def _statement(conn: Connection, query: Query, after: Position | None) -> Prepared:
    tests = tuple(name for name in _TESTS if getattr(query, name) not in (None, ""))
    place = ("instr" if conn.dialect.name == "sqlite" else "strpos") if query.name_contains else ""
    return _built(tests, place, query.sort, query.descending, after is not None)


@lru_cache(maxsize=256)
def _built(tests: tuple[str, ...], place: str, sort: Sort, descending: bool, further: bool) -> Prepared:
    """Kept, because constructing one costs more than running it. `place` is the function that finds text in text."""
    conditions = [records.c[name] == bindparam(name) for name in ("account", "region", "kind")]
    conditions += [_TESTS[name] for name in tests]
    if place:
        found: ColumnElement[int] = getattr(func, place)(records.c.name, bindparam("name_contains", type_=Word))
        conditions.append(found > 0)
    order = [records.c[name] for name in ORDERS[sort]]
    if further:
        here = tuple_(*(bindparam(f"after_{name}", type_=records.c[name].type) for name in ORDERS[sort]))
        conditions.append(tuple_(*order) < here if descending else tuple_(*order) > here)
    ordered = [column.desc() for column in order] if descending else order
    columns = [records.c[name] for name in Record.__struct_fields__]
    return Prepared(select(*columns).where(*conditions).order_by(*ordered).limit(bindparam("most")))


def _values(query: Query, after: Position | None) -> dict[str, Any]:
    names = ("account", "region", "kind", "name_contains", *_TESTS)
    values = {name: getattr(query, name) for name in names}
    if query.name_prefix:
        values["prefix_end"] = _past(query.name_prefix)
    if after is not None:
        values |= {f"after_{name}": value for name, value in zip(ORDERS[query.sort], after, strict=True)}
    return values


def _past(prefix: str) -> str:
    """The first text that sorts after everything with this prefix."""
    return prefix + chr(0x10FFFF)


_TESTS: dict[str, ColumnElement[bool]] = {
    # The second test lets the index be used that has only records with a parent.
    "parent": (records.c.parent == bindparam("parent")) & (records.c.parent != literal_column("''")),
    "status": records.c.status == bindparam("status"),
    "name": records.c.name == bindparam("name"),
    "name_prefix": (records.c.name >= bindparam("name_prefix")) & (records.c.name < bindparam("prefix_end")),
    "created_after": records.c.created > bindparam("created_after"),
    "created_before": records.c.created < bindparam("created_before"),
    "modified_after": records.c.modified > bindparam("modified_after"),
    "modified_before": records.c.modified < bindparam("modified_before"),
}
