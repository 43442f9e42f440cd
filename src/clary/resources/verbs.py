"""The verbs that every kind shares, driven by AWS's model, and the calls from which special handlers are made."""

import asyncio
import secrets
import string
from collections.abc import Callable
from typing import Any

from clary.resources.edit import edit
from clary.resources.kinds import Kind, Request
from clary.resources.listing import is_quick, list_records
from clary.resources.making import add, new
from clary.resources.project import project, view_of
from clary.resources.records import Record
from clary.resources.refusals import missing, taken
from clary.resources.store import NameTaken, Store
from clary.resources.tags import checked
from clary.resources.tokens import once
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.models import Models
from clary.wire.operations import Operation

__all__ = ["answer", "arn_of", "by_arn", "create", "edit", "find", "generic_operations", "move", "remove"]

READS = ("describe", "list")


def generic_operations(kind: Kind) -> list[Operation]:
    """One operation for each of the kind's verbs. Reads of one record, or of one plain page, are quick."""
    table: dict[str, Callable[[Kind, Context, Request], Request]] = {
        "create": _create,
        "describe": _describe,
        "list": list_records,
        "update": _update,
        "delete": _delete,
        "stop": _stop,
        "start": _start,
    }
    return [_operation(kind, verb, table[verb]) for verb in kind.verbs.split()]


def _operation(kind: Kind, verb: str, act: Callable[[Kind, Context, Request], Request]) -> Operation:
    noun = kind.plural if verb == "list" else kind.noun

    def read(ctx: Context, request: Request) -> Request:
        return act(kind, ctx, request)

    async def write(ctx: Context, request: Request) -> Any:
        if verb == "create" and kind.ahead and (ask := kind.ahead(ctx, request)):
            await asyncio.to_thread(ask)
        return await ctx.need(Store).committed(lambda: act(kind, ctx, request))

    quick = is_quick if verb == "list" else verb == "describe"
    handle = read if verb in READS else write
    return Operation(kind.service, f"{verb.capitalize()}{noun}", handle, quick=quick)


def find(ctx: Context, kind: Kind, wanted: Request | str) -> Record:
    """The record that a request names, by name or ARN, or that a name or ARN names. Raises the kind's missing error."""
    request = {kind.name_member: wanted} if isinstance(wanted, str) else wanted
    name: str = request.get(kind.name_member) or request.get(kind.arn_member) or ""
    found = _by_arn(ctx, kind, name) if name.lower().startswith("arn:") else _by_name(ctx, kind, name, request)
    if found is None:
        raise missing(kind, name, name if name.startswith("arn:") else _arn(kind, ctx, request, name, ""))
    return found


def _by_arn(ctx: Context, kind: Kind, arn: str) -> Record | None:
    found = ctx.need(Store).by_arn(arn)
    mine = found is not None and (found.account, found.region, found.kind) == (ctx.account, ctx.region, kind.noun)
    return found if mine else None


def _by_name(ctx: Context, kind: Kind, name: str, request: Request) -> Record | None:
    parent = name.rpartition("/")[0] if kind.named == "number" else request.get(kind.parent_member, "")
    return ctx.need(Store).get(kind.noun, ctx.account, ctx.region, name, parent)


def by_arn(ctx: Context, arn: str) -> Record | None:
    """A record of the caller's account, of whatever kind."""
    record = ctx.need(Store).by_arn(arn)
    return record if record and record.account == ctx.account else None


def arn_of(kind: Kind, record: Record) -> str:
    return record.arn


def create(ctx: Context, kind: Kind, request: Request, **state: object) -> Record:
    """Admit and insert; durable when it returns. `state` is the record's first state.

    Raises what `admit` and `guard` raise, the parent's missing error, or the kind's exists error.
    """
    tags = checked(request.get("Tags", []))
    unkept = _unkept(ctx)
    spec = {name: value for name, value in request.items() if name not in unkept}
    store = ctx.need(Store)
    if kind.admit:
        with store.read():
            spec = kind.admit(ctx, spec)
    with store.write():
        record = _new(ctx, kind, spec, store.now())
        record.state.update(state)
        _guard(ctx, kind, record)
        try:
            add(ctx, record, tags)
        except NameTaken:
            raise taken(kind, record.name, record.arn) from None
    return record


def _guard(ctx: Context, kind: Kind, record: Record) -> None:
    """Before the insert: a refusal after it would have to be undone. But a taken name is said first."""
    try:
        if kind.guard:
            kind.guard(ctx, record)
    except AwsError:
        if ctx.need(Store).by_arn(record.arn):
            raise taken(kind, record.name, record.arn) from None
        raise


def move(ctx: Context, kind: Kind, record: Record, verb: str) -> Record:
    """Bring the record into the status to which the verb leads. Raises the kind's refused error."""
    with edit(ctx, record) as change:
        change.become(kind.moves[verb])
    return change.record


def remove(ctx: Context, record: Record) -> None:
    """Delete the record now; it may have changed since it was read."""
    store = ctx.need(Store)
    with store.write():
        fresh = store.locked(record.id)
        if fresh is not None:
            store.delete(fresh)


def answer(ctx: Context, kind: Kind, record: Record, request: Request | None = None) -> Request:
    """The record in the output shape of the operation that is being answered."""
    shape = ctx.need(Models).operation(ctx.service, ctx.operation).output_shape
    return {} if shape is None else project(kind, shape, view_of(ctx, record, request))


def _create(kind: Kind, ctx: Context, request: Request) -> Request:
    return once(ctx, request, lambda: answer(ctx, kind, create(ctx, kind, request), request))


def _describe(kind: Kind, ctx: Context, request: Request) -> Request:
    with ctx.need(Store).read():
        return answer(ctx, kind, find(ctx, kind, request), request)


def _update(kind: Kind, ctx: Context, request: Request) -> Request:
    def act() -> Request:
        with edit(ctx, find(ctx, kind, request)) as change:
            if kind.amend:
                kind.amend(ctx, change, request)
            else:
                keys = {kind.name_member, kind.arn_member, *_unkept(ctx)}
                change.record.spec.update({name: value for name, value in request.items() if name not in keys})
            if "update" in kind.moves:
                change.become(kind.moves["update"])
        return answer(ctx, kind, change.record, request)

    return once(ctx, request, act)


def _delete(kind: Kind, ctx: Context, request: Request) -> Request:
    def act() -> Request:
        record = find(ctx, kind, request)
        if "delete" in kind.moves:
            record = move(ctx, kind, record, "delete")
        else:
            remove(ctx, record)
        return answer(ctx, kind, record, request)

    return once(ctx, request, act)


def _stop(kind: Kind, ctx: Context, request: Request) -> Request:
    return once(ctx, request, lambda: answer(ctx, kind, move(ctx, kind, find(ctx, kind, request), "stop"), request))


def _start(kind: Kind, ctx: Context, request: Request) -> Request:
    return once(ctx, request, lambda: answer(ctx, kind, move(ctx, kind, find(ctx, kind, request), "start"), request))


def _unkept(ctx: Context) -> set[str]:
    """Members of a request that are not part of the resource."""
    return {"Tags", *ctx.need(Models).operation(ctx.service, ctx.operation).idempotent_members}


def _new(ctx: Context, kind: Kind, spec: Request, now: float) -> Record:
    parent = _parent(ctx, kind, spec)
    name = _name(ctx, kind, spec, parent)
    owner = spec.get(kind.parent_member, "") if parent is None else parent.name
    due = now if kind.reconciled else None
    return new(kind, ctx, name, now, parent=owner, arn=_arn(kind, ctx, spec, name, owner), spec=spec, due=due)


def _parent(ctx: Context, kind: Kind, spec: Request) -> Record | None:
    """Locked, so that it is not deleted while this one is made under it."""
    if kind.parent_kind is None or kind.parent_member not in spec:
        return None
    parent = find(ctx, kind.parent_kind, spec[kind.parent_member])
    locked = ctx.need(Store).locked(parent.id)
    if locked is None:
        raise missing(kind.parent_kind, parent.name, parent.arn)
    return locked


def _name(ctx: Context, kind: Kind, spec: Request, parent: Record | None) -> str:
    if kind.named == "number" and parent is not None:
        return f"{parent.name}/{ctx.need(Store).next_number(parent.id, kind.noun)}"
    if kind.named == "random":
        return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(12))
    return str(spec[kind.name_member])


def _arn(kind: Kind, ctx: Context, spec: Request, name: str, parent: str) -> str:
    own = {kind.name_member: name, "name": name, "parent": parent, "number": name.rpartition("/")[2]}
    path = kind.arn.format_map(_Blank({**spec, **own}))
    return f"arn:aws:{kind.service}:{ctx.region}:{ctx.account}:{path}".lower()


class _Blank(dict[str, Any]):
    """For the ARN in a missing error, whose request may not say all that is in an ARN."""

    def __missing__(self, key: str) -> str:
        return ""
