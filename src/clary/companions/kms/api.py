"""The operations of KMS."""

import time
from collections.abc import Callable, Iterator

from clary.companions import tokens
from clary.companions.kms.keys import (
    ALIAS,
    KEY,
    arn,
    create_alias,
    create_key,
    default_policy,
    every,
    find,
    find_alias,
    metadata,
    missing,
)
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import AwsError, NotBuilt
from clary.wire.operations import Handler, Operation, Request, Response, operation

DAY = 86_400
DEFAULT_WINDOW = 30
DELETING = "PendingDeletion"


@operation("CreateKey", "kms", depth="records")
def create(ctx: Context, request: Request) -> Response:
    spec = {key: value for key, value in request.items() if key != "Tags"}
    key = create_key(ctx, spec)
    ctx.need(Store).set_tags(key.id, {tag["TagKey"]: tag["TagValue"] for tag in request.get("Tags", ())})
    return {"KeyMetadata": metadata(ctx, key)}


@operation("DescribeKey", "kms", depth="records")
def describe(ctx: Context, request: Request) -> Response:
    return {"KeyMetadata": metadata(ctx, find(ctx, request["KeyId"]))}


@operation("ListKeys", "kms", depth="records")
def list_keys(ctx: Context, request: Request) -> Response:
    found, more = _page(every(ctx, KEY), "keys", request)
    return {"Keys": [{"KeyId": key.name, "KeyArn": arn(ctx, f"key/{key.name}")} for key in found]} | more


@operation("CreateAlias", "kms", depth="records")
def create_key_alias(ctx: Context, request: Request) -> None:
    name = request["AliasName"]
    if not name.startswith("alias/") or name.startswith("alias/aws/"):
        raise AwsError("Alias must start with the prefix 'alias/'", code="InvalidAliasNameException", status=400)
    create_alias(ctx, name, find(ctx, request["TargetKeyId"]))


@operation("DeleteAlias", "kms", depth="records")
def delete_alias(ctx: Context, request: Request) -> None:
    alias = find_alias(ctx, request["AliasName"])
    if alias is None:
        missing("Alias", arn(ctx, request["AliasName"]))
    ctx.need(Store).delete(alias)


@operation("ListAliases", "kms", depth="records")
def list_aliases(ctx: Context, request: Request) -> Response:
    key = find(ctx, request["KeyId"]) if "KeyId" in request else None
    aliases = (alias for alias in every(ctx, ALIAS) if key is None or alias.parent == key.name)
    found, more = _page(aliases, f"aliases {key.name if key else ''}", request)
    shown = [
        {
            "AliasName": alias.name,
            "AliasArn": arn(ctx, alias.name),
            "TargetKeyId": alias.parent,
            "CreationDate": alias.created,
            "LastUpdatedDate": alias.modified,
        }
        for alias in found
    ]
    return {"Aliases": shown} | more


@operation("ScheduleKeyDeletion", "kms", depth="records")
def schedule_key_deletion(ctx: Context, request: Request) -> Response:
    days = request.get("PendingWindowInDays", DEFAULT_WINDOW)
    if not 7 <= days <= 30:
        raise AwsError("PendingWindowInDays must be between 7 and 30", code="ValidationException", status=400)
    due = int(time.time()) + days * DAY

    def schedule(key: Record) -> None:
        _refuse_deleting(ctx, key)
        key.status, key.state["deletion"] = DELETING, due

    key = _edit(ctx, request, schedule)
    return {
        "KeyId": arn(ctx, f"key/{key.name}"),
        "DeletionDate": due,
        "KeyState": DELETING,
        "PendingWindowInDays": days,
    }


@operation("CancelKeyDeletion", "kms", depth="records")
def cancel_key_deletion(ctx: Context, request: Request) -> Response:
    def cancel(key: Record) -> None:
        if key.status != DELETING:
            raise _state(ctx, key, "not pending deletion")
        key.status = "Disabled"
        del key.state["deletion"]

    return {"KeyId": arn(ctx, f"key/{_edit(ctx, request, cancel).name}")}


@operation("EnableKey", "kms", depth="records")
def enable(ctx: Context, request: Request) -> None:
    _switch(ctx, request, "Enabled")


@operation("DisableKey", "kms", depth="records")
def disable(ctx: Context, request: Request) -> None:
    _switch(ctx, request, "Disabled")


@operation("GetKeyPolicy", "kms", depth="records")
def get_key_policy(ctx: Context, request: Request) -> Response:
    key = find(ctx, request["KeyId"])
    return {"Policy": key.spec.get("Policy") or default_policy(key.account), "PolicyName": "default"}


@operation("PutKeyPolicy", "kms", depth="records")
def put_key_policy(ctx: Context, request: Request) -> None:
    _edit(ctx, request, lambda key: key.spec.update(Policy=request["Policy"]))


@operation("ListResourceTags", "kms", depth="records")
def list_resource_tags(ctx: Context, request: Request) -> Response:
    tags = ctx.need(Store).tags(find(ctx, request["KeyId"]).id)
    return {"Tags": [{"TagKey": key, "TagValue": value} for key, value in tags.items()], "Truncated": False}


def _switch(ctx: Context, request: Request, status: str) -> None:
    def switch(key: Record) -> None:
        _refuse_deleting(ctx, key)
        key.status = status

    _edit(ctx, request, switch)


def _edit(ctx: Context, request: Request, change: Callable[[Record], None]) -> Record:
    store = ctx.need(Store)
    found = find(ctx, request["KeyId"])
    with store.write(found.id):
        key = store.locked(found.id) or found
        change(key)
        key.modified = store.now()
        return store.update(key)


def _refuse_deleting(ctx: Context, key: Record) -> None:
    if key.status == DELETING:
        raise _state(ctx, key, "pending deletion")


def _state(ctx: Context, key: Record, what: str) -> AwsError:
    return AwsError(f"{arn(ctx, f'key/{key.name}')} is {what}.", code="KMSInvalidStateException", status=400)


def _page(items: Iterator[Record], listing: str, request: Request) -> tuple[list[Record], Response]:
    try:
        found, marker = tokens.page(
            items, lambda one: one.name, listing, request.get("Marker"), request.get("Limit", 100)
        )
    except tokens.BadToken as error:
        raise AwsError("Invalid marker.", code="InvalidMarkerException", status=400) from error
    return found, {"Truncated": True, "NextMarker": marker} if marker else {"Truncated": False}


def _refusal(name: str) -> Handler:
    def refuse(ctx: Context, request: Request) -> Response:
        raise NotBuilt(f"{name} is not available here: keys are records without key material.")

    return refuse


REFUSED = tuple(
    Operation("kms", name, _refusal(name), depth="refuses")
    for name in ("Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext")
)
