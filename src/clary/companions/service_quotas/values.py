"""The values of quotas, by account and Region. `applied` is on the way of every create: one read by key."""

import uuid
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select, tuple_

from clary.companions.service_quotas.tables import quotas, requests
from clary.resources.prepared import Prepared
from clary.resources.store import Store
from clary.wire.context import Context, Principal

_KEY = ("account", "region", "code")
_APPLIED = Prepared(select(quotas.c.value).where(*(quotas.c[name] == bindparam(name) for name in _KEY)))


class Change(NamedTuple):
    """A request that was granted when it was made, at `at` in epoch seconds."""

    id: str
    code: str
    desired: float
    requester: str
    at: float


_COLUMNS = [requests.c[name] for name in Change._fields]


def applied(ctx: Context, code: str) -> float | None:
    """What the quota was set to in the caller's account and Region; `None` if it never was."""
    with ctx.need(Store).read() as conn:
        row = _APPLIED.first(conn, {"account": ctx.account, "region": ctx.region, "code": code})
    return None if row is None else float(row[0])


def all_applied(ctx: Context) -> dict[str, float]:
    """By code."""
    with ctx.need(Store).read() as conn:
        wanted = (quotas.c.account == ctx.account, quotas.c.region == ctx.region)
        return {row.code: row.value for row in conn.execute(select(quotas.c.code, quotas.c.value).where(*wanted))}


def change(ctx: Context, code: str, desired: float) -> Change:
    """Set it, and remember who did."""
    store = ctx.need(Store)
    made = Change(uuid.uuid4().hex, code, desired, _requester(ctx.principal), store.now())
    scope = {"account": ctx.account, "region": ctx.region}
    insert: Any = store.database.insert(quotas).values(**scope, code=code, value=desired)
    with store.write() as conn:
        conn.execute(insert.on_conflict_do_update(index_elements=_KEY, set_={"value": desired}))
        conn.execute(requests.insert().values(**scope, **made._asdict()))
    return made


def found(ctx: Context, request_id: str) -> Change | None:
    """A request of the caller's account and Region."""
    with ctx.need(Store).read() as conn:
        row = conn.execute(select(*_COLUMNS).where(*_mine(ctx), requests.c.id == request_id)).first()
    return None if row is None else Change(*row)


def history(ctx: Context, code: str | None, after: list[Any] | None, limit: int) -> list[Change]:
    """Oldest first, those after the time and id in `after`, of one quota or of all."""
    wanted = _mine(ctx)
    if code is not None:
        wanted.append(requests.c.code == code)
    if after is not None:
        wanted.append(tuple_(requests.c.at, requests.c.id) > tuple_(*after))
    query = select(*_COLUMNS).where(*wanted).order_by(requests.c.at, requests.c.id).limit(limit)
    with ctx.need(Store).read() as conn:
        return [Change(*row) for row in conn.execute(query)]


def _mine(ctx: Context) -> list[Any]:
    return [requests.c.account == ctx.account, requests.c.region == ctx.region]


def _requester(principal: Principal) -> str:
    return f'{{"accountId":"{principal.account}","callerArn":"{principal.arn}"}}'
