"""The queue: each request has one row, in one phase, until it is over."""

from tests.capabilities.endpoints.asynchronous.tickets import ticket
from tests.resources.conftest import Clock

from clary.capabilities.endpoints.asynchronous.queue import Depth, Queue
from clary.capabilities.endpoints.asynchronous.ticket import Answer

NOW = 1_700_000_000.0


def test_first_come_first_served_by_endpoint(queue: Queue, clock: Clock) -> None:
    for number, owner in enumerate(("one", "two", "one")):
        queue.put(f"r{number}", owner, ticket(), 60, b"1,2" if number else None)
        clock.tick()
    assert [each.id for each in queue.next("one", clock.now, 10)] == ["r0", "r2"]
    assert [each.id for each in queue.next("one", clock.now, 1)] == ["r0"]
    assert queue.next("one", clock.now, 10)[1].body == b"1,2"
    assert queue.owners() == {"one", "two"}
    assert queue.depth("one") == Depth(2, NOW)
    assert queue.depth("none") == Depth(0, 0.0)


def test_a_request_goes_from_queued_to_answered_to_stored_to_over(queue: Queue, clock: Clock) -> None:
    queue.put("r", "one", ticket(), 60, None)
    (request,) = queue.next("one", clock.now, 1)
    answer = Answer(ok=True, content_type="text/csv", size=3, variant="v", workload="w", at=NOW)
    queue.answered(request, answer)
    assert (queue.next("one", clock.now, 1), queue.with_answers()) == ([], ["r"])
    (request,) = queue.unfinished(clock.now)
    assert (request.phase, request.answer) == ("answered", answer)
    queue.stored(request)
    assert [each.phase for each in queue.unfinished(clock.now)] == ["stored"]
    assert queue.with_answers() == []
    queue.over(["r"])
    assert (queue.unfinished(clock.now), queue.owners()) == ([], set())


def test_a_retry_waits_for_its_time(queue: Queue, clock: Clock) -> None:
    queue.put("r", "one", ticket(), 60, None)
    (request,) = queue.next("one", clock.now, 1)
    queue.again(request, 5.0, attempts=1)
    assert queue.next("one", clock.now, 1) == []
    clock.tick(5)
    assert [each.attempts for each in queue.next("one", clock.now, 1)] == [1]


def test_an_answer_that_is_lost_is_asked_for_again(queue: Queue, clock: Clock) -> None:
    queue.put("r", "one", ticket(), 60, b"body")
    (request,) = queue.next("one", clock.now, 1)
    queue.answered(request, Answer(ok=True))
    queue.unanswered(request)
    (request,) = queue.next("one", clock.now, 1)
    assert (request.body, request.answer) == (b"body", None)


def test_those_that_waited_too_long(queue: Queue, clock: Clock) -> None:
    queue.put("short", "one", ticket(), 60, None)
    queue.put("long", "one", ticket(), 600, None)
    assert queue.expired(clock.now) == []
    clock.tick(60)
    assert [each.id for each in queue.expired(clock.now)] == ["short"]


def test_an_announcement_is_only_told(queue: Queue, clock: Clock) -> None:
    queue.announce("t", "one", ticket(test="arn:topic"))
    assert queue.owners() == set()
    assert [(each.id, each.phase) for each in queue.unfinished(clock.now)] == [("t", "stored")]
