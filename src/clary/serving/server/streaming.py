"""Sending an answer as user code makes it, in the thread that runs that code, no faster than it is read.

`app.py` decides by `begun` and `whole` which answers are sent so: those to calls that may be answered framed
(`serving/pieces.py`).
"""

import select
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from clary.serving.pieces import FRAMED, frame
from clary.serving.server.invocation import Answer


class Gone(Exception):
    """Nobody reads any more."""


def is_wanted(headers: Mapping[str, str]) -> bool:
    """Whether the answer of a call with these headers may be streamed."""
    return headers.get(FRAMED[0]) == FRAMED[1]


def begun(answer: Answer) -> Answer:
    """With its first piece made, which may raise what user code raises; whole if there are no more."""
    if answer.pieces is None:
        return answer
    first = next(answer.pieces, None)
    return replace(answer, pieces=None if first is None else _onward(first, answer.pieces))


def _onward(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def whole(answer: Answer) -> Answer:
    """All pieces made, for a caller that wants them together."""
    return answer if answer.pieces is None else replace(answer, body=b"".join(answer.pieces), pieces=None)


def send(line: socket.socket, head: bytes, pieces: Iterator[bytes]) -> bool:
    """Blocks until all is sent, or nobody reads, or user code fails: the answer then lacks its end.

    Whether it has it.
    """
    try:
        _write(line, head)
        for piece in pieces:
            if piece:
                _write(line, _chunk(frame(piece)))
        _write(line, _chunk(frame(b"")) + _chunk(b""))
        return True
    except Gone:
        return False
    except Exception:
        # The border to user code, once more: its answer has begun and cannot become an error.
        traceback.print_exc(file=sys.stderr)
        return False
    finally:
        close: Callable[[], None] = getattr(pieces, "close", lambda: None)
        close()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _write(line: socket.socket, data: bytes) -> None:
    """Raises `Gone`."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[line.send(rest) :]
        except BlockingIOError:
            room = select.poll()
            room.register(line, select.POLLOUT)
            room.poll()
        except OSError as error:
            raise Gone from error
