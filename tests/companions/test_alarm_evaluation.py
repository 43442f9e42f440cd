"""The judgement of alarms as tables, AWS's own among them, and its words."""

import pytest

from clary.companions.cloudwatch.alarms.evaluate import Missing, Point, Rule, State, Verdict, judge
from clary.companions.cloudwatch.alarms.reasons import number, reason, reason_data
from clary.companions.cloudwatch.alarms.rules import BadRule, Condition, conditions, holds

RETAIN = None
START = 1_667_906_580_000
"""2022-11-08 11:23:00 UTC."""


def points(drawn: str) -> list[Point | None]:
    """`0` is within the threshold, `X` beyond it, `-` missing; oldest first, a minute apart."""
    values = {"0": 0.0, "X": 9.0}
    return [
        Point(START + place * 60_000, values[each]) if each in values else None
        for place, each in enumerate(drawn.split())
    ]


def state(drawn: str, needed: int, periods: int, missing: Missing) -> State | None:
    return judge(Rule("GreaterThanThreshold", 5.0, periods, needed, missing), points(drawn)).state


TREATMENTS: tuple[Missing, ...] = ("missing", "ignore", "breaching", "notBreaching")


@pytest.mark.parametrize(
    ("drawn", "needed", "expected"),
    [
        # AWS's table for 3 of 3.
        ("0 - X - X", 3, ("OK", "OK", "OK", "OK")),
        ("- - - - 0", 3, ("OK", "OK", "OK", "OK")),
        ("- - - - -", 3, ("INSUFFICIENT_DATA", RETAIN, "ALARM", "OK")),
        ("0 X X - X", 3, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("- - X - -", 3, ("ALARM", RETAIN, "ALARM", "OK")),
        # Its table for 2 of 3.
        ("0 - X - X", 2, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("0 0 X 0 X", 2, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("0 - X - -", 2, ("OK", "OK", "ALARM", "OK")),
        ("- - - - 0", 2, ("OK", "OK", "ALARM", "OK")),
        ("- - - X -", 2, ("ALARM", RETAIN, "ALARM", "OK")),
        # A first datapoint that breaches is too young to alarm alone.
        ("- - - - X", 3, (RETAIN, RETAIN, "ALARM", "OK")),
        ("- - - - X", 1, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("X X X 0 0", 2, ("OK", "OK", "OK", "OK")),
    ],
)
def test_missing_data(drawn: str, needed: int, expected: tuple[State | None, ...]) -> None:
    assert tuple(state(drawn, needed, 3, missing) for missing in TREATMENTS) == expected


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanOrEqualToThreshold", (5.0, 6.0)),
        ("GreaterThanThreshold", (6.0,)),
        ("LessThanThreshold", (4.0,)),
        ("LessThanOrEqualToThreshold", (4.0, 5.0)),
    ],
)
def test_comparisons(comparison: str, breaching: tuple[float, ...]) -> None:
    rule = Rule(comparison, 5.0, 1, 1)
    assert tuple(value for value in (4.0, 5.0, 6.0) if judge(rule, [Point(0, value)]).state == "ALARM") == breaching


def worded(drawn: str, rule: Rule, before: str) -> str:
    return reason(rule, judge(rule, points(drawn)), before)


def test_words() -> None:
    all_three, any_one = Rule("GreaterThanThreshold", 5.0, 3, 3), Rule("GreaterThanThreshold", 5.0, 1, 1)
    assert worded("0 0 X X X", all_three, "OK") == (
        "Threshold Crossed: 3 out of the last 3 datapoints [9.0 (08/11/22 11:27:00), 9.0 (08/11/22 11:26:00), "
        "9.0 (08/11/22 11:25:00)] were greater than the threshold (5.0) "
        "(minimum 3 datapoints for OK -> ALARM transition)."
    )
    assert worded("X X 0", any_one, "ALARM") == (
        "Threshold Crossed: 1 out of the last 1 datapoints [0.0 (08/11/22 11:25:00)] was not greater than the "
        "threshold (5.0) (minimum 1 datapoint for ALARM -> OK transition)."
    )
    assert worded("- - -", any_one, "OK") == "Insufficient Data: 1 datapoint was unknown."
    assert worded("- - -", all_three, "OK") == "Insufficient Data: 3 datapoints were unknown."
    filled = Rule("LessThanThreshold", 5.0, 3, 3, "breaching")
    assert worded("- - - - -", filled, "OK") == (
        "Threshold Crossed: no datapoints were received for 3 periods and "
        "3 missing datapoints were treated as [Breaching]."
    )
    assert worded("- - - - 0", filled, "OK") == (
        "Threshold Crossed: 1 datapoint [0.0 (08/11/22 11:27:00)] was less than the threshold (5.0) and "
        "2 missing datapoints were treated as [Breaching]."
    )


def test_reason_data() -> None:
    rule = Rule("GreaterThanThreshold", 5.0, 1, 1)
    verdict = Verdict("ALARM", (Point(START, 9.0),))
    assert reason_data(rule, verdict, points("X"), START / 1000 + 61, {"statistic": "Sum", "period": 60}) == {
        "version": "1.0",
        "queryDate": "2022-11-08T11:24:01.000+0000",
        "startDate": "2022-11-08T11:23:00.000+0000",
        "statistic": "Sum",
        "period": 60,
        "recentDatapoints": [9.0],
        "threshold": 5.0,
        "evaluatedDatapoints": [{"timestamp": "2022-11-08T11:23:00.000+0000", "value": 9.0}],
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.0"),
        (0.005, "0.005"),
        (1141, "1141.0"),
        (2147483648.0, "2.147483648E9"),
        (-1e7, "-1.0E7"),
        (2.5e-5, "2.5E-5"),
    ],
)
def test_numbers_as_java_writes_them(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("ALARM(a)", True),
        ("NOT ALARM(a)", False),
        ("NOT NOT ALARM(a)", True),
        ("ALARM(b) AND ALARM(a) OR ALARM(a)", True),
        ("ALARM(a) OR ALARM(a) AND ALARM(b)", True),
        ("(ALARM(a) OR ALARM(a)) AND ALARM(b)", False),
        ("ALARM( \"a\" ) AND OK( 'b' )", True),
        ("INSUFFICIENT_DATA(b) OR FALSE", False),
        ("TRUE AND OK(arn:aws:cloudwatch:us-east-1:1:alarm:b)", True),
    ],
)
def test_rules_of_composite_alarms(rule: str, expected: bool) -> None:
    found = {"a": "ALARM", "b": "OK"}
    assert holds(rule, lambda condition: found[condition.alarm.rpartition(":")[2]] == condition.state) is expected


def test_what_a_rule_mentions() -> None:
    assert conditions('ALARM("with (spaces)") OR OK(b)') == [Condition("ALARM", "with (spaces)"), Condition("OK", "b")]


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "ALARM",
        "ALARM()",
        "ALARM(a",
        "(ALARM(a)",
        "ALARM(a))",
        "ALARM(a) ALARM(b)",
        "ALARM(a) XOR OK(b)",
        "(" * 60 + "TRUE" + ")" * 60,
    ],
)
def test_what_is_no_rule(rule: str) -> None:
    with pytest.raises(BadRule):
        holds(rule, lambda condition: False)
