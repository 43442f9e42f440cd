"""Drivers against containers that answer, lie, stall and die: their outputs, and what is said."""

import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.servers import PATIENCE, wait_until
from tests.serving.batch.containers import Answer, Call, container

from clary.logfile import parse
from clary.serving.batch import drive
from clary.serving.batch.job import Job, Result, Stamp, read_journal, read_result


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A folder whose name is short enough for a socket's."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def upper(call: Call) -> Answer:
    return 200, call.body.upper()


class Work:
    """A driver's folder with its job and objects."""

    def __init__(self, folder: Path, socket: Path, objects: dict[str, bytes], **job: Any) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        lines = []
        for number, (name, content) in enumerate(objects.items()):
            (folder / f"object{number}").write_bytes(content)
            lines.append({"number": number, "name": name, "source": str(folder / f"object{number}")})
        (folder / "items").write_text("".join(json.dumps(line) + "\n" for line in lines))
        places = {"items": str(folder / "items"), "log": str(folder / "log"), "wake": "", "key": "k"}
        sockets = job.pop("sockets", (str(socket),))
        told = Job(**places, sockets=sockets, **{"timeout": 120, "retries": 0, "content_type": "text/csv"} | job)
        (folder / "job.json").write_bytes(msgspec.json.encode(told))

    def run(self) -> Result | None:
        drive.drive(self.folder)
        return read_result(self.folder)

    @property
    def out(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in (self.folder / "out").iterdir()}

    @property
    def log(self) -> list[str]:
        lines = (self.folder / "log").read_bytes().splitlines()
        return [parse(line)[1].partition(":[sagemaker logs]: ")[2] for line in lines]


THREE = {"b/a": b"a\nb\n", "b/dir/b": b"c", "b/empty": b""}


def test_every_object_has_its_output(tmp_path: Path, sockets: Path) -> None:
    with container(sockets / "s", upper, b'{"MaxConcurrentTransforms": 3}') as told:
        work = Work(tmp_path, sockets / "s", THREE, split="Line", assemble="Line", accept="text/answer")
        assert work.run() == Result(done=3)
    assert work.out == {"0": b"A\nB\n", "1": b"C\n", "2": b""}
    assert work.log == ["MaxConcurrentTransforms=3, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"]
    assert sorted(call.body for call in told.calls) == [b"a\nb", b"c"]
    for name, value in (("content-type", "text/csv"), ("accept", "text/answer")):
        assert {call.headers[name] for call in told.calls} == {value}


def test_answers_are_in_order_however_they_come(tmp_path: Path, sockets: Path) -> None:
    """The first payload is answered last: the others wait for it, and none is called for beyond the window."""
    lines = [f"line{number}" for number in range(200)]
    others, most = threading.Event(), []

    def answer(call: Call) -> Answer:
        if call.body == b"line0":
            assert others.wait(100)
            most.append(len(server.calls))
        elif len(server.calls) >= 8:
            others.set()
        return upper(call)

    with container(sockets / "s", answer) as server:
        text = "\n".join(lines).encode()
        job = {"split": "Line", "assemble": "Line", "strategy": "SingleRecord", "concurrent": 4}
        work = Work(tmp_path, sockets / "s", {"b/a": text}, **job)
        assert work.run() == Result(done=1)
    assert work.out == {"0": text.upper() + b"\n"}
    assert len(server.calls) == 200 and most == [8]


@pytest.mark.parametrize(
    ("answer", "log", "fault"),
    [
        (
            (400, b"no\nnumber"),
            ["b/bad: ClientError: 400", "b/bad: ", "b/bad: Message:", "b/bad: no", "b/bad: number"],
            "client",
        ),
        ((500, b""), ["b/bad: Bad HTTP status received from algorithm: 500"], "algorithm"),
        ((302, b""), ["b/bad: Bad HTTP status received from algorithm: 302"], "algorithm"),
        ((0, b"garbage\r\n\r\n"), ["b/bad: Unable to get response from algorithm: it is no HTTP answer"], "algorithm"),
        (
            (0, b""),
            ["b/bad: Unable to get response from algorithm: the connection ended before an answer"],
            "algorithm",
        ),
        (
            (0, b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"),
            ["b/bad: Unable to get response from algorithm: the answer is longer than 536870912 bytes"],
            "algorithm",
        ),
        (
            (0, b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort"),
            ["b/bad: Unable to get response from algorithm: the connection ended before an answer"],
            "algorithm",
        ),
    ],
)  # fmt: skip
def test_an_object_that_fails_has_no_output_and_the_others_have(
    tmp_path: Path, sockets: Path, answer: Answer, log: list[str], fault: Any
) -> None:
    def some(call: Call) -> Answer:
        return answer if call.body == b"bad" else upper(call)

    with container(sockets / "s", some):
        job = {"split": "Line", "strategy": "SingleRecord"}
        work = Work(tmp_path, sockets / "s", {"b/good": b"a\nb", "b/bad": b"x\nbad\ny\nz", "b/last": b"c"}, **job)
        assert work.run() == Result(done=2, failed=1, fault=fault)
    assert work.out == {"0": b"AB", "2": b"C"}
    assert work.log[1:] == log
    assert list((tmp_path / "parts").iterdir()) == []


@pytest.mark.parametrize(
    ("statuses", "retries", "calls"), [((500, 503, 200), 3, 3), ((429, 200), 1, 2), ((500,), 0, 1)]
)
def test_retries(tmp_path: Path, sockets: Path, statuses: tuple[int, ...], retries: int, calls: int) -> None:
    with container(sockets / "s", lambda call: (statuses[len(server.calls) - 1], call.body)) as server:
        work = Work(tmp_path, sockets / "s", {"b/a": b"x"}, retries=retries)
        done = work.run()
    assert done == (Result(done=1) if statuses[-1] == 200 else Result(failed=1, fault="algorithm"))
    assert len(server.calls) == calls


def test_a_call_that_is_the_callers_fault_is_not_made_again(tmp_path: Path, sockets: Path) -> None:
    with container(sockets / "s", lambda call: (415, b"")) as server:
        Work(tmp_path, sockets / "s", {"b/a": b"x"}, retries=3).run()
    assert len(server.calls) == 1


def test_a_container_that_never_answers(tmp_path: Path, sockets: Path) -> None:
    over = threading.Event()
    with container(sockets / "s", lambda call: (200, b"") if over.wait(200) else (500, b"")):
        work = Work(tmp_path, sockets / "s", {"b/a": b"x"}, timeout=1)
        assert work.run() == Result(failed=1, fault="algorithm")
        over.set()
    assert work.log[1:] == ["b/a: Unable to get response from algorithm: no answer within 1 seconds"]


def test_a_container_that_is_never_healthy(tmp_path: Path, sockets: Path) -> None:
    work = Work(tmp_path, sockets / "nobody", {"b/a": b"x"}, startup=0.1)
    assert work.run() == Result(unhealthy=True)


def test_containers_in_a_row(tmp_path: Path, sockets: Path) -> None:
    """Each gets the answer and the content type of the one before; the last is told what is wanted."""
    with (
        container(sockets / "1", upper) as first,
        container(sockets / "2", lambda call: (200, call.body[::-1])) as last,
    ):
        rows = (str(sockets / "1"), str(sockets / "2"))
        work = Work(tmp_path, sockets, {"b/a": b"abc"}, sockets=rows, accept="a/b")
        assert work.run() == Result(done=1)
        again = Work(tmp_path / "streamed", sockets, {"b/a": b"abc"}, sockets=rows, accept="a/b", payload_mb=0)
        assert again.run() == Result(done=1)
    assert (work.out, again.out) == ({"0": b"CBA"}, {"0": b"CBA"})
    for call in first.calls:
        assert (call.headers["content-type"], call.headers.get("accept", "")) == ("text/csv", "")
    assert [(call.headers["content-type"], call.headers["accept"]) for call in last.calls] == [
        ("text/answer", "a/b")
    ] * 2


def test_a_payload_without_bound_is_streamed(tmp_path: Path, sockets: Path) -> None:
    content = os.urandom(1 << 20) * 3
    with container(sockets / "s", lambda call: (200, call.body)) as server:
        work = Work(tmp_path, sockets / "s", {"b/a": content, "b/b": b"x"}, payload_mb=0, assemble="Line")
        assert work.run() == Result(done=2)
    assert work.out == {"0": content + b"\n", "1": b"x\n"}
    assert {call.headers["transfer-encoding"] for call in server.calls} == {"chunked"}


def test_streams_that_fail(tmp_path: Path, sockets: Path) -> None:
    with container(sockets / "s", lambda call: (400, b"no") if call.body == b"x" else (0, b"HTTP/1.1 2")):
        work = Work(tmp_path, sockets / "s", {"b/a": b"x", "b/b": b"y"}, payload_mb=0)
        assert work.run() == Result(failed=2, fault="client")
    assert work.log[1:4] == ["b/a: ClientError: 400", "b/a: ", "b/a: Message:"]
    assert work.log[5].startswith("b/b: Unable to get response from algorithm")


def test_gzip(tmp_path: Path, sockets: Path) -> None:
    objects = {
        "b/a": gzip.compress(b"a\n") + gzip.compress(b"b"),
        "b/b": gzip.compress(b"x" * 100)[:-9],
        "b/c": b"plain",
    }
    with container(sockets / "s", upper):
        work = Work(tmp_path, sockets / "s", objects, compression="Gzip", split="Line")
        assert work.run() == Result(done=1, failed=2, fault="client")
    assert work.out == {"0": b"A\nB"}
    assert all("Failed to decompress the data as Gzip" in line for line in work.log[1:]) and len(work.log) == 3


def test_records_are_filtered_joined_and_numbered(tmp_path: Path, sockets: Path) -> None:
    def last_field(call: Call) -> Answer:
        return 200, b"\n".join(line.rpartition(b",")[2] for line in call.body.split(b"\n"))

    with container(sockets / "s", last_field) as server:
        job = {"split": "Line", "assemble": "Line", "input_filter": "$[1:]", "output_filter": "$[0,-1]", "join": True}
        stamp = Stamp(namespace="12345678-1234-5678-1234-567812345678", time="2026-01-02T03:04:05Z")
        objects = {"b/a": b"i,1,2\nj,3,4\n", "b/b": b"short", "b/c": b"k,5,6"}
        work = Work(tmp_path, sockets / "s", objects, **job, stamp=stamp)
        assert work.run() == Result(done=3)
    assert sorted(call.body for call in server.calls) == [b"", b"1,2\n3,4", b"5,6"]
    rows = {name: [line.split(b",") for line in text.splitlines()] for name, text in work.out.items()}
    assert {name: [row[:2] + row[3:] for row in table] for name, table in rows.items()} == {
        "0": [[b"i", b"2", b"2026-01-02T03:04:05Z"], [b"j", b"4", b"2026-01-02T03:04:05Z"]],
        "1": [[b"short", b"", b"2026-01-02T03:04:05Z"]],
        "2": [[b"k", b"6", b"2026-01-02T03:04:05Z"]],
    }


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (b'{"MaxConcurrentTransforms":8,"BatchStrategy":"SINGLE_RECORD","MaxPayloadInMB":1}',
         "MaxConcurrentTransforms=8, MaxPayloadInMB=1, BatchStrategy=SINGLE_RECORD"),
        (b'{"MaxConcurrentTransforms":"8","BatchStrategy":"x","MaxPayloadInMB":-1}',
         "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"),
        (b'{"MaxConcurrentTransforms":100000000,"MaxPayloadInMB":1e400}',
         "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"),
        (b"[" * 100_000, "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"),
        (b"[1]", "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"),
    ],
)  # fmt: skip
def test_what_a_container_says_of_itself(tmp_path: Path, sockets: Path, told: bytes, line: str) -> None:
    with container(sockets / "s", upper, told):
        work = Work(tmp_path, sockets / "s", {"b/a": b"x"})
        work.run()
    assert work.log == [line]


def test_the_request_counts_more_than_the_container(tmp_path: Path, sockets: Path) -> None:
    told = b'{"MaxConcurrentTransforms":8,"BatchStrategy":"SINGLE_RECORD","MaxPayloadInMB":1}'
    with container(sockets / "s", upper, told):
        job = {"concurrent": 2, "payload_mb": 3, "strategy": "MultiRecord"}
        work = Work(tmp_path, sockets / "s", {"b/a": b"x"}, **job)
        work.run()
    assert work.log == ["MaxConcurrentTransforms=2, MaxPayloadInMB=3, BatchStrategy=MULTI_RECORD"]


def start(work: Work) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "clary.serving.batch", str(work.folder)])


def test_killed_again_and_again(tmp_path: Path, sockets: Path) -> None:
    """Each time after a few more calls: every object ends with one whole output, and what was whole stays as it was."""
    objects = {f"b/{number}": f"{number}a\n{number}b\n{number}c\n".encode() for number in range(8)}
    victim: list[subprocess.Popen[bytes]] = []

    def answer(call: Call) -> Answer:
        if len(server.calls) % 7 == 0:
            victim[-1].send_signal(signal.SIGKILL)
        return upper(call)

    with container(sockets / "s", answer) as server:
        job = {"split": "Line", "assemble": "Line", "strategy": "SingleRecord"}
        work = Work(tmp_path, sockets / "s", objects, **job)
        while read_result(work.folder) is None:
            victim.append(start(work))
            victim[-1].wait(PATIENCE)
    assert len(victim) > 2
    assert read_result(work.folder) == Result(done=8)
    assert sorted(line.number for line in read_journal(work.folder)) == list(range(8))
    assert work.out == {str(number): content.upper() for number, content in enumerate(objects.values())}


def test_killed_between_the_journal_and_the_place(tmp_path: Path, sockets: Path) -> None:
    with container(sockets / "s", upper) as server:
        work = Work(tmp_path, sockets / "s", {"b/a": b"x", "b/b": b"y"})
        for folder in ("parts", "out"):
            (tmp_path / folder).mkdir()
        (tmp_path / "parts/0").write_bytes(b"WHOLE")
        (tmp_path / "parts/1").write_bytes(b"half")
        (tmp_path / "journal.jsonl").write_bytes(b'\n{"number":0}\n\n{"numb')
        assert work.run() == Result(done=2)
    assert work.out == {"0": b"WHOLE", "1": b"Y"}
    assert [call.body for call in server.calls] == [b"y"]


@pytest.mark.parametrize("payload_mb", [6, 0])
def test_a_container_that_ends_is_no_objects_fault(tmp_path: Path, sockets: Path, payload_mb: int) -> None:
    """The driver ends too, for whoever knows more; started again, it goes on."""

    def leave(call: Call) -> Answer:
        (sockets / "s").unlink(missing_ok=True)
        return 0, b""

    objects = {"b/a": b"x", "b/b": b"y"}
    with container(sockets / "s", leave):
        work = Work(tmp_path, sockets / "s", objects, retries=1, payload_mb=payload_mb)
        assert start(work).wait(PATIENCE) == 1
    assert (read_result(work.folder), read_journal(work.folder)) == (None, [])
    with container(sockets / "s", upper):
        assert work.run() == Result(done=2)
    assert work.out == {"0": b"X", "1": b"Y"}


def test_told_to_stop(tmp_path: Path, sockets: Path) -> None:
    over = threading.Event()
    with container(sockets / "s", lambda call: (200, b"") if over.wait(200) else (500, b"")) as server:
        work = Work(tmp_path, sockets / "s", {"b/a": b"x"})
        driver = start(work)
        wait_until(lambda: server.calls)
        (tmp_path / "stop").touch()
        assert driver.wait(PATIENCE) == 0
        over.set()
    assert read_result(work.folder) is None
