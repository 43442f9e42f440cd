"""Holding creates and updates to the account's quotas of instances, where a quota was set.

A kind whose records hold instances has a `Holding` as its `guard`; what is not a record calls `check`. A quota that was
never set costs one read by key and counts nothing. In a transaction of the store the count is exact: creates at the
same time cannot pass together.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from clary.companions.service_quotas import names, values
from clary.resources.kinds import Kind, Kinds
from clary.resources.query import Query
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import ResourceLimitExceeded

Held = tuple[str, str, int]
"""A use of `names.FORMS`, an instance type, how many."""


def check(ctx: Context, usage: str, instance_type: str, count: int) -> None:
    """May `count` more instances be used? Raises ResourceLimitExceeded."""
    quota = names.quota(usage, instance_type)
    if count <= 0 or values.applied(ctx, quota.code) is None:
        return
    with ctx.need(Store).write(lock=f"quota\n{ctx.account}\n{ctx.region}\n{quota.code}"):
        limit = values.applied(ctx, quota.code)
        used = in_use(ctx, usage, instance_type)
        if limit is not None and used + count > limit:
            raise ResourceLimitExceeded(
                f"The account-level service limit '{quota.name}' is {limit:.0f} Instances, with current utilization of "
                f"{used} Instances and a request delta of {count} Instances. Please use AWS Service Quotas to request "
                "an increase for this quota. If AWS Service Quotas is not available, contact AWS support to request "
                "an increase for this quota."
            )


@dataclass(frozen=True)
class Holding:
    """Which instances the records of a kind hold: `instances`, while a record is in one of `statuses`."""

    statuses: tuple[str, ...]
    instances: Callable[[Record], Iterable[Held]]
    longer: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """More statuses, for uses that may outlast those, such as warm pools."""

    def __call__(self, ctx: Context, record: Record) -> None:
        """The guard of a new record, which is not in the store yet."""
        for (usage, name), count in self.held(record).items():
            check(ctx, usage, name, count)

    def grown(self, ctx: Context, record: Record, before: Counter[tuple[str, str]]) -> None:
        """The guard of a change that is not in the store yet; `before` is what the record held."""
        for (usage, name), count in (self.held(record) - before).items():
            check(ctx, usage, name, count)

    def held(self, record: Record) -> Counter[tuple[str, str]]:
        """By use and type."""
        found: Counter[tuple[str, str]] = Counter()
        for usage, name, count in self.instances(record):
            found[usage, name] += count
        return found


def in_use(ctx: Context, usage: str, instance_type: str) -> int:
    """Instances that the account's records hold in the Region, for this use and of this type."""
    holding = ((kind, kind.guard) for kind in ctx.need(Kinds) if isinstance(kind.guard, Holding))
    return sum(
        guard.held(record)[usage, instance_type]
        for kind, guard in holding
        for status in (*guard.statuses, *guard.longer.get(usage, ()))
        for record in _records(ctx, kind, status)
    )


def _records(ctx: Context, kind: Kind, status: str) -> Iterator[Record]:
    after = None
    while True:
        scope = Query(kind=kind.noun, account=ctx.account, region=ctx.region, status=status, after=after, limit=500)
        page = ctx.need(Store).page(scope)
        yield from page.records
        if page.next is None:
            return
        after = page.next
