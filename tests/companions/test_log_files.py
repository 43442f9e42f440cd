"""Reading log files: whatever is appended meanwhile, pages put together are the file."""

import os
import time
import tracemalloc
from pathlib import Path
from threading import Thread

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clary.companions.logs.files import BLOCK, at_time, backward, complete, extent, forward
from clary.companions.logs.reading import FOREVER, Key, Span, page, search
from clary.companions.logs.store import LogStore, Stream
from clary.logfile import frame, parse
from clary.resources.store import Store

ALL = Span(0, FOREVER)

LINES = st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=40).map(lambda text: text.replace(b"\n", b""))))
LONG = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2 * BLOCK).map(lambda size: b"x" * size)), max_size=6)


def stream_of(path: Path, *, ordered: bool = True) -> Stream:
    return Stream("0" * 32, "s", 0, ordered, path)


def framed(lines: list[tuple[int, bytes]]) -> tuple[list[bytes], list[tuple[int, str]]]:
    """Lines as bytes, and as events; each line's number is how much later it is than the one before."""
    at, raw = 1000, []
    for later, text in lines:
        at += later
        raw.append(frame(at, text))
    return raw, [parse(line) for line in raw]


@given(st.integers(0, 2**45), st.binary(max_size=200))
def test_frames_come_back(at: int, text: bytes) -> None:
    assert parse(frame(at, text)) == (at, text.decode("utf-8", "replace"))
    assert frame(at, text).count(b"\n") == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data(), lines=LINES, limit=st.integers(1, 5))
def test_forward_pages_under_appends_are_the_file(
    tmp_path: Path, data: st.DataObject, lines: object, limit: int
) -> None:
    raw, events = framed(lines)  # type: ignore[arg-type]
    whole, path = b"".join(raw), tmp_path / "log"
    path.write_bytes(b"")
    found, token, written = [], None, 0
    while True:
        # Any number of bytes more, also half a line.
        size = data.draw(st.integers(0, len(whole) - written))
        with path.open("ab") as file:
            file.write(whole[written : written + size])
        written += size
        got, after, _ = page(stream_of(path), ALL, limit, token, True)
        if not got:
            assert token is None or after == token
        found += [(event.timestamp, event.message) for event in got]
        token = after
        if written == len(whole) and not got:
            break
        if size == 0 and not got:
            with path.open("ab") as file:
                file.write(whole[written:])
            written = len(whole)
    assert found == events


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(lines=st.one_of(LINES, LONG), limit=st.integers(1, 5))
def test_backward_pages_are_the_file(tmp_path: Path, lines: list[tuple[int, bytes]], limit: int) -> None:
    raw, events = framed(lines)
    path = tmp_path / "log"
    path.write_bytes(b"".join(raw) + b"123 not yet com")
    found, token = [], None
    while True:
        got, _, token = page(stream_of(path), ALL, limit, token, False)
        if not got:
            break
        found = [(event.timestamp, event.message) for event in got] + found
    assert found == events


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(lines=st.one_of(LINES, LONG), start=st.integers(995, 1060), length=st.integers(0, 40), ordered=st.booleans())
def test_spans_hold_their_events(
    tmp_path: Path, lines: list[tuple[int, bytes]], start: int, length: int, ordered: bool
) -> None:
    raw, events = framed(lines)
    path = tmp_path / "log"
    path.write_bytes(b"".join(raw))
    wanted = [event for event in events if start <= event[0] < start + length]
    span, stream = Span(start, start + length), stream_of(path, ordered=ordered)
    for from_head in (True, False):
        got, _, _ = page(stream, span, 10_000, None, from_head)
        assert [(event.timestamp, event.message) for event in got] == wanted
    found = search([stream], span, lambda _: True, 10_000, None)
    assert [(event.timestamp, event.message) for _, event in found.events] == wanted


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data(), limit=st.integers(1, 4))
def test_searching_many_files_by_pages_finds_all(tmp_path: Path, data: st.DataObject, limit: int) -> None:
    streams, wanted = [], []
    for number in range(3):
        raw, events = framed(data.draw(LINES))
        path = tmp_path / str(number)
        path.write_bytes(b"".join(raw))
        streams.append(Stream(f"{number:032x}", f"s{number}", 0, data.draw(st.booleans()), path))
        wanted += [(at, number, place, text) for place, (at, text) in enumerate(events)]
    found: list[str] = []
    after: Key | None = None
    while True:
        got = search(streams, ALL, lambda _: True, limit, after)
        found += [event.message for _, event in got.events]
        if got.last is None:
            break
        after = got.last
    assert found == [text for *_, text in sorted(wanted)]


def test_concurrent_appends_are_read_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    raw = [frame(1000 + number // 7, b"line %d" % number) for number in range(20_000)]

    def append() -> None:
        with path.open("ab", buffering=0) as file:
            for at in range(0, len(raw), 13):
                file.write(b"".join(raw[at : at + 13]))

    writer, found, token = Thread(target=append), [], None
    writer.start()
    while True:
        done = not writer.is_alive()
        got, token, _ = page(stream_of(path), ALL, 1000, token, True)
        found += got
        if done and not got:
            break
    assert [event.message for event in found] == [f"line {number}" for number in range(20_000)]


def test_torn_lines_hide_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"1000 a\n\x00\x00\x00garbage\n\n1002 b\nnot a number x\n1003 c\n")
    got, _, _ = page(stream_of(path), ALL, 10, None, True)
    assert [event.message for event in got][::5] == ["a", "c"]
    assert len(got) == 6


def test_large_files_page_fast_and_small(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        for block in range(200):
            file.write(b"".join(frame(block * 1000 + number, b"x" * 500) for number in range(1000)))
    tracemalloc.start()
    before = time.process_time()
    got, token, _ = page(stream_of(path), Span(150_500, FOREVER), 100, None, True)
    more, _, _ = page(stream_of(path), Span(150_500, FOREVER), 100, token, True)
    last, _, _ = page(stream_of(path), ALL, 100, None, False)
    known = extent(path)
    took, peak = time.process_time() - before, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [event.timestamp for event in got + more] == list(range(150_500, 150_700))
    assert (last[-1].timestamp, known.first, known.last) == (199_999, 0, 199_999)
    assert peak < 4 * 1024 * 1024
    assert took < 5


def test_positions(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"10 a\n10 b\n30 c\n40 unfin")
    with path.open("rb") as file:
        stop = complete(file)
        assert stop == 15
        assert [at_time(file, stop, at) for at in (0, 10, 11, 30, 31)] == [0, 0, 10, 10, 15]
        assert [event.start for event in forward(file, 5, stop)] == [5, 10]
        assert [event.start for event in backward(file, 5, stop)] == [10, 5]


def test_sweep_removes_only_what_nothing_shows(tmp_path: Path, store_url: str) -> None:
    store = Store(store_url)
    logs = LogStore(tmp_path / "logs", store)
    kept = logs.stream("1", "r", "kept", "s")
    old = logs.stream("1", "r", "expiring", "old")
    young = logs.stream("1", "r", "expiring", "young")
    group = logs.find_group("1", "r", "expiring")
    assert group
    logs.change_group(group, retention=1)
    for path in (kept, old):
        _age(path, 3 * 86_400)
    lost = tmp_path / "logs" / "nobody" / "ab" / "abc.log"
    lost.parent.mkdir(parents=True)
    lost.touch()
    logs.sweep()
    store.close()
    assert [path.exists() for path in (kept, old, young, lost)] == [True, False, True, False]


def _age(path: Path, seconds: float) -> None:
    at = time.time() - seconds
    os.utime(path, (at, at))
