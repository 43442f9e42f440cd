"""What to list, and the walk of one index that answers it. `Store.page` runs it; `listing.py` makes the queries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, bindparam, func, select, tuple_

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


def walk(conn: Connection, query: Query, columns: Sequence[Column[Any]], decode: Callable[[Row[Any]], Record]) -> Page:
    """One record more than the limit is looked for, to know whether a page follows."""
    found: list[Record] = []
    after = query.after
    chunk = query.limit + 1 if query.where is None else max(CHUNK, query.limit + 1)
    while True:
        rows = conn.execute(_statement(conn, query, columns, after), _values(query, after) | {"most": chunk}).all()
        candidates = [decode(row) for row in rows]
        found += candidates if query.where is None else filter(query.where, candidates)
        if len(found) > query.limit:
            return Page(found[: query.limit], position(query.sort, found[query.limit - 1]))
        if len(rows) < chunk:
            return Page(found, None)
        after = position(query.sort, candidates[-1])


def position(sort: Sort, record: Record) -> Position:
    return tuple(getattr(record, name) for name in ORDERS[sort])


def _statement(conn: Connection, query: Query, columns: Sequence[Column[Any]], after: Position | None) -> Select[Any]:
    conditions = [records.c[name] == bindparam(name) for name in ("account", "region", "kind")]
    conditions += [test for name, test in _TESTS.items() if getattr(query, name) not in (None, "")]
    if query.name_contains:
        place = func.instr if conn.dialect.name == "sqlite" else func.strpos
        conditions.append(place(records.c.name, bindparam("name_contains", type_=Word)) > 0)
    order = [records.c[name] for name in ORDERS[query.sort]]
    if after is not None:
        here = tuple_(*(bindparam(f"after_{name}", type_=records.c[name].type) for name in ORDERS[query.sort]))
        conditions.append(tuple_(*order) < here if query.descending else tuple_(*order) > here)
    ordered = [column.desc() for column in order] if query.descending else order
    return select(*columns).where(*conditions).order_by(*ordered).limit(bindparam("most"))


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
    "parent": records.c.parent == bindparam("parent"),
    "status": records.c.status == bindparam("status"),
    "name": records.c.name == bindparam("name"),
    "name_prefix": (records.c.name >= bindparam("name_prefix")) & (records.c.name < bindparam("prefix_end")),
    "created_after": records.c.created > bindparam("created_after"),
    "created_before": records.c.created < bindparam("created_before"),
    "modified_after": records.c.modified > bindparam("modified_after"),
    "modified_before": records.c.modified < bindparam("modified_before"),
}
