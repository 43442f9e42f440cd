"""When a schedule comes next: `at(...)`, `rate(...)` and AWS's `cron(...)`, in a time zone. Pure."""

import calendar
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

FORM = re.compile(r"(at|rate|cron)\((.*)\)")
UNITS = {"minute": 60, "hour": 3600, "day": 86_400}
MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
FURTHEST_YEARS = 30
"""Beyond it a schedule is taken to never come again."""


class BadSchedule(ValueError):
    """Not a schedule; the message says why."""


def following(expression: str, zone: str, anchor: float, after: float) -> float | None:
    """The first time later than `after`, in epoch seconds; None for never again. A rate counts from `anchor`.

    Raises BadSchedule.
    """
    found = FORM.fullmatch(expression.strip())
    if found is None:
        raise BadSchedule(f"{expression} is not at(...), rate(...) or cron(...)")
    form, inside = found.groups()
    local = _zone(zone)
    if form == "at":
        moment = _at(inside, local)
        return moment if moment > after else None
    if form == "rate":
        return _rate(inside, anchor, after)
    return _Cron(inside).following(local, after)


def _zone(name: str) -> tzinfo:
    """UTC needs no time zone database, which small machines lack."""
    try:
        return UTC if name in ("UTC", "Etc/UTC") else ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise BadSchedule(f"{name} is not a time zone") from error


def _at(inside: str, zone: tzinfo) -> float:
    try:
        return datetime.strptime(inside, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone).timestamp()
    except ValueError as error:
        raise BadSchedule(f"at({inside}) is not at(yyyy-mm-ddThh:mm:ss)") from error


def _rate(inside: str, anchor: float, after: float) -> float:
    found = re.fullmatch(r"([1-9]\d{0,8}) (minute|hour|day)(s?)", inside)
    if found is None or (found[1] == "1") == bool(found[3]):
        raise BadSchedule(f"rate({inside}) is not rate(1 minute) or rate(n minutes), hours or days")
    every = int(found[1]) * UNITS[found[2]]
    return anchor + max(0, (after - anchor) // every + 1) * every


class _Cron:
    """Six fields: minutes, hours, day of month, month, day of week, year. One of the two days is `?`."""

    def __init__(self, text: str) -> None:
        fields = text.upper().split()
        if len(fields) != 6:
            raise BadSchedule(f"cron({text}) has {len(fields)} fields and not six")
        minutes, hours, days, months, weekdays, years = fields
        if (days == "?") == (weekdays == "?"):
            raise BadSchedule(f"cron({text}): one of day-of-month and day-of-week must be ?, the other not")
        self._minutes, self._hours = _values(minutes, 0, 59, {}), _values(hours, 0, 23, {})
        self._months, self._years = _values(months, 1, 12, MONTHS), _values(years, 1970, 2199, {})
        self._fits = _day_of_month(days) if weekdays == "?" else _day_of_week(weekdays)

    def following(self, zone: tzinfo, after: float) -> float | None:
        start = datetime.fromtimestamp(after, zone)
        for day in self._dates(start.date()):
            # A day on which clocks change has hours that come twice or never.
            moments = (
                datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                for hour in sorted(self._hours)
                for minute in sorted(self._minutes)
            )
            found = next((moment for moment in moments if moment.timestamp() > after and _exists(moment)), None)
            if found:
                return found.timestamp()
        return None

    def _dates(self, first: date) -> Iterator[date]:
        last = first.year + FURTHEST_YEARS
        for year in range(first.year, last + 1):
            if year not in self._years:
                continue
            for month in sorted(self._months):
                if (year, month) < (first.year, first.month):
                    continue
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= first and self._fits(day):
                        yield day


def _exists(moment: datetime) -> bool:
    return moment.astimezone(UTC).astimezone(moment.tzinfo).replace(fold=0) == moment


def _values(field: str, least: int, most: int, names: dict[str, int]) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        if step and not re.fullmatch(r"[1-9]\d{0,3}", step):
            raise BadSchedule(f"{field} has a step that is no number")
        low, high = _span(span, least, most, names, open_ended=bool(step))
        found.update(range(low, high + 1, int(step or 1)))
    return found


def _span(span: str, least: int, most: int, names: dict[str, int], *, open_ended: bool) -> tuple[int, int]:
    if span in ("*", "?"):
        return least, most
    first, dash, last = span.partition("-")
    low = _number(first, names)
    high = _number(last, names) if dash else most if open_ended else low
    if not least <= low <= high <= most:
        raise BadSchedule(f"{span} is not between {least} and {most}")
    return low, high


def _number(text: str, names: dict[str, int]) -> int:
    if text in names:
        return names[text]
    if not re.fullmatch(r"\d{1,4}", text):
        raise BadSchedule(f"{text or 'nothing'} is not a number")
    return int(text)


def _day_of_month(field: str) -> Callable[[date], bool]:
    """Also `L`, the last one, and `15W`, the weekday nearest to the 15th."""
    if field == "L":
        return lambda day: day.day == _last(day)
    if found := re.fullmatch(r"(\d{1,2}|L)W", field):
        number = 0 if found[1] == "L" else int(found[1])
        return lambda day: day == _nearest_weekday(day, number or _last(day))
    wanted = _values(field, 1, 31, {})
    return lambda day: day.day in wanted


def _day_of_week(field: str) -> Callable[[date], bool]:
    """1 is Sunday. Also `6L`, the month's last Friday, and `6#3`, its third."""
    if found := re.fullmatch(r"(\w+)#([1-5])", field):
        weekday, week = _number(found[1], DAYS), int(found[2])
        return lambda day: _weekday(day) == weekday and (day.day - 1) // 7 + 1 == week
    if found := re.fullmatch(r"(\w+)L", field):
        weekday = _number(found[1], DAYS)
        return lambda day: _weekday(day) == weekday and day.day + 7 > _last(day)
    wanted = _values("7" if field == "L" else field, 1, 7, DAYS)
    return lambda day: _weekday(day) in wanted


def _weekday(day: date) -> int:
    return day.isoweekday() % 7 + 1


def _last(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_weekday(day: date, number: int) -> date | None:
    """Within the month."""
    if number > _last(day):
        return None
    wanted = day.replace(day=number)
    shift = {6: -1, 7: 1}.get(wanted.isoweekday(), 0)
    moved = wanted + timedelta(days=shift)
    return moved if moved.month == day.month else wanted - timedelta(days=2 * shift)
