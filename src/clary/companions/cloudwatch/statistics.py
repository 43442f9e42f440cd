"""Statistics of a series over periods: Sum, Average, ..., p99."""

import re
from collections.abc import Iterable

from clary.companions.cloudwatch.store import Cell, MetricStore
from clary.wire.errors import AwsError

PERCENTILE = re.compile(r"p(\d{1,3}(?:\.\d{1,10})?)")

BASIC = {
    "SampleCount": lambda cell: cell.count,
    "Average": lambda cell: cell.total / cell.count,
    "Sum": lambda cell: cell.total,
    "Minimum": lambda cell: cell.low,
    "Maximum": lambda cell: cell.high,
}
HIGH_RESOLUTION = (1, 5, 10, 20, 30)


def percentile_of(name: str) -> float | None:
    """99.9 of `p99.9`; None for another statistic."""
    found = PERCENTILE.fullmatch(name)
    return float(found[1]) if found and float(found[1]) <= 100 else None


def check_period(period: int) -> None:
    """Raises InvalidParameterValue for a period CloudWatch does not have."""
    if period not in HIGH_RESOLUTION and (period <= 0 or period % 60):
        raise invalid("The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60.")


def aligned(start: float, period: int) -> int:
    """Where the first period starts, in epoch milliseconds: on a whole minute, or on the short period's own grid."""
    grid = min(period, 60)
    return int(start // grid) * grid * 1000


def statistic(cell: Cell, name: str, store: MetricStore, series: str, period: int, unit: str | None) -> float | None:
    """One statistic of a cell; None for a percentile where only statistic sets were put. `period` in milliseconds."""
    if name in BASIC:
        return BASIC[name](cell) if cell.count else None
    share = percentile_of(name)
    if share is None:
        raise invalid(f"The value {name} for parameter Statistics is not supported.")
    return percentile(store.values(series, cell.at, cell.at + period, unit), share)


def percentile(values: Iterable[tuple[float, float]], share: float) -> float | None:
    """Of ascending `(value, count)`, linear between the two ranks next to it; None of nothing."""
    found = list(values)
    rank = (sum(count for _, count in found) - 1) * share / 100
    seen, before = 0.0, 0.0
    for value, count in found:
        # Ranks from `seen` to `seen + count - 1` hold this value; `rank` may lie between the last one and this.
        if rank <= seen:
            return value if not seen else before + (value - before) * (rank - seen + 1)
        if rank <= seen + count - 1:
            return value
        seen, before = seen + count, value
    return before if found else None


def invalid(message: str, code: str = "InvalidParameterValue") -> AwsError:
    return AwsError(message, code=code, status=400)
