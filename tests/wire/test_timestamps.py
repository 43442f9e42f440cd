"""Timestamps in all forms."""

import pytest

from clary.wire import timestamps
from clary.wire.timestamps import Format


@pytest.mark.parametrize(
    ("seconds", "form", "text"),
    [
        (1398796238.0, "iso8601", "2014-04-29T18:30:38Z"),
        (1398796238.123, "iso8601", "2014-04-29T18:30:38.123Z"),
        (-1.0, "iso8601", "1969-12-31T23:59:59Z"),
        (timestamps.FIRST, "iso8601", "0001-01-01T00:00:00Z"),
        (1398796238.0, "rfc822", "Tue, 29 Apr 2014 18:30:38 GMT"),
        (1398796238.0, "unixTimestamp", "1398796238"),
        (1398796238.123, "unixTimestamp", "1398796238.123"),
    ],
)
def test_what_is_written_is_read_back(seconds: float, form: Format, text: str) -> None:
    assert str(timestamps.write(seconds, form)) == text
    assert timestamps.read(text, form) == pytest.approx(seconds, abs=0.0005)


@pytest.mark.parametrize("text", ["", "yesterday", "1e99", "9" * 100, "2014-13-01T00:00:00Z", "nan", "10000-01-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        timestamps.read(text)
