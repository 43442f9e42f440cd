"""Idempotency tokens: a repeated request is answered as the first one was, and acts once."""

import hashlib
from collections.abc import Callable

import msgspec
from sqlalchemy import delete, select

from clary.resources.kinds import Request
from clary.resources.store import Store
from clary.resources.tables import tokens
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.models import Models, OperationModel

KEPT_SECONDS = 86_400.0


def once(ctx: Context, request: Request, act: Callable[[], Request]) -> Request:
    """`act()`, in one transaction with its token; or what it answered when this token came first.

    The token is the member that the model marks. The same token with another input is refused, with
    `ConflictException` where the operation declares it. Operations without one just act.
    """
    model = ctx.need(Models).operation(ctx.service, ctx.operation)
    member = next((name for name in model.idempotent_members if request.get(name)), None)
    if member is None:
        return act()
    digest = _digest({name: value for name, value in request.items() if name != member})
    key = {"account": ctx.account, "region": ctx.region, "operation": ctx.operation, "token": request[member]}
    store = ctx.need(Store)
    with store.write(lock="\n".join(key.values())) as conn:
        conn.execute(delete(tokens).where(tokens.c.at < store.now() - KEPT_SECONDS))
        known = conn.execute(
            select(tokens.c.digest, tokens.c.answer).where(*(tokens.c[name] == value for name, value in key.items()))
        ).first()
        if known and known.digest != digest:
            raise _reused(model, member)
        if known:
            return msgspec.json.decode(known.answer, type=Request)
        answer = act()
        encoded = msgspec.json.encode(answer).decode()
        conn.execute(tokens.insert(), key | {"digest": digest, "answer": encoded, "at": store.now()})
        return answer


def _digest(request: Request) -> str:
    return hashlib.sha256(msgspec.json.encode(request, order="sorted")).hexdigest()


def _reused(model: OperationModel, member: str) -> AwsError:
    declared = {shape.name for shape in model.error_shapes}
    code = "ConflictException" if "ConflictException" in declared else "ValidationException"
    return AwsError(f"The {member} was already used with a different request.", code=code, status=400)
