"""Showing a record in one of AWS's output shapes: Describe, summaries of lists and results of Search alike."""

from collections.abc import Container
from typing import Any

from botocore.model import Shape, StructureShape

from clary.resources.kinds import Kind, View
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context

CREATED = ("CreationTime", "CreatedAt", "CreateDate")
MODIFIED = ("LastModifiedTime", "LastModifiedAt", "LastUpdatedDate")


def view_of(ctx: Context, record: Record, request: dict[str, Any] | None = None) -> View:
    return View(ctx, record, record.arn, lambda: ctx.need(Store).events(record.id), request or {})


def project(kind: Kind, shape: Shape, view: View, only: Container[str] | None = None) -> dict[str, Any]:
    """Each member from `computed`, else the spec, else the state, else what every record has; `only` these if given.

    A shape that holds the resource in one member (`DescribeWorkteam`) is filled inside it.
    """
    wrapper = _wrapper(kind, shape)
    if wrapper:
        return {wrapper: project(kind, shape.members[wrapper], view)}
    said = {**_standard(kind, view), **_present(view.record.state), **_present(view.record.spec)}
    computed = kind.computed
    found = {}
    for name in shape.members:
        if only is None or name in only:
            value = computed[name](view) if name in computed else said.get(name)
            if value is not None:
                found[name] = value
    return found


def _present(values: dict[str, Any]) -> dict[str, Any]:
    """Without members that are `None`, which would hide what stands behind them."""
    if None in values.values():
        return {name: value for name, value in values.items() if value is not None}
    return values


def _standard(kind: Kind, view: View) -> dict[str, Any]:
    record = view.record
    parent = {kind.parent_member: record.parent} if record.parent else {}
    return {
        kind.name_member: record.name,
        kind.arn_member: view.arn,
        kind.status_member: record.status or None,
        **dict.fromkeys(CREATED, record.created),
        **dict.fromkeys(MODIFIED, record.modified),
        **parent,
    }


def _wrapper(kind: Kind, shape: Shape) -> str | None:
    if kind.arn_member in shape.members:
        return None
    for name, member in shape.members.items():
        if isinstance(member, StructureShape) and kind.arn_member in member.members:
            return str(name)
    return None
