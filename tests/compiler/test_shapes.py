"""DataInputConfig, in every spelling that documents show, and what is said of others."""

import pytest

from clary.compiler.failures import Unsuitable
from clary.compiler.shapes import Input, parse, text

IMAGE = (1, 3, 224, 224)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ()),
        ('{"data":[1,3,224,224]}', (Input("data", IMAGE),)),
        ("{'data': [1,3,224,224]}", (Input("data", IMAGE),)),
        ("[[1,3,224,224]]", (Input("", IMAGE),)),
        ("[1,3,224,224]", (Input("", IMAGE),)),
        ("{'a': (1, 2), 'b': [3]}", (Input("a", (1, 2)), Input("b", (3,)))),
        ('{"a":{"shape":["1..10",3],"default_shape":[1,3]}}', (Input("a", (1, 3)),)),
    ],
)
def test_what_is_given(given: str, expected: tuple[Input, ...]) -> None:
    assert parse(given) == expected


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("data", "neither JSON nor"),
        ("__import__('os').system('true')", "neither JSON nor"),
        ("[" * 5000, "neither JSON nor"),
        ("7", "a dictionary or a list"),
        ("{}", "names no input"),
        ('{"data":"1,3"}', "Input data has wrong shape"),
        ('{"data":[]}', "Input data has wrong shape"),
        ('{"data":[1,0]}', "sizes are whole numbers from 1"),
        ('{"data":[1,2.5]}', "sizes are whole numbers from 1"),
        ('{"data":[1,true]}', "sizes are whole numbers from 1"),
        ('{"data":[1000000,1000000]}', "too large"),
    ],
)
def test_what_is_refused(given: str, why: str) -> None:
    with pytest.raises(Unsuitable, match=why):
        parse(given)


def test_found_shapes_read_like_given_ones() -> None:
    found = (Input("data", (1, 30)), Input("mask", (1, 2)))
    assert parse(text(found)) == found
