import pytest

from clary.companions.logs.patterns import compile_pattern
from clary.wire.errors import AwsError

RECORD = '{"level": "WARN", "n": 3, "s": "a b", "deep": {"list": [{"x": null}, true]}, "t": true}'


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ("ERROR disk", "disk ERROR", True),
        ("ERROR disk", "ERROR", False),
        ('"disk full"', "the disk full", True),
        ('"disk full"', "full disk", False),
        ('"say \\"hi\\""', 'say "hi"', True),
        ("ERROR -disk", "ERROR net", True),
        ("ERROR -disk", "ERROR disk", False),
        ('-"disk full"', "disk full", False),
        ("?a ?b", "only b", True),
        ("?a ?b", "c", False),
        ("?ARGS ERROR", "ERROR", True),
        ('{ $.level = "WARN" }', RECORD, True),
        ('{ $.level = "W*N" }', RECORD, True),
        ('{ $.level = "W?RN" }', RECORD, False),
        ("{ $.level = WARN }", RECORD, True),
        ('{ $.level != "WARN" }', RECORD, False),
        ('{ $.nobody != "x" }', RECORD, False),
        ("{ $.n = 3 }", RECORD, True),
        ("{ $.n > 2 && $.n <= 3 }", RECORD, True),
        ("{ $.n >= 4 || $.n < 3.5 }", RECORD, True),
        ("{ $.level > 1 }", RECORD, False),
        ('{ ($.n = 1 || $.n = 3) && $.s = "a b" }', RECORD, True),
        ("{ $.deep.list[0].x IS NULL }", RECORD, True),
        ("{ $.deep.list[1] IS TRUE }", RECORD, True),
        ("{ $.deep.list[9] NOT EXISTS }", RECORD, True),
        ("{ $.t IS FALSE }", RECORD, False),
        ("{ $.n = 3 }", "not json", False),
        ("{ $.n = 3 }", "{" + "[" * 100_000, False),
    ],
)
def test_patterns(pattern: str, message: str, matches: bool) -> None:
    assert compile_pattern(pattern)(message) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        *("[a, b]", "%re%", '"open', "{", "{ }", "{ $.a }", "{ a = 1 }", "{ $.a = 1", "{ $.a ~ 1 }", "{ $.a = 1 } x"),
        *("{ $..a = 1 }", "{ $.a IS x }", "{" + "(" * 100 + "$.a = 1" + ")" * 100 + "}"),
    ],
)
def test_what_cannot_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(AwsError) as caught:
        compile_pattern(pattern)
    assert caught.value.code == "InvalidParameterException"
