"""What of records the model gets, and what of records and answers is written."""

import json

import pytest

from clary.serving.batch import path
from clary.serving.batch.job import Stamp
from clary.serving.batch.shape import BadAnswer, BadInput, Shaping, form

STAMP = Stamp(namespace="12345678-1234-5678-1234-567812345678", time="2026-01-02T03:04:05Z")


def shaping(
    content_type: str, chosen: str = "$", kept: str = "$", *, join: bool = True, lines: bool = True, stamp: bool = False
) -> Shaping:
    found = form(content_type, lines=lines)
    assert found
    return Shaping(found, path.parse(chosen), path.parse(kept), join, STAMP if stamp else None)


def test_types_whose_records_are_known() -> None:
    known = ("text/csv", "Text/CSV; charset=utf-8", "application/json", "application/jsonlines")
    assert [form(each, lines=True) is not None for each in (*known, "image/png", "", "text/plain")] == [
        *([True] * 4),
        *([False] * 3),
    ]


@pytest.mark.parametrize(
    ("chosen", "body", "expected"),
    [
        ("$", b"1,2\n3,4", b"1,2\n3,4"),
        ("$[1:]", b"id1,2,3\nid2,4,5", b"2,3\n4,5"),
        ("$[0]", b"a,b\nc,d", b"a\nc"),
        ("$[1:]", b'"x,""y""",2,3\n\n5,"6\n",7'.replace(b"\n\n", b"\n"), None),
        ("$[1:]", b'"x,""y""",2,3\r\n"a",,c\r\n', b"2,3\n,c"),
        ("$[0,2]", b'"x,1","y,2","z,3"', b'"x,1","z,3"'),
        ("$[1:]", b"\xff,\xfe", b"\xfe"),
    ],
)
def test_columns_that_the_model_gets(chosen: str, body: bytes, expected: bytes | None) -> None:
    if expected is None:
        with pytest.raises(BadInput):
            shaping("text/csv", chosen).request(body)
    else:
        assert shaping("text/csv", chosen).request(body) == expected


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ("$", b"id1,2,3,0.1\nid2,4,5,0.2"),
        ("$[0,-1]", b"id1,0.1\nid2,0.2"),
        ("$[-1]", b"0.1\n0.2"),
        ("$[1:3]", b"2,3\n4,5"),
    ],
)
def test_rows_joined_with_their_answers(kept: str, expected: bytes) -> None:
    found = shaping("text/csv", "$[1:]", kept)
    assert found.answer(b"id1,2,3\nid2,4,5", b"0.1\n0.2\n", "b/k", 0) == expected


def test_a_filter_of_the_answer_alone() -> None:
    assert shaping("text/csv", kept="$[1]", join=False).answer(b"1\n2", b"a,b\nc,d\n", "b/k", 0) == b"b\nd"


@pytest.mark.parametrize(("answer", "kept"), [(b"1\n2\n3", "$"), (b"1", "$"), (b"", "$")])
def test_as_many_rows_as_records(answer: bytes, kept: str) -> None:
    with pytest.raises(BadAnswer):
        shaping("text/csv", kept=kept).answer(b"a\nb", answer, "b/k", 0)


def test_columns_that_are_not_there() -> None:
    with pytest.raises(BadInput):
        shaping("text/csv", kept="$[9]").answer(b"a\nb", b"1\n2", "b/k", 0)
    with pytest.raises(BadInput):
        shaping("text/csv", "$.name").request(b"a,b")


def test_json_lines() -> None:
    body = b'{"id":1,"features":[1,2]}\n{"id":2,"features":[3,"\xc3\xa9"]}'
    found = shaping("application/jsonlines", "$.features", "$['id','SageMakerOutput']")
    assert found.request(body) == b'[1,2]\n[3,"\xc3\xa9"]'
    answer = b'{"score": 0.5}\n{"score": 0.25}\n'
    assert found.answer(body, answer, "b/k", 0) == (
        b'{"id":1,"SageMakerOutput":{"score":0.5}}\n{"id":2,"SageMakerOutput":{"score":0.25}}'
    )


def test_a_single_record_may_be_answered_over_several_lines() -> None:
    found = shaping("application/json")
    assert found.answer(b'{"a":1}', b'{\n  "p": [1,\n 2]\n}\n', "b/k", 0) == b'{"a":1,"SageMakerOutput":{"p":[1,2]}}'


def test_a_document() -> None:
    found = shaping("application/json", "$.x", lines=False)
    body = b'{\n "x": [1],\n "y": "\\u00e9"}'
    assert found.request(body) == b"[1]"
    joined = found.answer(body, b"[9]", "b/k", 0)
    assert json.loads(joined) == {"x": [1], "y": "\u00e9", "SageMakerOutput": [9]}
    array = shaping("application/json", lines=False).answer(b"[1, 2]", b"3", "b/k", 0)
    assert array == b'{"SageMakerInput":[1,2],"SageMakerOutput":3}'


@pytest.mark.parametrize("answer", [b"", b"nonsense", b'{"a":1}', b"1\n2\n3", b"[" * 100_000 + b"\n1"])
def test_answers_that_do_not_fit(answer: bytes) -> None:
    with pytest.raises(BadAnswer):
        shaping("application/jsonlines").answer(b"1\n2", answer, "b/k", 0)


@pytest.mark.parametrize("body", [b"nonsense", b"[" * 100_000, b"\xff\xfe", b'{"a": 1'])
def test_records_that_are_no_json(body: bytes) -> None:
    with pytest.raises(BadInput):
        shaping("application/json", "$.a", lines=False).request(body)


def test_ids_of_records() -> None:
    """The same when a payload is done again, another for each record of each payload of each object."""
    found = shaping("text/csv", join=False, stamp=True)
    first, again = (found.answer(b"a\nb", b"1\n2", "b/k", 0) for _ in range(2))
    rows = [line.split(b",") for line in first.split(b"\n")]
    assert first == again
    assert [(row[0], len(row[1]), row[2]) for row in rows] == [
        (b"1", 36, b"2026-01-02T03:04:05Z"),
        (b"2", 36, rows[0][2]),
    ]
    others = [found.answer(b"a\nb", b"1\n2", *place) for place in (("b/k", 1), ("b/l", 0))]
    ids = {line.split(b",")[1] for text in (first, *others) for line in text.split(b"\n")}
    assert len(ids) == 6


def test_ids_of_documents() -> None:
    found = shaping("application/jsonlines", join=False, stamp=True)
    lines = [json.loads(line) for line in found.answer(b"1\n2", b'{"s":1}\n5', "b/k", 0).split(b"\n")]
    assert [sorted(line) for line in lines] == [
        ["SageMakerInferenceId", "SageMakerInferenceTime", "s"],
        ["SageMakerInferenceId", "SageMakerInferenceTime", "SageMakerOutput"],
    ]
