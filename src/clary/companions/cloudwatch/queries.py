"""Series of metric queries: GetMetricData asks for them, and so do alarms, which the controller evaluates."""

from collections.abc import Sequence

from clary.companions.cloudwatch import putting
from clary.companions.cloudwatch.expressions import Series, evaluate
from clary.companions.cloudwatch.statistics import BASIC, aligned, check_period, invalid, percentile_of, statistic
from clary.companions.cloudwatch.store import Metric, MetricStore, metric_id
from clary.wire.errors import AwsError
from clary.wire.operations import Request

MOST_DATA_POINTS = 100_800


class Queries:
    """MetricDataQueries over one span of time (epoch seconds). Each series is made when first needed, by the caller
    or by an expression.

    Raises ValidationError, InvalidParameterValue.
    """

    def __init__(
        self, store: MetricStore, account: str, region: str, queries: Sequence[Request], start: float, end: float
    ) -> None:
        self._store, self._account, self._region = store, account, region
        self._start, self._end = start, end
        self.by_id = {query["Id"]: query for query in queries}
        if len(self.by_id) != len(queries):
            raise refused("The values for parameter Id in MetricDataQueries are not unique.")
        self._made: dict[str, Series] = {}
        self._making: set[str] = set()

    def series(self, query_id: str) -> Series:
        if query_id not in self.by_id:
            raise refused(f"The expression names '{query_id}', which is no Id of MetricDataQueries.")
        if query_id in self._making:
            raise refused(f"The expression of '{query_id}' needs itself.")
        if query_id not in self._made:
            self._making.add(query_id)
            self._made[query_id] = self._make(self.by_id[query_id])
            self._making.discard(query_id)
        return self._made[query_id]

    def _make(self, query: Request) -> Series:
        if ("MetricStat" in query) == ("Expression" in query):
            raise refused(f"Exactly one of MetricStat and Expression must be in '{query['Id']}'.")
        if "Expression" in query:
            return evaluate(query["Expression"], query["Id"], self.series, self._metrics)
        wanted = query["MetricStat"]
        name, unit = wanted["Stat"], wanted.get("Unit")
        if name not in BASIC and percentile_of(name) is None:
            raise refused(f"The value {name} for parameter Stat of '{query['Id']}' is not supported.")
        start, end, period = span(self._start, self._end, wanted["Period"])
        if (end - start) // period > MOST_DATA_POINTS:
            raise refused(f"The period of '{query['Id']}' gives more than {MOST_DATA_POINTS:,} datapoints.")
        series = metric_id(self._account, self._region, metric_of(wanted["Metric"]))
        values = {
            cell.at: statistic(cell, name, self._store, series, period, unit)
            for cell in self._store.cells(series, start, end, period, unit, units=False)
        }
        return {at: float(value) for at, value in values.items() if value is not None}

    def _metrics(self) -> list[Series]:
        return [self.series(query_id) for query_id, query in self.by_id.items() if "MetricStat" in query]


def span(start: float, end: float, period: int) -> tuple[int, int, int]:
    """Start, end and period in milliseconds, of times in seconds."""
    check_period(period)
    if start >= end:
        raise invalid("The parameter StartTime must be less than the parameter EndTime.")
    return aligned(start, period), int(end * 1000), period * 1000


def metric_of(named: Request) -> Metric:
    return Metric(named.get("Namespace", ""), named.get("MetricName", ""), putting.dimensions(named))


def refused(message: str) -> AwsError:
    return invalid(message, "ValidationError")
