"""Keeping metrics small: the older a sample, the coarser. CloudWatch's own ages; everything ends after 15 months.

Past each age, a cell of that length keeps at most `MOST` rows. Rows are merged by neighbouring value, so counts, sums
and extremes stay exact and percentiles nearly so.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from clary.companions.cloudwatch.tables import metrics, samples
from clary.resources.store import Store

HOUR = 3_600_000
DAY = 24 * HOUR

TIERS = ((3 * HOUR, 60_000), (15 * DAY, 300_000), (63 * DAY, HOUR))
"""(age, cell), both in milliseconds."""

KEEP = 455 * DAY
MOST = 20
WINDOW = 2 * DAY
"""How far behind an age the search for cells goes: a Clary that was off for longer leaves some cells fine."""


def tidy(store: Store) -> None:
    """One pass; several processes may do it at once."""
    now = int(store.now() * 1000)
    for age, cell in TIERS:
        for series, unit, start in _crowded(store, now - age, cell):
            with store.write(f"metric {series}") as conn:
                _merge(conn, series, unit, start, cell)
    with store.write() as conn:
        conn.execute(delete(samples).where(samples.c.at < now - KEEP))
        conn.execute(delete(metrics).where(metrics.c.active < now - KEEP))


def _crowded(store: Store, before: int, cell: int) -> list[tuple[str, str, int]]:
    """(series, unit, start) of the cells with too many rows."""
    last = before // cell * cell
    number = (samples.c.at // cell).label("number")
    query = (
        select(samples.c.metric, samples.c.unit, number)
        .where(samples.c.at >= last - WINDOW, samples.c.at < last)
        .group_by(samples.c.metric, samples.c.unit, number)
        .having(func.count() > MOST)
    )
    with store.read() as conn:
        return [(row[0], row[1], row[2] * cell) for row in conn.execute(query)]


def _merge(conn: Connection, series: str, unit: str, start: int, cell: int) -> None:
    where = (
        samples.c.metric == series,
        samples.c.unit == unit,
        samples.c.at >= start,
        samples.c.at < start + cell,
    )
    rows = conn.execute(select(samples).where(*where).order_by(samples.c.low, samples.c.high)).all()
    if len(rows) <= MOST:
        return
    conn.execute(delete(samples).where(*where))
    same = {"metric": series, "unit": unit, "at": start, "rolled": cell // 1000}
    size = -(-len(rows) // MOST)
    conn.execute(insert(samples), [_sum(rows[at : at + size]) | same for at in range(0, len(rows), size)])


def _sum(rows: Sequence[Any]) -> dict[str, float]:
    return {
        "count": sum(row.count for row in rows),
        "total": sum(row.total for row in rows),
        "low": min(row.low for row in rows),
        "high": max(row.high for row in rows),
    }
