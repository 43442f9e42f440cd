"""Users and their access keys."""

from clary.companions.iam.entities import REGION, USER, create, find, listed, no_such, owner, shown, tag_list
from clary.companions.iam.ids import random_id
from clary.companions.iam.keys import KeyRing
from clary.resources.making import Scope, new
from clary.resources.query import Query
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import Request, Response, operation

ACCESS_KEY = "AccessKey"
MOST_KEYS = 2


@operation("CreateUser", "iam")
def create_user(ctx: Context, request: Request) -> Response:
    store = ctx.need(Store)
    return {"User": _full(store, create(store, ctx.account, USER, request))}


@operation("GetUser", "iam", quick=True)
def get_user(ctx: Context, request: Request) -> Response:
    store = ctx.need(Store)
    return {"User": _full(store, find(store, ctx.account, USER, owner(ctx, request)))}


@operation("CreateAccessKey", "iam")
def create_access_key(ctx: Context, request: Request) -> Response:
    store = ctx.need(Store)
    user = find(store, ctx.account, USER, owner(ctx, request))
    access_key = "AKIA" + random_id()
    with store.write(user.id):
        if store.locked(user.id) is None:
            raise no_such(USER.missing.format(name=user.name))
        if len(_keys(store, user)) >= MOST_KEYS:
            raise AwsError(f"Cannot exceed quota for AccessKeysPerUser: {MOST_KEYS}", code="LimitExceeded", status=409)
        record = new_key(store, ctx.account, access_key, user.name, shown(USER, user)["Arn"], user.state["id"])
        store.insert(record)
    secret = ctx.need(KeyRing).master.secret_access_key(access_key)
    return {"AccessKey": _metadata(record) | {"SecretAccessKey": secret}}


@operation("ListAccessKeys", "iam")
def list_access_keys(ctx: Context, request: Request) -> Response:
    store = ctx.need(Store)
    user = find(store, ctx.account, USER, owner(ctx, request))
    keys = sorted(_keys(store, user), key=lambda key: key.name)
    found, more = listed(iter(keys), lambda key: key.name, f"keys {user.id}", request)
    return {"AccessKeyMetadata": [_metadata(key) for key in found]} | more


@operation("UpdateAccessKey", "iam")
def update_access_key(ctx: Context, request: Request) -> None:
    store = ctx.need(Store)
    with store.write():
        key = _key(ctx, request)
        key.status = request["Status"]
        store.update(key)


@operation("DeleteAccessKey", "iam")
def delete_access_key(ctx: Context, request: Request) -> None:
    store = ctx.need(Store)
    with store.write():
        store.delete(_key(ctx, request))


def new_key(store: Store, account: str, access_key: str, user: str, arn: str, user_id: str) -> Record:
    """The record of an access key; its id is the key's, so that a request finds it in one read."""
    state = {"arn": arn, "user_id": user_id}
    named = {"id": access_key, "parent": user, "status": "Active", "state": state}
    return new(ACCESS_KEY, Scope(account, REGION), access_key, store.now(), **named)


def check_deletable(store: Store, user: Record) -> None:
    """Raises DeleteConflict while the user has access keys."""
    if _keys(store, user):
        raise AwsError("Cannot delete entity, must delete access keys first.", code="DeleteConflict", status=409)


def brief(user: Record) -> Response:
    """A user as lists show it."""
    return shown(USER, user)


def _full(store: Store, user: Record) -> Response:
    tags = tag_list(store, user)
    return shown(USER, user) | ({"Tags": tags} if tags else {})


def _keys(store: Store, user: Record) -> list[Record]:
    query = Query(kind=ACCESS_KEY, account=user.account, region=REGION, parent=user.name)
    return store.page(query).records


def _key(ctx: Context, request: Request) -> Record:
    """Inside a write: the key a request names, if it belongs to the user it names."""
    store = ctx.need(Store)
    user = find(store, ctx.account, USER, owner(ctx, request))
    key = store.locked(request["AccessKeyId"])
    if key is None or (key.kind, key.account, key.parent) != (ACCESS_KEY, ctx.account, user.name):
        raise no_such(f"The Access Key with id {request['AccessKeyId']} cannot be found.")
    return key


def _metadata(key: Record) -> Response:
    return {"UserName": key.parent, "AccessKeyId": key.name, "Status": key.status, "CreateDate": key.created}
