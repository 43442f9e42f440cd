"""Keys and aliases as records, and the many ways to name a key."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import NoReturn

from clary.resources.making import add, new
from clary.resources.query import Query
from clary.resources.records import Record
from clary.resources.store import NameTaken, Store
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import Request, Response

KEY, ALIAS = "KmsKey", "KmsAlias"


def create_key(ctx: Context, spec: Request) -> Record:
    return _insert(ctx, KEY, str(uuid.uuid4()), "key/", spec, status="Enabled")


def create_alias(ctx: Context, name: str, key: Record) -> Record:
    """Raises AlreadyExistsException."""
    return _insert(ctx, ALIAS, name, "", {}, parent=key.name)


def _insert(
    ctx: Context, kind: str, name: str, segment: str, spec: Request, *, status: str = "", parent: str = ""
) -> Record:
    named = {"arn": arn(ctx, f"{segment}{name}").lower(), "status": status, "parent": parent}
    record = new(kind, ctx, name, ctx.need(Store).now(), spec=spec, **named)
    try:
        add(ctx, record)
    except NameTaken as error:
        message = f"An alias with the name {arn(ctx, name)} already exists"
        raise AwsError(message, code="AlreadyExistsException", status=400) from error
    return record


def find(ctx: Context, given: str) -> Record:
    """The key of an id, a key ARN, `alias/name` or an alias ARN, as it is now. Raises NotFoundException."""
    name = given.removeprefix(arn(ctx, ""))
    if name.startswith("alias/"):
        alias = find_alias(ctx, name)
        name = alias.parent if alias else given
    key = ctx.need(Store).get(KEY, ctx.account, ctx.region, name.removeprefix("key/"))
    if key is None or _is_gone(key):
        shown = given if given.startswith("arn:") else arn(ctx, given if "/" in given else f"key/{given}")
        missing("Alias" if "alias/" in given else "Key", shown)
    return key


def find_alias(ctx: Context, name: str) -> Record | None:
    query = Query(kind=ALIAS, account=ctx.account, region=ctx.region, name=name, limit=1)
    return next(iter(ctx.need(Store).page(query).records), None)


def every(ctx: Context, kind: str) -> Iterator[Record]:
    """In name order; keys past their deletion date are gone."""
    after = None
    while True:
        query = Query(kind=kind, account=ctx.account, region=ctx.region, sort="name", after=after, limit=500)
        page = ctx.need(Store).page(query)
        yield from (record for record in page.records if not _is_gone(record))
        if page.next is None:
            return
        after = page.next


def _is_gone(key: Record) -> bool:
    return bool(key.state.get("deletion", float("inf")) < time.time())


def metadata(ctx: Context, key: Record) -> Response:
    """DescribeKey's `KeyMetadata`."""
    spec = key.spec.get("KeySpec") or key.spec.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"
    shown: Response = {
        "AWSAccountId": key.account,
        "KeyId": key.name,
        "Arn": arn(ctx, f"key/{key.name}"),
        "CreationDate": key.created,
        "Enabled": key.status == "Enabled",
        "Description": key.spec.get("Description", ""),
        "KeyUsage": key.spec.get("KeyUsage", "ENCRYPT_DECRYPT"),
        "KeyState": key.status,
        "Origin": key.spec.get("Origin", "AWS_KMS"),
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": spec,
        "KeySpec": spec,
        "MultiRegion": key.spec.get("MultiRegion", False),
    }
    if spec == "SYMMETRIC_DEFAULT":
        shown["EncryptionAlgorithms"] = ["SYMMETRIC_DEFAULT"]
    return shown | ({"DeletionDate": key.state["deletion"]} if "deletion" in key.state else {})


def default_policy(account: str) -> str:
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]})


def arn(ctx: Context, resource: str) -> str:
    return f"arn:aws:kms:{ctx.region}:{ctx.account}:{resource}"


def missing(what: str, shown: str) -> NoReturn:
    text = f"Alias {shown} is not found." if what == "Alias" else f"Key '{shown}' does not exist"
    raise AwsError(text, code="NotFoundException", status=400)
