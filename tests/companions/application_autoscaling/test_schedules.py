"""When schedules come next."""

from datetime import UTC, datetime

import pytest

from clary.companions.application_autoscaling.schedules import BadSchedule, following


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def after(expression: str, now: str, zone: str = "UTC", anchor: str = "2024-01-01T00:00:00") -> str | None:
    found = following(expression, zone, at(anchor), at(now))
    return None if found is None else datetime.fromtimestamp(found, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.mark.parametrize(
    ("expression", "now", "expected"),
    [
        ("at(2024-02-29T10:00:30)", "2024-01-01T00:00:00", "2024-02-29T10:00:30"),
        ("at(2024-02-29T10:00:30)", "2024-02-29T10:00:30", None),
        ("rate(5 minutes)", "2024-01-01T00:00:00", "2024-01-01T00:05:00"),
        ("rate(5 minutes)", "2024-01-01T00:07:00", "2024-01-01T00:10:00"),
        ("rate(1 hour)", "2023-12-31T00:00:00", "2024-01-01T00:00:00"),
        ("rate(2 days)", "2024-01-02T12:00:00", "2024-01-03T00:00:00"),
        ("cron(0 9 * * ? *)", "2024-01-01T09:00:00", "2024-01-02T09:00:00"),
        ("cron(0/15 * * * ? *)", "2024-01-01T09:16:00", "2024-01-01T09:30:00"),
        ("cron(0 18 ? * MON-FRI *)", "2024-01-05T19:00:00", "2024-01-08T18:00:00"),
        ("cron(0 8 L * ? *)", "2024-02-10T00:00:00", "2024-02-29T08:00:00"),
        ("cron(0 8 1W 6 ? 2024)", "2024-01-01T00:00:00", "2024-06-03T08:00:00"),
        ("cron(0 8 ? * 6#3 *)", "2024-01-01T00:00:00", "2024-01-19T08:00:00"),
        ("cron(0 8 ? * 6L *)", "2024-01-01T00:00:00", "2024-01-26T08:00:00"),
        ("cron(0 8 31 FEB ? *)", "2024-01-01T00:00:00", None),
        ("cron(0 8 1 1 ? 2020-2023)", "2024-01-01T00:00:00", None),
        ("cron(59 23 31 12 ? *)", "2024-12-31T23:58:59", "2024-12-31T23:59:00"),
    ],
)
def test_next_times(expression: str, now: str, expected: str | None) -> None:
    assert after(expression, now) == expected


def test_time_zones_and_their_clock_changes() -> None:
    berlin = "Europe/Berlin"
    assert after("cron(0 9 * * ? *)", "2024-01-01T09:00:00", berlin) == "2024-01-02T08:00:00"
    assert after("at(2024-07-01T10:00:00)", "2024-01-01T00:00:00", berlin) == "2024-07-01T08:00:00"
    # 02:30 does not come on 31 March, and comes twice on 27 October, where the first counts.
    assert after("cron(30 2 * * ? *)", "2024-03-30T12:00:00", berlin) == "2024-04-01T00:30:00"
    assert after("cron(30 2 * * ? *)", "2024-10-26T12:00:00", berlin) == "2024-10-27T00:30:00"


@pytest.mark.parametrize(
    "expression",
    [
        "every(5 minutes)",
        "at(2024-02-30T10:00:00)",
        "at(2024-02-20)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(0 minutes)",
        "rate(5 seconds)",
        "cron(0 9 * * * *)",
        "cron(0 9 * * ?)",
        "cron(60 9 * * ? *)",
        "cron(0 9-8 * * ? *)",
        "cron(0 9 ? * 6#6 *)",
        "cron(0 9 ? * XYZ *)",
        "cron(0/0 9 * * ? *)",
    ],
)
def test_what_is_no_schedule(expression: str) -> None:
    with pytest.raises(BadSchedule):
        following(expression, "UTC", 0, 0)


def test_what_is_no_zone() -> None:
    for zone in ("Mars/Olympus", "../../etc/passwd", ""):
        with pytest.raises(BadSchedule):
            following("rate(1 hour)", zone, 0, 0)
