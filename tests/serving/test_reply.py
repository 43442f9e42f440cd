"""An answer is the same whether it comes at once or in pieces."""

import pytest

from clary.serving.reply import HttpError, Reply, ReplyReader

OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = [
    OK + b"Content-Length: 3\r\nX-A:  b \r\n\r\nabc",
    OK + b"content-length: 0\r\n\r\n",
    OK + b"content-length: 2\r\n\r\nabc",
    OK + b"content-length: 2\r\nconnection: Close\r\n\r\nab",
    OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nab",
    OK + b"content-length: 2\r\ncontent-length: 2\r\n\r\nab",
    OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    OK + b"content-length: 9\r\n\r\n123456789",
    OK + b"content-length: +2\r\n\r\nab",
    OK + b"content-length: \xb2\r\n\r\nab",
    OK + b"x-long: " + b"a" * 2000 + b"\r\ncontent-length: 1\r\n\r\nz",
    b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na",
    b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\na",
    b"HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\n",
    b"HTTP/1.1 304 No\r\ntransfer-encoding: chunked\r\n\r\n",
    b"HTTP/1.1 100 Go on\r\ncontent-length: 0\r\n\r\n" + OK + b"content-length: 1\r\n\r\na",
    b"HTTP/1.1 500\r\ncontent-length: 1\r\n\r\na",
    b"HTTP/2 200 OK\r\ncontent-length: 1\r\n\r\na",
    OK + b"\r\nuntil the end",
    OK + b"content-length: 4\r\n\r\nabc",
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_answer_is_the_same_in_pieces(answer: bytes) -> None:
    whole = _read(answer)
    assert [_read(answer[:cut], answer[cut:]) for cut in range(1, len(answer))] == [whole] * (len(answer) - 1)
    # Once more: its head is known by now.
    assert _read(answer) == whole


def test_a_reader_reads_one_answer_after_the_other() -> None:
    reader = ReplyReader(8)
    assert [reader.feed(OK + b"content-length: 1\r\n\r\n" + each) for each in (b"a", b"b")] == [
        Reply(200, {"content-length": "1"}, b"a"),
        Reply(200, {"content-length": "1"}, b"b"),
    ]
    assert reader.is_fresh
    assert reader.feed(OK + b"content-length: 1\r\n") is None
    assert not reader.is_fresh


def _read(*pieces: bytes) -> tuple[object, bool]:
    """The answer or the error, and whether the connection may be used again."""
    reader = ReplyReader(8)
    try:
        for place, piece in enumerate(pieces, 1):
            if reply := reader.feed(piece):
                # What comes after it ends the connection.
                return reply, reader.keep_alive and place == len(pieces)
    except HttpError as error:
        return repr(error), False
    return reader.end(), False
