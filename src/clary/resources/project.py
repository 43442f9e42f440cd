"""Showing a record in one of AWS's output shapes: Describe, summaries of lists and results of Search alike."""

from collections.abc import Callable, Container
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
    spec, state, found = view.record.spec, view.record.state, {}
    for name, compute, attribute in _plan(kind, shape):
        if only is not None and name not in only:
            continue
        if compute is not None:
            value = compute(view)
        elif (value := spec.get(name)) is None and (value := state.get(name)) is None and attribute:
            value = getattr(view.record, attribute) or None
        if value is not None:
            found[name] = value
    return found


Step = tuple[str, Callable[[View], Any] | None, str]
"""A member: its name, the function that computes it, the record's attribute that stands behind spec and state."""


def _plan(kind: Kind, shape: Any) -> list[Step]:
    """Kept on the shape, which shows one kind: a list projects it a hundred times."""
    made: tuple[Kind, list[Step]] | None = shape.__dict__.get("_clary_plan")
    if made is None or made[0] is not kind:
        standard = _standard(kind)
        steps = [(name, kind.computed.get(name), standard.get(name, "")) for name in shape.members]
        made = shape.__dict__["_clary_plan"] = (kind, steps)
    return made[1]


def _standard(kind: Kind) -> dict[str, str]:
    """Members that every record has, by the record's attribute."""
    return {
        kind.parent_member: "parent",
        kind.name_member: "name",
        kind.arn_member: "arn",
        kind.status_member: "status",
        **dict.fromkeys(CREATED, "created"),
        **dict.fromkeys(MODIFIED, "modified"),
    }


def _wrapper(kind: Kind, shape: Shape) -> str | None:
    if kind.arn_member in shape.members:
        return None
    for name, member in shape.members.items():
        if isinstance(member, StructureShape) and kind.arn_member in member.members:
            return str(name)
    return None
