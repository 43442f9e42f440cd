"""Pipes of real instances on each rung of the sandbox ladder: passes, early leavers, frames, bad data, and an end."""

import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.runtime.backend_conformance import Bench, until

from clary.runtime import sandbox
from clary.runtime.local import LocalBackend
from clary.runtime.pipes import File, Piece, lay_out
from clary.runtime.sandbox import RUNGS
from clary.runtime.shim.feeder import opened
from clary.runtime.shim.streams import BadStream, inflated, order
from clary.runtime.workload import Pipe

READ = """
import os
base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml") + "/input/data/"
def whole(number, name="train"):
    with open(f"{base}{name}_{number}", "rb") as pipe:
        return pipe.read()
"""


@pytest.fixture(params=RUNGS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if not sandbox.works(request.param):
        pytest.skip(f"this machine does not allow {request.param}")
    bench = Bench(lambda: LocalBackend(tmp_path, rung=request.param), tmp_path)
    yield bench
    for identity in bench.started:
        bench.make().destroy(identity)


@pytest.fixture
def lowest(tmp_path: Path) -> Iterator[Bench]:
    """For what does not depend on the sandbox."""
    bench = Bench(lambda: LocalBackend(tmp_path), tmp_path)
    yield bench
    for identity in bench.started:
        bench.make().destroy(identity)


def source(home: Path, *records: list[bytes | str], name: str = "train") -> Path:
    """A pipe's folder: bytes become files."""
    folder = home / "sources" / name
    stored = home / "stored" / name
    stored.mkdir(parents=True)

    def piece(content: bytes | str, number: str) -> Piece:
        if isinstance(content, str):
            return content
        (stored / number).write_bytes(content)
        return File(stored / number, f"s3://b/{number}")

    lay_out(
        folder,
        [[piece(part, f"{at}-{place}") for place, part in enumerate(record)] for at, record in enumerate(records)],
    )
    return folder


def pipe(home: Path, *records: list[bytes | str], name: str = "train", **more: Any) -> Pipe:
    return Pipe(target=f"/opt/ml/input/data/{name}", source=str(source(home, *records, name=name)), **more)


def run(bench: Bench, script: str, *pipes: Pipe, **more: Any) -> list[str]:
    """The lines of a script that must succeed."""
    state, lines = bench.run("python", "-c", READ + script, instance={"pipes": pipes}, **more)
    assert (state.exit_code, state.cause) == (0, ""), (state, lines)
    return lines


def test_each_pass_has_a_pipe_of_its_own(bench: Bench) -> None:
    script = """
print(whole(0), whole(1), whole(2), whole(0, "other"))
print(sorted(os.listdir(base)))
"""
    pipes = pipe(bench.home, [b"one,"], [b"two"]), pipe(bench.home, [b"x"], name="other")
    assert run(bench, script, *pipes) == ["b'one,two' b'one,two' b'one,two' b'x'", "['other_1', 'train_3']"]


def test_who_leaves_early_gets_the_next_pass(bench: Bench) -> None:
    script = """
with open(base + "train_0", "rb") as first:
    print(first.read(3))
while not os.path.exists(base + "train_1"):
    pass
print(len(whole(1)))
"""
    assert run(bench, script, pipe(bench.home, [b"abc" * 4_000_000])) == ["b'abc'", "12000000"]


def test_a_stop_does_not_wait_for_a_pipe(lowest: Bench) -> None:
    script = (
        READ + "import sys, signal; signal.signal(15, lambda *_: sys.exit(0)); print('ready', flush=True); whole(0)"
    )
    pipes = pipe(lowest.home, [b"x"]), pipe(lowest.home, [b"y"], name="other")
    identity = lowest.start("python", "-c", script + ";signal.pause()", instance={"pipes": pipes})
    lowest.says(identity, "ready")
    lowest.backend.stop(identity)
    (state,) = lowest.ended(identity)
    assert (state.exit_code, state.cause) == (0, "stopped")
    until(lambda: not _processes(lowest.home))


def test_feeders_end_with_a_killed_shim(lowest: Bench) -> None:
    pipes = pipe(lowest.home, [b"x"]), pipe(lowest.home, [b"y"], name="other")
    script = "import signal; whole(0); print('ready', flush=True); signal.pause()"
    identity = lowest.start("python", "-c", READ + script, instance={"pipes": pipes})
    lowest.says(identity, "ready")
    shim, feeders = _feeders(lowest.home)
    assert len(feeders) == 2
    shim.kill()
    (state,) = lowest.ended(identity)
    assert state.phase == "lost"
    until(lambda: not _processes(lowest.home))


def test_a_killed_feeder_ends_the_instance(lowest: Bench) -> None:
    script = READ + "import signal; whole(0); print('ready', flush=True); signal.pause()"
    identity = lowest.start("python", "-c", script, instance={"pipes": (pipe(lowest.home, [b"x"]),)})
    lowest.says(identity, "ready")
    _, (feeder,) = _feeders(lowest.home)
    feeder.kill()
    (state,) = lowest.ended(identity)
    assert (state.cause, state.message) == ("platform", "The process that filled a pipe was killed.")


def _feeders(home: Path) -> tuple[psutil.Process, list[psutil.Process]]:
    """The only shim, and its feeders; not the sandbox's init, which may be a copy of it too."""
    found = _processes(home)
    (shim,) = [one for one in found if one.ppid() not in {each.pid for each in found}]
    return shim, [one for one in found if one.ppid() == shim.pid and _space(one) == _space(shim)]


def _space(process: psutil.Process) -> str:
    return str(Path(f"/proc/{process.pid}/ns/pid").readlink())


def _processes(home: Path) -> list[psutil.Process]:
    """Shims and feeders of this home: a feeder looks like the shim it was forked from."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words and "python" in words[0] and any(word.startswith(f"{home}/jobs/") for word in words):
            found.append(process)
    return found


FRAMES = """
import struct
def frames(data):
    while data:
        magic, size = struct.unpack_from("<II", data)
        assert magic == 0xCED7230A and not any(data[8 + size : 8 + (size + 3) // 4 * 4])
        yield data[8 : 8 + size]
        data = data[8 + (size + 3) // 4 * 4 :]
"""


def test_each_piece_becomes_a_frame(lowest: Bench) -> None:
    lines = run(
        lowest,
        FRAMES + "print(list(frames(whole(0))))",
        pipe(lowest.home, [b"image", "1"], [b"", "no \u00fc"], framed=True),
    )
    assert lines == ["[b'image', b'1', b'', b'no \\xc3\\xbc']"]


@pytest.mark.parametrize("framed", [False, True])
def test_compressed_files_of_several_members(lowest: Bench, framed: bool) -> None:
    packed = gzip.compress(b"one") + b"\0\0" + gzip.compress(b"two" * 1_000_000)
    script = (
        FRAMES + "data = whole(0)\n" + ("(data,) = frames(data)\n" if framed else "") + "print(len(data), data[:6])"
    )
    lines = run(lowest, script, pipe(lowest.home, [packed], gzip=True, framed=framed))
    assert lines == ["3000003 b'onetwo'"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"plain text", "not a valid gzip file (Error -3 while decompressing data: incorrect header check)"),
        (gzip.compress(os.urandom(100_000))[:-9], "the gzip file is cut off"),
    ],
)
def test_bad_data_ends_the_instance_and_is_never_taken_for_the_end(lowest: Bench, content: bytes, message: str) -> None:
    state, lines = lowest.run(
        "python",
        "-c",
        READ + "whole(0); print('finished')",
        instance={"pipes": (pipe(lowest.home, [gzip.compress(b"good")], [content], gzip=True),)},
    )
    assert (state.cause, state.message) == ("data", f"Data download failed: s3://b/1-0: {message}")
    assert lines == []


def test_a_bomb_is_read_as_far_as_it_is_wanted(lowest: Bench) -> None:
    layer = zlib.compressobj(1, wbits=31)
    bomb = b"".join(layer.compress(bytes(1 << 20)) for _ in range(520)) + layer.flush()
    script = """
with open(base + "train_0", "rb") as pipe:
    print(sum(pipe.read(10_000_000)))
open(base + "bombed_0", "rb").read(1)
"""
    pipes = (
        pipe(lowest.home, [bomb], gzip=True),
        pipe(lowest.home, [bomb], gzip=True, framed=True, name="bombed"),
    )
    state, lines = lowest.run("python", "-c", READ + script, instance={"pipes": pipes})
    assert lines == ["0"]
    assert state.message == ("Data download failed: s3://b/0-0: longer than a RecordIO record can be (536870911 bytes)")


def test_what_stands_in_the_place_of_a_pipe_is_not_written(lowest: Bench) -> None:
    script = """
import signal
os.symlink("/etc/hostname", base + "train_1")
whole(0)
signal.pause()
"""
    state, _ = lowest.run("python", "-c", READ + script, instance={"pipes": (pipe(lowest.home, [b"x"]),)})
    assert (state.cause, state.message) == (
        "data",
        "Data download failed: something else stands in the place of the named pipe train_1",
    )


def test_only_pipes_are_opened(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine")
    (tmp_path / "link").symlink_to("target")
    place = os.open(tmp_path, os.O_PATH)
    for name in ("target", "link"):
        with pytest.raises(BadStream, match=f"something else stands in the place of the named pipe {name}"):
            opened(name, place)
    os.close(place)
    assert (tmp_path / "target").read_text() == "mine"


def test_shuffled_parts_are_dealt_anew_in_each_pass(lowest: Bench) -> None:
    folder = str(source(lowest.home, *([b"%d," % number] for number in range(20))))
    parts = [
        Pipe(target=f"/opt/ml/input/data/part{part}", source=folder, seed=7, part=part, parts=2) for part in range(2)
    ]
    script = "print([[whole(number, f'part{part}').decode() for part in range(2)] for number in range(2)])"
    (line,) = run(lowest, script, *parts)
    passes = [[[int(word) for word in part[:-1].split(",")] for part in one] for one in eval(line)]
    assert [sorted(one[0] + one[1]) for one in passes] == [list(range(20))] * 2
    assert passes[0][0] == list(order(20, 7, 0))[::2] and passes[1][1] == list(order(20, 7, 1))[1::2]
    assert set(passes[0][0]) != set(passes[1][0])


def test_orders() -> None:
    assert list(order(4, None, 3)) == [0, 1, 2, 3]
    assert list(order(1000, -1, 0)) != list(order(1000, 1, 0))
    assert order(1000, 5, 2) == order(1000, 5, 2)


def test_inflating_in_bounded_blocks(tmp_path: Path) -> None:
    file = tmp_path / "x.gz"
    for content, whole in ((b"", b""), (gzip.compress(b""), b""), (gzip.compress(b"a" * 5_000_000), b"a" * 5_000_000)):
        file.write_bytes(content)
        with file.open("rb") as opened:
            blocks = list(inflated(opened.fileno()))
        assert (b"".join(blocks), max(map(len, blocks), default=0) <= 1 << 20) == (whole, True)
    file.write_bytes(gzip.compress(b"a" * 5_000_000) + b"rest")
    with file.open("rb") as opened, pytest.raises(BadStream, match="not a valid gzip file"):
        list(inflated(opened.fileno()))
