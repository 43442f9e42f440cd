"""The subset of JSONPath of filters, against whole values."""

from typing import Any

import pytest

from clary.serving.batch.path import BadPath, NotThere, parse

ROW = [b"1", b"a", b"0.5", b"9"]
BOOK: dict[str, Any] = {
    "id": 7,
    "features": [1.5, 2.5, 3.5],
    "deep": {"a": {"b": [{"c": 1}, {"c": 2}, {}]}},
    "SageMakerOutput": {"score": 0.5, "label": "x"},
    "a b": "spaced",
    "it's": 1,
}


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("$", ROW, ROW),
        ("$[0]", ROW, b"1"),
        ("$[-1]", ROW, b"9"),
        ("$[1:]", ROW, [b"a", b"0.5", b"9"]),
        ("$[:2]", ROW, [b"1", b"a"]),
        ("$[1:3]", ROW, [b"a", b"0.5"]),
        ("$[-2:]", ROW, [b"0.5", b"9"]),
        ("$[:-1]", ROW, [b"1", b"a", b"0.5"]),
        ("$[0,-1]", ROW, [b"1", b"9"]),
        ("$[0,2:]", ROW, [b"1", b"0.5", b"9"]),
        ("$[ 3 , 0 ]", ROW, [b"9", b"1"]),
        ("$[5:]", ROW, []),
        ("$[*]", ROW, ROW),
        ("$.*", ROW, ROW),
        ("$.id", BOOK, 7),
        ("$['id']", BOOK, 7),
        ('$["a b"]', BOOK, "spaced"),
        (r"$['it\'s']", BOOK, 1),
        ("$.features", BOOK, [1.5, 2.5, 3.5]),
        ("$.features[0]", BOOK, 1.5),
        ("$.features[0:2]", BOOK, [1.5, 2.5]),
        ("$['id','SageMakerOutput']", BOOK, {"id": 7, "SageMakerOutput": BOOK["SageMakerOutput"]}),
        ("$.['id','nothing']", BOOK, {"id": 7}),
        ("$.deep.['a']", BOOK, BOOK["deep"]["a"]),
        ("$.SageMakerOutput.score", BOOK, 0.5),
        ("$.SageMakerOutput.*", BOOK, [0.5, "x"]),
        ("$.deep.a.b[*].c", BOOK, [1, 2]),
        ("$.deep.a.b[0:1].c", BOOK, [1]),
        ("$.*.a.b[*].c", BOOK, [1, 2]),
        ("$.deep.a.b[0].c", BOOK, 1),
    ],
)
def test_parts(text: str, value: Any, expected: Any) -> None:
    assert parse(text).pick(value) == expected


@pytest.mark.parametrize("text", ["$[4]", "$[-5]", "$[0,4]", "$.name", "$['name']", "$['a','b']", "$[0][0]"])
def test_what_a_row_lacks(text: str) -> None:
    with pytest.raises(NotThere):
        parse(text).pick(ROW)


@pytest.mark.parametrize("text", ["$.nothing", "$[0]", "$[1:]", "$.features.x", "$.features[9]", "$.id[0]"])
def test_what_an_object_lacks(text: str) -> None:
    with pytest.raises(NotThere):
        parse(text).pick(BOOK)


@pytest.mark.parametrize(
    "text",
    ["", "id", "$id", "$.", "$..id", "$[", "$[]", "$[a]", "$['a]", "$[1:2:3]", "$[?(@.a)]", "$[1,]", "$[,]", "$.a b",
     "$['a',1]", "$" + ".a" * 40, "$[1.5]", "@"],
)  # fmt: skip
def test_what_is_not_of_the_subset(text: str) -> None:
    with pytest.raises(BadPath):
        parse(text)
