"""Lists in headers, which botocore's parser cannot split, and so cannot check."""

from clary.wire.messages import Head
from clary.wire.models import described
from clary.wire.protocols import http_binding

SHAPES = {
    "Shape": {
        "type": "structure",
        "members": {
            "words": {"shape": "Words", "location": "header", "locationName": "X-Words"},
            "times": {"shape": "Times", "location": "header", "locationName": "X-Times"},
            "all": {"shape": "Map", "location": "headers", "locationName": "x-meta-"},
        },
    },
    "Words": {"type": "list", "member": {"shape": "Word"}},
    "Times": {"type": "list", "member": {"shape": "Time"}},
    "Map": {"type": "map", "key": {"shape": "Word"}, "value": {"shape": "Word"}},
    "Word": {"type": "string"},
    "Time": {"type": "timestamp"},
}
VALUES = {"words": ["b,c", '"def"', "a"], "times": [1576540098.0, 1576540098.0], "all": {"k": "v"}}
HEADERS = [
    ("x-words", '"b,c", "\\"def\\"", a'),
    ("x-times", "Mon, 16 Dec 2019 23:48:18 GMT, Mon, 16 Dec 2019 23:48:18 GMT"),
    ("x-meta-k", "v"),
]


def test_lists_are_written_quoted_where_they_must() -> None:
    shape = described({"shapes": SHAPES}).shape_for("Shape")
    assert http_binding.write(shape, VALUES) == (HEADERS, None)


def test_lists_are_read_back() -> None:
    shape = described({"shapes": SHAPES}).shape_for("Shape")
    assert http_binding.read(shape, Head("GET", "/", "", HEADERS), {}) == VALUES


def test_no_value_ends_its_header() -> None:
    shape = described({"shapes": SHAPES}).shape_for("Shape")
    headers, _ = http_binding.write(shape, {"all": {"k": "v\r\nx-forged: 1\0"}})
    assert headers == [("x-meta-k", "v  x-forged: 1 ")]
