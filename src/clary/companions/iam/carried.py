"""What roles and users do alike: list, delete, tags, inline and attached policies. One table makes the operations."""

from collections.abc import Callable
from functools import partial

from clary.companions.iam import documents, policies, roles, users
from clary.companions.iam.entities import (
    ROLE,
    USER,
    Entity,
    add_tags,
    change,
    encoded,
    every,
    find,
    listed,
    no_such,
    tag_list,
)
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import Operation, Request, Response

Work = Callable[[Entity, Context, Request], Response | None]

BRIEF = {"Role": roles.brief, "User": users.brief}


def _list(entity: Entity, ctx: Context, request: Request) -> Response:
    prefix = request.get("PathPrefix", "/")
    records = every(ctx.need(Store), ctx.account, entity, where=lambda record: record.spec["Path"].startswith(prefix))
    found, more = listed(records, lambda record: record.name, f"{entity.plural} {prefix}", request)
    return {entity.plural: [BRIEF[entity.noun](record) for record in found]} | more


def _delete(entity: Entity, ctx: Context, request: Request) -> None:
    store = ctx.need(Store)
    found = _find(entity, ctx, request)
    with store.write(found.id):
        record = store.locked(found.id) or found
        if record.state["attached"]:
            _conflict("detach all policies")
        if record.state["inline"]:
            _conflict("delete policies")
        if entity is USER:
            users.check_deletable(store, record)
        store.delete(record)


def _tag(entity: Entity, ctx: Context, request: Request) -> None:
    add_tags(ctx.need(Store), _find(entity, ctx, request), {tag["Key"]: tag["Value"] for tag in request["Tags"]})


def _untag(entity: Entity, ctx: Context, request: Request) -> None:
    ctx.need(Store).drop_tags(_find(entity, ctx, request).id, request["TagKeys"])


def _list_tags(entity: Entity, ctx: Context, request: Request) -> Response:
    record = _find(entity, ctx, request)
    tags = iter(tag_list(ctx.need(Store), record))
    found, more = listed(tags, lambda tag: tag["Key"], f"tags {record.id}", request)
    return {"Tags": found} | more


def _put_policy(entity: Entity, ctx: Context, request: Request) -> None:
    name, document = request["PolicyName"], request["PolicyDocument"]
    documents.statements(document)
    _edit(entity, ctx, request, lambda record: record.state["inline"].update({name: document}))


def _get_policy(entity: Entity, ctx: Context, request: Request) -> Response:
    record, name = _find(entity, ctx, request), request["PolicyName"]
    if name not in record.state["inline"]:
        raise _no_inline(entity, name)
    return {
        entity.name_member: record.name,
        "PolicyName": name,
        "PolicyDocument": encoded(record.state["inline"][name]),
    }


def _list_policies(entity: Entity, ctx: Context, request: Request) -> Response:
    record = _find(entity, ctx, request)
    found, more = listed(iter(sorted(record.state["inline"])), str, f"inline {record.id}", request)
    return {"PolicyNames": found} | more


def _delete_policy(entity: Entity, ctx: Context, request: Request) -> None:
    name = request["PolicyName"]

    def remove(record: Record) -> None:
        if record.state["inline"].pop(name, None) is None:
            raise _no_inline(entity, name)

    _edit(entity, ctx, request, remove)


def _attach(entity: Entity, ctx: Context, request: Request) -> None:
    arn = policies.attachable(ctx, request["PolicyArn"])

    def add(record: Record) -> None:
        if arn not in record.state["attached"]:
            record.state["attached"].append(arn)

    _edit(entity, ctx, request, add)


def _detach(entity: Entity, ctx: Context, request: Request) -> None:
    arn = request["PolicyArn"]

    def remove(record: Record) -> None:
        if arn not in record.state["attached"]:
            raise no_such(f"Policy {arn} was not found.")
        record.state["attached"].remove(arn)

    _edit(entity, ctx, request, remove)


def _list_attached(entity: Entity, ctx: Context, request: Request) -> Response:
    record, prefix = _find(entity, ctx, request), request.get("PathPrefix", "/")
    arns = (arn for arn in sorted(record.state["attached"]) if policies.path_of(arn).startswith(prefix))
    found, more = listed(arns, str, f"attached {record.id} {prefix}", request)
    return {"AttachedPolicies": [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in found]} | more


def _find(entity: Entity, ctx: Context, request: Request) -> Record:
    return find(ctx.need(Store), ctx.account, entity, request[entity.name_member])


def _edit(entity: Entity, ctx: Context, request: Request, edit: Callable[[Record], None]) -> None:
    change(ctx.need(Store), _find(entity, ctx, request), edit)


def _conflict(first: str) -> None:
    raise AwsError(f"Cannot delete entity, must {first} first.", code="DeleteConflict", status=409)


def _no_inline(entity: Entity, name: str) -> AwsError:
    return no_such(f"The {entity.noun.lower()} policy with name {name} cannot be found.")


WORK: dict[str, Work] = {
    "List{plural}": _list,
    "Delete{noun}": _delete,
    "Tag{noun}": _tag,
    "Untag{noun}": _untag,
    "List{noun}Tags": _list_tags,
    "Put{noun}Policy": _put_policy,
    "Get{noun}Policy": _get_policy,
    "List{noun}Policies": _list_policies,
    "Delete{noun}Policy": _delete_policy,
    "Attach{noun}Policy": _attach,
    "Detach{noun}Policy": _detach,
    "ListAttached{noun}Policies": _list_attached,
}

OPERATIONS = tuple(
    # Policies are kept, shown and simulated; no request is refused because of one.
    Operation(
        "iam",
        name.format(noun=entity.noun, plural=entity.plural),
        partial(work, entity),
        "records" if "Polic" in name else "executes",
    )
    for entity in (ROLE, USER)
    for name, work in WORK.items()
)
