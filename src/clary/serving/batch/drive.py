"""The driver: `drive(folder)` carries the objects of `job.json` through one instance, and ends with `result.json`.

Threads take payloads in the order of the objects and call the containers with them; not more than `WINDOW` for each
thread are on their way, so memory does not depend on how large objects are. The process may be killed at any line and
started again (`job.py`); being told to stop, it just ends.
"""

import contextlib
import functools
import gzip
import os
import threading
import time
import traceback
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import msgspec

from clary.runtime import disks, shims
from clary.runtime.shim.status import poke
from clary.serving.batch import job as told
from clary.serving.batch import parameters, path, shape, split, streaming
from clary.serving.batch.assemble import Output
from clary.serving.batch.client import Caller, Failed
from clary.serving.batch.job import Fault, Item, Job, Line, Result
from clary.serving.batch.log import Log
from clary.serving.batch.shape import BadAnswer, BadInput, Shaping
from clary.serving.batch.split import BadRecord

WINDOW = 2
HELD_BYTES = 512 * split.MEGABYTE
"""Of all answers that are being read at once, of which each has its part."""
LEAST_ANSWER = 16 * split.MEGABYTE
UNBOUNDED = 256 * split.MEGABYTE
"""Of a payload that has no bound and yet has to be held: a single record, or records that are filtered or joined."""
POKE_SECONDS, LOOK_SECONDS = 0.5, 0.2

Bad = (BadRecord, BadInput, BadAnswer, OSError, EOFError, zlib.error)


class Unit(NamedTuple):
    """A payload. `body` is `None` for a whole object that is streamed."""

    item: Item
    output: Output
    number: int
    body: bytes | None


def drive(folder: Path) -> None:
    """All of it. What is left of an earlier driver goes on."""
    job = told.read_job(folder)
    for each in (told.PARTS, told.OUT):
        (folder / each).mkdir(exist_ok=True)
    if parameters.await_health(job, functools.partial(_rest, folder)):
        chosen = parameters.settle(job, parameters.ask(Path(job.sockets[0])))
        run = Drive(folder, job, chosen)
        run.work()
        result = run.result()
    else:
        result = Result(unhealthy=True)
    shims.replace(folder / told.RESULT, msgspec.json.encode(result))
    poke(job.wake, job.key)


def _rest(folder: Path, seconds: float) -> None:
    time.sleep(seconds)
    obey(folder)


def obey(folder: Path) -> None:
    """End now when told to, or when the job is gone."""
    if (folder / told.STOP).exists() or not (folder / told.JOB).exists():
        os._exit(0)


def shaping(job: Job) -> Shaping | None:
    """What is done with records, if anything is. Raises `BadPath`, or `BadInput` for a type without records."""
    chosen, kept = path.parse(job.input_filter), path.parse(job.output_filter)
    if chosen.is_whole and kept.is_whole and not job.join and job.stamp is None:
        return None
    form = shape.form(job.content_type, lines=job.split == "Line")
    if form is None:
        raise BadInput(f"Records of type {job.content_type!r} cannot be filtered or joined")
    return Shaping(form, chosen, kept, job.join, job.stamp)


class Drive:
    """One run of a driver."""

    def __init__(self, folder: Path, job: Job, chosen: parameters.Parameters) -> None:
        self._folder, self._job, self._chosen, self._log = folder, job, chosen, Log(Path(job.log))
        self._shaping = shaping(job)
        self._single = job.split != "None" and chosen.strategy == "SingleRecord"
        self._streams = not chosen.payload_mb and not self._single and self._shaping is None
        self._limit = chosen.payload_mb * split.MEGABYTE or UNBOUNDED
        self._window = threading.Semaphore(WINDOW * chosen.concurrent)
        self._pulling, self._ending = threading.Lock(), threading.Lock()
        self._journal = told.read_journal(folder)
        self._poked = 0.0
        self._units = self._all()

    def work(self) -> None:
        """Until all objects are over."""
        self._resume()
        self._log.say(str(self._chosen))
        threads = [threading.Thread(target=self._run, daemon=True) for _ in range(self._chosen.concurrent)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(LOOK_SECONDS)
                obey(self._folder)

    def result(self) -> Result:
        faults = [line.fault for line in self._journal if line.fault]
        return Result(done=len(self._journal) - len(faults), failed=len(faults), fault=faults[0] if faults else "")

    def _resume(self) -> None:
        """What was whole when the last driver was killed is handed on; what was not is begun anew."""
        done = {str(line.number) for line in self._journal if not line.fault}
        for part in (self._folder / told.PARTS).iterdir():
            if part.name in done:
                part.replace(self._folder / told.OUT / part.name)
            else:
                part.unlink()

    def _all(self) -> Iterator[Unit]:
        over = {line.number for line in self._journal}
        for item in told.read_items(Path(self._job.items)):
            if item.number not in over:
                yield from self._of(item)

    def _of(self, item: Item) -> Iterator[Unit]:
        """The payloads of an object, as they are asked for. What is wrong with it is its own failure."""
        output = Output(self._folder / told.PARTS / str(item.number), line=self._job.assemble == "Line")
        count = 0
        try:
            for body in self._bodies(item):
                if output.failed:
                    return
                yield Unit(item, output, count, body)
                count += 1
        except Bad as error:
            self._release(self._fail(item, output, explained(error)))
            return
        output.end(count)
        self._close(item, output)

    def _bodies(self, item: Item) -> Iterator[bytes | None]:
        if self._streams:
            yield None
            return
        with self._open(item) as file:
            yield from split.payloads(file, self._job.split, single=self._single, limit=self._limit)

    def _open(self, item: Item) -> BinaryIO:
        if self._job.compression == "Gzip":
            return cast(BinaryIO, gzip.open(item.source))
        return Path(item.source).open("rb")

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException:
            # A border: no object is to blame. Whoever started this process starts it again.
            traceback.print_exc()
            os._exit(1)

    def _serve(self) -> None:
        most, job = max(LEAST_ANSWER, HELD_BYTES // self._chosen.concurrent), self._job
        with contextlib.closing(Caller(job.sockets, seconds=job.timeout, retries=job.retries, longest=most)) as caller:
            while unit := self._next():
                self._release(self._do(unit, caller))

    def _next(self) -> Unit | None:
        self._window.acquire()
        with self._pulling:
            unit = next(self._units, None)
        if unit is None:
            self._release(1)
        return unit

    def _release(self, count: int) -> None:
        if count:
            self._window.release(count)

    def _do(self, unit: Unit, caller: Caller) -> int:
        """How many payloads are no longer on their way."""
        if unit.output.failed:
            return 1
        try:
            done = self._answered(unit, caller)
        except Failed as error:
            return 1 + self._fail(unit.item, unit.output, error)
        except Bad as error:
            return 1 + self._fail(unit.item, unit.output, explained(error))
        self._close(unit.item, unit.output)
        return done

    def _answered(self, unit: Unit, caller: Caller) -> int:
        job, body, shaping = self._job, unit.body, self._shaping
        if body is None:
            streaming.transform(job, lambda: self._open(unit.item), unit.output.path)
            unit.output.adopt()
            return 1
        answer = caller.transform(shaping.request(body) if shaping else body, job.content_type, job.accept)
        if shaping:
            answer = shaping.answer(body, answer, unit.item.name, unit.number)
        return unit.output.put(unit.number, answer)

    def _fail(self, item: Item, output: Output, why: Failed) -> int:
        """How many answers to its payloads are dropped."""
        dropped = output.fail()
        if dropped is None:
            return 0
        self._log.failed(item.name, why)
        self._end(item, why.fault)
        return dropped

    def _close(self, item: Item, output: Output) -> None:
        if output.close():
            self._end(item, "")
            output.path.replace(self._folder / told.OUT / str(item.number))
            self._tell()

    def _end(self, item: Item, fault: Fault) -> None:
        line = Line(number=item.number, fault=fault)
        with self._ending, (self._folder / told.JOURNAL).open("ab") as file:
            # The line before may be torn.
            file.write(b"\n" + msgspec.json.encode(line) + b"\n")
            self._journal.append(line)

    def _tell(self) -> None:
        """That there is an output to be taken, now and then."""
        now = time.monotonic()
        if now - self._poked > POKE_SECONDS:
            self._poked = now
            poke(self._job.wake, self._job.key)


def explained(error: Exception) -> Failed:
    """Whose fault it is that an object has no output. Raises what no object is to blame for."""
    if isinstance(error, BadAnswer):
        return Failed("algorithm", str(error))
    if isinstance(error, BadRecord | BadInput):
        return Failed("client", str(error))
    if isinstance(error, gzip.BadGzipFile | EOFError | zlib.error):
        return Failed("client", f"Failed to decompress the data as Gzip: {error}")
    if isinstance(error, OSError) and disks.is_full(error):
        return Failed("client", "Insufficient disk space for the output")
    raise error
