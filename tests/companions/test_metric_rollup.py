import math
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from clary.companions.cloudwatch import MetricStore
from clary.companions.cloudwatch.rollup import DAY, HOUR, KEEP, MOST
from clary.companions.cloudwatch.statistics import percentile
from clary.companions.cloudwatch.store import Metric, Sample, metric_id
from clary.companions.cloudwatch.tables import samples
from clary.resources.store import Store

NOW = 1_800_000_000
"""On a whole hour."""


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url, lambda: NOW)
    yield store
    store.close()


SERIES = Metric("n", "m", (("a", "b"),))


def add(store: Store, values: list[float], at: int, step: int = 1) -> None:
    found = [(SERIES, Sample(at + n * step, "None", 1, value, value, value)) for n, value in enumerate(values)]
    MetricStore(store).add("1", "r", found)


def count(store: Store) -> int:
    with store.read() as conn:
        return int(conn.execute(select(func.count()).select_from(samples)).scalar_one())


@pytest.mark.parametrize(("age", "cell"), [(4 * HOUR, 60), (16 * DAY, 300), (64 * DAY, 3600)])
def test_old_samples_are_few_and_still_right(store: Store, age: int, cell: int) -> None:
    values = [random.Random(number).gauss(10, 3) for number in range(1000)]
    add(store, values, NOW * 1000 - age)
    metrics = MetricStore(store)
    metrics.tidy()
    metrics.tidy()
    assert count(store) <= MOST
    start, series = NOW * 1000 - age, metric_id("1", "r", SERIES)
    (found,) = metrics.cells(series, start, start + cell * 1000, cell * 1000, None, units=False)
    assert (found.count, found.low, found.high) == (1000, min(values), max(values))
    assert math.isclose(found.total, math.fsum(values))
    median = percentile(metrics.values(series, start, start + cell * 1000, None), 50)
    assert median is not None
    assert abs(median - sorted(values)[500]) < 0.5


def test_young_samples_are_kept_and_ancient_ones_dropped(store: Store) -> None:
    add(store, [1.0] * 100, NOW * 1000 - HOUR)
    add(store, [1.0] * 5, NOW * 1000 - KEEP - DAY)
    MetricStore(store).tidy()
    assert count(store) == 100


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [
        ([], 50, None),
        ([(7.0, 1.0)], 99, 7.0),
        ([(1.0, 1.0), (2.0, 1.0)], 50, 1.5),
        ([(1.0, 3.0), (2.0, 1.0)], 50, 1.0),
        ([(1.0, 1.0), (2.0, 3.0)], 50, 2.0),
        ([(1.0, 1.0), (2.0, 1.0), (9.0, 1.0)], 100, 9.0),
        ([(1.0, 2.0), (3.0, 2.0)], 50, 2.0),
    ],
)
def test_percentiles(values: list[tuple[float, float]], share: float, wanted: float | None) -> None:
    assert percentile(values, share) == wanted


def test_statistic_sets_have_no_percentiles(store: Store, tmp_path: Path) -> None:
    metrics = MetricStore(store)
    metrics.add("1", "r", [(SERIES, Sample(NOW * 1000, "None", 5, 10, 0, 9))])
    assert list(metrics.values(metric_id("1", "r", SERIES), 0, NOW * 2000, None)) == []
