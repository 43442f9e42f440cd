"""Metrics in the database. The controller, the endpoint gateway and PutMetricData write through `MetricStore`."""

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, func, insert, select, tuple_

from clary.companions.cloudwatch import rollup
from clary.companions.cloudwatch.tables import metrics, samples
from clary.resources.store import Store

ACTIVE_MILLISECONDS = 300_000
"""How exactly a metric's last activity is known."""

TIDY_MILLISECONDS = 3_600_000
"""How often a process that puts samples also rolls old ones up."""

PAGE = 500


class Metric(NamedTuple):
    """What a series is known by. Dimensions are sorted by name."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()


class Sample(msgspec.Struct, frozen=True):
    """One value, or what is known of several. `at` is epoch milliseconds."""

    at: int
    unit: str
    count: float
    total: float
    low: float
    high: float


class Cell(msgspec.Struct, frozen=True):
    """All samples of one period and unit; `at` is the period's start in epoch milliseconds."""

    at: int
    unit: str
    count: float
    total: float
    low: float
    high: float


class MetricStore:
    """Safe to use from many threads and processes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._active: dict[str, int] = {}
        self._tidied = int(store.now() * 1000)
        self._tidying = threading.Lock()
        upsert: Any = store.database.insert(metrics)
        self._upsert = upsert.on_conflict_do_update(index_elements=["id"], set_={"active": upsert.excluded.active})

    def put(
        self, account: str, region: str, namespace: str, values: Iterable[tuple[str, Mapping[str, str], float, float]]
    ) -> None:
        """Add `(name, dimensions, value, epoch seconds)`, all in one transaction. Unit None."""
        self.add(
            account,
            region,
            [
                (
                    Metric(namespace, name, tuple(sorted(dimensions.items()))),
                    Sample(int(at * 1000), "None", 1, value, value, value),
                )
                for name, dimensions, value, at in values
            ],
        )

    def add(self, account: str, region: str, found: list[tuple[Metric, Sample]]) -> None:
        """Durable when it returns."""
        if not found:
            return
        now = int(self._store.now() * 1000)
        ids = {metric: metric_id(account, region, metric) for metric, _ in found}
        fresh = [metric for metric, key in ids.items() if self._active.get(key, 0) + ACTIVE_MILLISECONDS < now]
        with self._store.write() as conn:
            if fresh:
                conn.execute(self._upsert, [_row(account, region, metric, now) for metric in fresh])
            rows = [msgspec.structs.asdict(sample) | {"metric": ids[metric], "rolled": 0} for metric, sample in found]
            conn.execute(insert(samples), rows)
        self._active |= {ids[metric]: now for metric in fresh}
        self._tidy(now)

    def series(
        self, account: str, region: str, namespace: str | None, name: str | None, active_since: int, after: str
    ) -> Iterator[tuple[str, Metric]]:
        """Series with their position, which is the `after` of a later call; by namespace and name."""
        where = [metrics.c.account == account, metrics.c.region == region, metrics.c.active >= active_since]
        where += [metrics.c.namespace == namespace] if namespace else []
        where += [metrics.c.name == name] if name else []
        order = (metrics.c.namespace, metrics.c.name, metrics.c.id)
        position = msgspec.json.decode(after, type=tuple[str, str, str]) if after else ("", "", "")
        while True:
            query = select(metrics).where(*where, tuple_(*order) > tuple_(*position)).order_by(*order).limit(PAGE)
            with self._store.read() as conn:
                rows = conn.execute(query).all()
            for row in rows:
                position = (row.namespace, row.name, row.id)
                dimensions = msgspec.json.decode(row.dimensions, type=tuple[tuple[str, str], ...])
                yield msgspec.json.encode(position).decode(), Metric(row.namespace, row.name, dimensions)
            if len(rows) < PAGE:
                return

    def cells(self, series: str, start: int, end: int, period: int, unit: str | None, *, units: bool) -> list[Cell]:
        """The samples of `[start, end)` by period, in order; times and period are milliseconds.

        `units` keeps units apart. `series` is a `metric_id`.
        """
        number = ((samples.c.at - start) // period).label("number")
        shown: ColumnElement[str] = samples.c.unit if units else func.max(samples.c.unit)
        query = (
            select(
                number,
                shown,
                func.sum(samples.c.count),
                func.sum(samples.c.total),
                func.min(samples.c.low),
                func.max(samples.c.high),
            )
            .where(*_range(series, start, end, unit))
            .group_by(number, *([samples.c.unit] if units else []))
            .order_by(number)
        )
        with self._store.read() as conn:
            return [Cell(start + row[0] * period, *row[1:]) for row in conn.execute(query)]

    def values(self, series: str, start: int, end: int, unit: str | None) -> Iterator[tuple[float, float]]:
        """`(value, count)` in ascending order, for percentiles. A client's statistic sets have no values to give."""
        mean = samples.c.total / samples.c.count
        query = (
            select(mean, samples.c.count)
            .where(*_range(series, start, end, unit), samples.c.count > 0)
            .where((samples.c.low == samples.c.high) | (samples.c.rolled > 0))
            .order_by(mean)
        )
        with self._store.read() as conn:
            for row in conn.execute(query):
                yield row[0], row[1]

    def tidy(self) -> None:
        """Roll up and drop old samples, and forget series without any. Repeatable."""
        rollup.tidy(self._store)

    def _tidy(self, now: int) -> None:
        if now - self._tidied < TIDY_MILLISECONDS or not self._tidying.acquire(blocking=False):
            return
        try:
            self.tidy()
            self._tidied = now
        finally:
            self._tidying.release()


def metric_id(account: str, region: str, metric: Metric) -> str:
    """The key of a series in the database."""
    return hashlib.sha256(msgspec.json.encode([account, region, *metric])).hexdigest()[:32]


def _row(account: str, region: str, metric: Metric, now: int) -> dict[str, Any]:
    return {
        "id": metric_id(account, region, metric),
        "account": account,
        "region": region,
        "namespace": metric.namespace,
        "name": metric.name,
        "dimensions": msgspec.json.encode(metric.dimensions).decode(),
        "active": now,
    }


def _range(series: str, start: int, end: int, unit: str | None) -> list[ColumnElement[bool]]:
    where = [samples.c.metric == series, samples.c.at >= start, samples.c.at < end]
    return [*where, samples.c.unit == unit] if unit else where
