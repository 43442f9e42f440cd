"""Roles, users and customer policies as records: what the three have in common, as a table.

IAM is global, so its records lie in the region `aws-global`. Its query protocol pages with markers. Names are unique
without regard to case.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from clary.companions import tokens
from clary.companions.iam.ids import random_id
from clary.resources.making import Scope, new
from clary.resources.query import Query
from clary.resources.records import Record
from clary.resources.store import NameTaken, Store
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import Request, Response

REGION = "aws-global"
MOST_TAGS = 50


@dataclass(frozen=True, slots=True)
class Entity:
    """One noun of IAM. `prefix` starts its unique ids; `exists` and `missing` are AWS's wordings."""

    noun: str
    plural: str
    prefix: str
    exists: str
    missing: str

    @property
    def kind(self) -> str:
        return f"Iam{self.noun}"

    @property
    def name_member(self) -> str:
        return f"{self.noun}Name"

    def arn(self, account: str, path: str, name: str) -> str:
        return f"arn:aws:iam::{account}:{self.noun.lower()}{path}{name}"


ROLE = Entity(
    "Role", "Roles", "AROA", "Role with name {name} already exists.", "The role with name {name} cannot be found."
)
USER = Entity(
    "User", "Users", "AIDA", "User with name {name} already exists.", "The user with name {name} cannot be found."
)
POLICY = Entity(
    "Policy",
    "Policies",
    "ANPA",
    "A policy called {name} already exists. Duplicate names are not allowed.",
    "Policy {name} was not found.",
)


def create(store: Store, account: str, entity: Entity, spec: Request) -> Record:
    """A new record from a create request. Raises EntityAlreadyExists."""
    path, name = spec.get("Path", "/"), spec[entity.name_member]
    record = new(
        entity.kind,
        Scope(account, REGION),
        name,
        store.now(),
        arn=entity.arn(account, path, name).lower(),
        spec={key: value for key, value in spec.items() if key != "Tags"} | {"Path": path},
        state={"id": entity.prefix + random_id(), "inline": {}, "attached": []},
    )
    tags = {tag["Key"]: tag["Value"] for tag in spec.get("Tags", ())}
    _check_tags(tags)
    try:
        store.insert(record, tags=tags)
    except NameTaken as error:
        raise AwsError(entity.exists.format(name=name), code="EntityAlreadyExists", status=409) from error
    return record


def find(store: Store, account: str, entity: Entity, name: str) -> Record:
    """Raises NoSuchEntity."""
    record = store.get(entity.kind, account, REGION, name)
    if record is None:
        raise no_such(entity.missing.format(name=name))
    return record


def by_arn(store: Store, account: str, arn: str) -> Record | None:
    """The account's role, user or policy of this ARN."""
    record = store.by_arn(arn)
    return record if record and record.account == account and record.region == REGION else None


def every(store: Store, account: str, entity: Entity, **filters: Any) -> Iterator[Record]:
    """All records in name order."""
    after = None
    while True:
        page = store.page(
            Query(kind=entity.kind, account=account, region=REGION, sort="name", after=after, limit=500, **filters)
        )
        yield from page.records
        if page.next is None:
            return
        after = page.next


def change(store: Store, record: Record, edit: Callable[[Record], None]) -> Record:
    """Apply `edit` to the record as it is now, alone, and write it. Raises NoSuchEntity if it is gone meanwhile."""
    with store.write(record.id):
        current = store.locked(record.id)
        if current is None:
            raise no_such(f"The entity with name {record.name} cannot be found.")
        edit(current)
        current.modified = store.now()
        return store.update(current)


def arn_of(entity: Entity, record: Record) -> str:
    """The ARN as clients see it; the record's own is lower-case."""
    return entity.arn(record.account, record.spec["Path"], record.name)


def shown(entity: Entity, record: Record) -> Response:
    """The members every entity's answer has."""
    return {
        "Path": record.spec["Path"],
        entity.name_member: record.name,
        f"{entity.noun}Id": record.state["id"],
        "Arn": arn_of(entity, record),
        "CreateDate": record.created,
    }


def tag_list(store: Store, record: Record) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in store.tags(record.id).items()]


def add_tags(store: Store, record: Record, changed: dict[str, str]) -> None:
    with store.write(record.id):
        _check_tags(store.tags(record.id) | changed)
        store.set_tags(record.id, changed)


def _check_tags(tags: dict[str, str]) -> None:
    if len(tags) > MOST_TAGS:
        raise AwsError(
            f"The number of tags has reached the maximum limit. Maximum {MOST_TAGS}", code="LimitExceeded", status=409
        )


def encoded(document: str) -> str:
    """Documents travel percent-encoded in IAM's answers; SDKs decode them."""
    return quote(document, safe="-_.~")


def listed(
    items: Iterator[Any], key: Callable[[Any], str], listing: str, request: Request
) -> tuple[list[Any], Response]:
    """One page by IAM's Marker and MaxItems, and the members that say so. `items` ascend by `key`."""
    try:
        found, marker = tokens.page(items, key, listing, request.get("Marker"), request.get("MaxItems", 100))
    except tokens.BadToken as error:
        raise AwsError("Invalid Marker.", code="ValidationError", status=400) from error
    return found, {"IsTruncated": True, "Marker": marker} if marker else {"IsTruncated": False}


def owner(ctx: Context, request: Request) -> str:
    """The user a request is about: named, or else the caller, who must then be one."""
    name = request.get("UserName")
    if name:
        return str(name)
    if ":user/" not in ctx.principal.arn:
        raise AwsError(
            "Must specify userName when calling with non-User credentials", code="ValidationError", status=400
        )
    return ctx.principal.arn.rpartition("/")[2]


def no_such(message: str) -> AwsError:
    return AwsError(message, code="NoSuchEntity", status=404)
