"""Java's patterns in Python."""

import pytest

from clary.wire.patterns import compiled


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("[a-z]+", ["a", "abc"], ["", "A", "a\n", "ab c"]),
        ("a|b", ["a", "b"], ["ab", "ax"]),
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", ["", "é ü", "日本", "a-b@c", "१२"], ["a!", "\t", "a\n", "😀"]),
        (r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", ["😀", "a!", "\U0001d4b3"], ["a b", "\ue000"]),
        (r"\p{Alnum}+", ["aZ9"], ["é", "_"]),
        (r"\S[\p{Print}]*\z", ["a b", "~"], ["é\u00e9", " a"]),
        (r"([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,128}", ["key"], ["key!"]),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", ["a\t😀"], ["a\n", "\ud800"]),
        (r"[a-z0-9]([-a-z0-9]*[a-z0-9]){0,39}?", ["a", "a-b", "a--b9"], ["-a", "a-", ""]),
    ],
)
def test_a_pattern_matches_the_whole_value(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    assert [text for text in (*fits, *fits_not) if compiled(pattern).search(text)] == fits
