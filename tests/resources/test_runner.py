"""The runner: one hand per record, every outcome carried out, failures tried again, nothing lost by a restart."""

import itertools
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clary.resources import runner as runner_module
from clary.resources.kinds import Kind, Kinds
from clary.resources.machine import Machine
from clary.resources.reconcile import Become, Do, Outcome, Remove, Wait
from clary.resources.records import Record, new_id
from clary.resources.runner import Runner
from clary.resources.store import Store
from clary.resources.verbs import edit
from clary.resources.wake import Wake
from clary.wire.context import Parts

from .waiting import wait_until

EDGES = {
    "New": frozenset({"Running", "Stopping", "Done"}),
    "Running": frozenset({"Done", "Stopping"}),
    "Stopping": frozenset({"Stopped"}),
}
JOB = Kind(noun="Job", arn="job/{JobName}", machine=Machine(start="New", edges=EDGES))


class By:
    """A reconciler made of a function."""

    def __init__(self, decide: Callable[[Record], Outcome]) -> None:
        self.kind = JOB
        self._decide = decide

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        return self._decide(record)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url)
    yield store
    store.close()


@pytest.fixture
def parts(store: Store, tmp_path: Path) -> Parts:
    return Parts(store, Wake(tmp_path), Kinds([JOB]))


@contextmanager
def running(parts: Parts, decide: Callable[[Record], Outcome], threads: int = 4) -> Iterator[Runner]:
    runner = Runner(parts, [By(decide)], threads)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()


def new_job(parts: Parts, name: str = "one", **state: object) -> Record:
    store = parts.need(Store)
    now = store.now()
    record = Record(
        id=new_id(),
        account="1",
        region="r",
        kind="Job",
        name=name,
        status="New",
        state=dict(state),
        created=now,
        modified=now,
        due=now,
    )
    store.insert(record)
    parts.need(Wake).poke(record.id)
    return record


def now_is(parts: Parts, record: Record) -> Record:
    found = parts.need(Store).by_id(record.id)
    assert found
    return found


def settled(parts: Parts, record: Record) -> bool:
    return now_is(parts, record).due is None


def test_a_job_goes_through_its_states_to_rest(parts: Parts) -> None:
    done: list[str] = []

    def decide(record: Record) -> Outcome:
        if record.status == "New":
            return Become("Running", "Downloading", "Getting the data", {"Started": 1})
        if not done:
            return Do(lambda: done.append(record.id))
        return Become("Done") if record.status == "Running" else Wait()

    with running(parts, decide):
        record = new_job(parts)
        wait_until(lambda: settled(parts, record))
    final = now_is(parts, record)
    assert (final.status, final.state, done) == ("Done", {"Started": 1}, [record.id])
    told = [(event.status, event.detail, event.message) for event in parts.need(Store).events(record.id)]
    assert told == [("New", "", ""), ("Running", "Downloading", "Getting the data"), ("Done", "", "")]


def test_what_is_brief_is_written_with_what_follows_each_at_its_own_time(parts: Parts) -> None:
    seen: list[tuple[str, int]] = []
    times = itertools.count(1000.0)
    parts.need(Store).clock = lambda: next(times)

    def decide(record: Record) -> Outcome:
        stored = now_is(parts, record)
        seen.append((f"{record.status} {stored.status}", stored.version))
        if record.status == "New":
            return Become("Running", "Downloading", brief=True)
        if record.state.get("Detail") != "Training" and record.status == "Running":
            return Become("Running", "Training", state={"Detail": "Training"}, brief=True)
        return Become("Done") if record.status == "Running" else Wait()

    with running(parts, decide):
        record = new_job(parts)
        wait_until(lambda: now_is(parts, record).status == "Done")
    assert seen[:4] == [("New New", 0), ("Running New", 0), ("Running New", 0), ("Done Done", 1)]
    told = parts.need(Store).events(record.id)
    assert [event.detail for event in told] == ["", "Downloading", "Training", ""]
    assert sorted({event.at for event in told}) == [event.at for event in told]


def test_what_is_brief_is_written_before_a_wait(parts: Parts) -> None:
    with running(parts, lambda r: Become("Running", brief=True) if r.status == "New" else Wait(3600)):
        record = new_job(parts)
        wait_until(lambda: now_is(parts, record).status == "Running")


def test_what_fails_after_something_brief_is_tried_from_what_is_stored(parts: Parts) -> None:
    seen: list[str] = []

    def decide(record: Record) -> Outcome:
        seen.append(record.status)
        if record.status == "New":
            return Become("Running", brief=True)
        if record.status == "Running" and len(seen) < 4:
            raise OSError("the disk is away")
        return Become("Done") if record.status == "Running" else Wait()

    with running(parts, decide):
        record = new_job(parts)
        wait_until(lambda: now_is(parts, record).status == "Done")
    assert seen[:4] == ["New", "Running", "New", "Running"]
    assert [event.status for event in parts.need(Store).events(record.id)] == ["New", "Running", "Done"]


SOON = 0.3


def test_what_waits_is_not_looked_at_again_for_an_earlier_time(parts: Parts) -> None:
    looked: Counter[str] = Counter()

    def decide(record: Record) -> Outcome:
        looked[record.name] += 1
        if record.name != "one":
            return Wait()
        return Wait(SOON) if looked[record.name] == 1 else Wait(3600)

    with running(parts, decide):
        record = new_job(parts)
        wait_until(lambda: looked[record.name])
        soon = parts.need(Store).now() + SOON
        parts.need(Wake).poke(record.id)
        _after_all_pokes(parts, "other")
        wait_until(lambda: (now_is(parts, record).due or 0) > soon + 60)
        # Twice, or, if the first time came before the poke, thrice.
        known = looked[record.name]
        wait_until(lambda: parts.need(Store).now() > soon)
        _after_all_pokes(parts, "later")
    assert looked[record.name] == known


def _after_all_pokes(parts: Parts, name: str) -> None:
    other = new_job(parts, name)
    wait_until(lambda: settled(parts, other))


def test_what_was_due_before_the_start_is_found(parts: Parts) -> None:
    record = new_job(parts)
    with running(parts, lambda r: Become("Done") if r.status == "New" else Wait()):
        wait_until(lambda: settled(parts, record))
    assert now_is(parts, record).status == "Done"


def test_a_lost_poke_is_made_good_by_the_poll(parts: Parts) -> None:
    looked: Counter[str] = Counter()

    def decide(record: Record) -> Outcome:
        looked[record.id] += 1
        return Wait()

    with running(parts, decide):
        record = new_job(parts)
        wait_until(lambda: settled(parts, record))
        parts.need(Store).reschedule([(now_is(parts, record), parts.need(Store).now())])
        wait_until(lambda: looked[record.id] >= 2 and settled(parts, record))


def test_a_poke_is_acted_on_at_once(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "POLL_SECONDS", 3600.0)
    looked = threading.Semaphore(0)

    def decide(record: Record) -> Outcome:
        looked.release()
        return Wait()

    with running(parts, decide):
        record = new_job(parts)
        assert looked.acquire(timeout=100)
        parts.need(Wake).poke(record.id)
        assert looked.acquire(timeout=100)


def test_waiting_looks_again_when_the_time_has_come(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "POLL_SECONDS", 3600.0)
    times: list[float] = []

    def decide(record: Record) -> Outcome:
        times.append(parts.need(Store).now())
        return Wait(0.2) if len(times) == 1 else Wait()

    with running(parts, decide):
        record = new_job(parts)
        wait_until(lambda: len(times) == 2)
    assert settled(parts, record)
    assert 0.19 < times[1] - times[0] < 60


def test_a_removed_record_is_gone_after_its_action(parts: Parts) -> None:
    done: list[str] = []
    with running(parts, lambda r: Remove(lambda: done.append(r.name))):
        record = new_job(parts)
        wait_until(lambda: parts.need(Store).by_id(record.id) is None)
    assert done == ["one"]


def test_a_failing_reconciler_is_tried_again_with_growing_pauses(
    parts: Parts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "BACKOFF_SECONDS", 0.05)
    times: list[float] = []

    def decide(record: Record) -> Outcome:
        times.append(parts.need(Store).now())
        if len(times) < 4:
            raise ConnectionError("away")
        return Become("Done") if record.status == "New" else Wait()

    with caplog.at_level(logging.ERROR, runner_module.__name__), running(parts, decide):
        record = new_job(parts)
        wait_until(lambda: settled(parts, record))
    assert now_is(parts, record).status == "Done"
    pauses = [after - before for before, after in itertools.pairwise(times[:4])]
    assert all(pause >= least - 0.002 for pause, least in zip(pauses, (0.05, 0.1, 0.2), strict=True))
    assert [entry.getMessage() for entry in caplog.records] == [
        f"reconciling Job one failed, try {number}, again in {pause:g} s"
        for number, pause in ((1, 0.05), (2, 0.1), (3, 0.2))
    ]


def test_one_failing_record_does_not_hold_up_the_others(parts: Parts) -> None:
    def decide(record: Record) -> Outcome:
        if record.name == "bad":
            raise ValueError("bad")
        return Become("Done") if record.status == "New" else Wait()

    with running(parts, decide, threads=1):
        bad, *good = [new_job(parts, name) for name in ("bad", "a", "b", "c")]
        wait_until(lambda: all(settled(parts, record) for record in good))
    assert now_is(parts, bad).status == "New"
    assert now_is(parts, bad).due is not None


@pytest.mark.parametrize("outcome", [Become("Nowhere"), Become("New")])
def test_an_outcome_that_makes_no_sense_is_an_error_not_a_loop(
    parts: Parts, outcome: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, runner_module.__name__), running(parts, lambda r: outcome):
        record = new_job(parts)
        wait_until(lambda: len(caplog.records) > 0)
    assert now_is(parts, record).status == "New"
    assert len(caplog.records) < 10


def test_a_decision_on_an_old_version_is_dropped(parts: Parts) -> None:
    """A stop that comes while the reconciler thinks wins over what it thought."""
    stopped: list[str] = []

    def decide(record: Record) -> Outcome:
        if record.status == "New":
            with edit(parts, record) as change:
                change.become("Stopping")
            stopped.append(record.id)
            return Become("Running")
        return Become("Stopped") if record.status == "Stopping" else Wait()

    with running(parts, decide):
        record = new_job(parts)
        wait_until(lambda: settled(parts, record))
    told = [event.status for event in parts.need(Store).events(record.id)]
    assert told == ["New", "Stopping", "Stopped"]
    assert stopped == [record.id]


def test_a_change_while_settling_is_not_slept_through(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "POLL_SECONDS", 0.2)

    def decide(record: Record) -> Outcome:
        if record.status == "New":
            with edit(parts, record) as change:
                change.become("Stopping")
            return Wait()
        return Become("Stopped") if record.status == "Stopping" else Wait()

    with running(parts, decide):
        record = new_job(parts)
        wait_until(lambda: now_is(parts, record).status == "Stopped")


def test_a_record_is_never_in_two_hands(parts: Parts) -> None:
    inside: Counter[str] = Counter()
    most: Counter[str] = Counter()
    lock = threading.Lock()

    def decide(record: Record) -> Outcome:
        with lock:
            inside[record.id] += 1
            most[record.id] = max(most[record.id], inside[record.id])
        count = record.state.get("count", 0)
        parts.need(Wake).poke(record.id)
        with lock:
            inside[record.id] -= 1
        return Become("New", state={"count": count + 1}) if count < 30 else Wait()

    with running(parts, decide, threads=8):
        records = [new_job(parts, str(number)) for number in range(10)]
        wait_until(lambda: all(settled(parts, record) for record in records))
    assert [now_is(parts, record).state["count"] for record in records] == [30] * 10
    assert set(most.values()) == {1}


def test_stopping_finishes_what_is_in_hand(parts: Parts) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def act() -> None:
        begun.set()
        go_on.wait(100)

    def decide(record: Record) -> Outcome:
        return Wait() if begun.is_set() else Do(act)

    runner = Runner(parts, [By(decide)])
    runner.start()
    record = new_job(parts)
    assert begun.wait(100)
    stopper = threading.Thread(target=runner.stop)
    stopper.start()
    go_on.set()
    stopper.join(100)
    assert not stopper.is_alive()
    assert not settled(parts, record)


def test_a_second_runner_goes_on_where_the_first_stopped(parts: Parts) -> None:
    with running(parts, lambda r: Become("Running") if r.status == "New" else Wait(3600)):
        record = new_job(parts)
        wait_until(lambda: now_is(parts, record).status == "Running")
    with edit(parts, record) as change:
        change.due_now()
    with running(parts, lambda r: Become("Done") if r.status == "Running" else Wait()):
        wait_until(lambda: settled(parts, record))
    assert now_is(parts, record).status == "Done"
