"""One request from input to notification, cut short at each of its steps, against a model server on a real socket."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.capabilities.endpoints.asynchronous.tickets import TOPICS, ticket
from tests.resources.conftest import Clock
from tests.serving.sockets import Answer as Says
from tests.serving.sockets import never, ok, says, server
from tests.subscribers import Subscriber, subscribed

from clary.capabilities.endpoints.asynchronous.journal import Journal
from clary.capabilities.endpoints.asynchronous.queue import Queue
from clary.capabilities.endpoints.asynchronous.spool import Spool
from clary.capabilities.endpoints.asynchronous.ticket import Answer, Request
from clary.capabilities.endpoints.asynchronous.work import Seat, Work
from clary.companions.logs import LogStore
from clary.companions.sns import Sinks
from clary.objects import LocalObjects

ACCOUNT = "123456789012"


class Site:
    """All that a request needs, in one folder."""

    def __init__(self, folder: Path, queue: Queue, clock: Clock, subscriber: Subscriber) -> None:
        self.queue, self.clock, self.folder = queue, clock, folder
        self.objects = LocalObjects(folder / "objects", queue.store.database)
        for bucket in ("in-put", "out-put"):
            self.objects.create_bucket(ACCOUNT, "us-east-1", bucket)
        self.spool = Spool(folder / "async", self.objects)
        self.spool.clear(())
        logs = LogStore(folder / "logs", queue.store)
        sinks = Sinks({TOPICS.success: subscriber.url}, logs, self.objects, self.spool.folder)
        self.work = Work(queue, self.spool, sinks, Journal(logs), threads=2)
        self.seat = Seat("v", "w", ("primary",), (folder / "model.sock",))

    def put(self, **changed: Any) -> Request:
        places = {"input": "", "output": "s3://out-put/a.out", "failure": "s3://out-put/a-error.out", "topics": TOPICS}
        self.queue.put("r", "e", ticket(**(places | changed)), 60, b"1,2")
        return self.waiting()

    def waiting(self) -> Request:
        (request,) = self.queue.next("e", float("inf"), 10)
        return request

    def unfinished(self) -> list[Request]:
        return self.queue.unfinished(float("inf"))

    def serve(self, request: Request, answer: Says) -> list[bytes]:
        """What the model was asked."""

        async def run() -> list[bytes]:
            async with server(self.folder / "model.sock", answer) as seen:
                await self.work.serve(request, self.seat)
                return list(seen)

        return asyncio.run(run())

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run(work)

    def text(self, key: str) -> tuple[str, str] | None:
        found = self.objects.find("out-put", key)
        return (found.path.read_text(), found.extra.headers["content-type"]) if found else None

    def counts(self) -> dict[str, int]:
        return {name: count for (_, name), count in self.work.tallies.counts.items()}

    @property
    def over(self) -> bool:
        return not self.queue.next("e", float("inf"), 10) and not self.unfinished()


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    with subscribed() as found:
        yield found


@pytest.fixture
def site(tmp_path: Path, queue: Queue, clock: Clock, subscriber: Subscriber) -> Site:
    return Site(tmp_path, queue, clock, subscriber)


def test_an_answer_becomes_an_object_and_a_message(site: Site, subscriber: Subscriber) -> None:
    (asked,) = site.serve(site.put(), says(ok(b"3,4")))
    assert asked.endswith(b"\r\n\r\n1,2")
    assert b"content-type: text/csv\r\n" in asked
    assert (site.text("a.out"), site.over, list((site.folder / "async").iterdir())) == (("3,4", "text/csv"), True, [])
    ((headers, envelope),) = subscriber.got
    assert headers["x-amz-sns-message-type"] == "Notification"
    assert (headers["x-amz-sns-topic-arn"], envelope["TopicArn"]) == (TOPICS.success, TOPICS.success)
    assert json.loads(envelope["Message"])["responseParameters"]["outputLocation"] == "s3://out-put/a.out"
    assert site.counts() == {"InvocationsProcesssed": 1}


def test_what_the_model_refuses_is_not_asked_again(site: Site) -> None:
    refusal = b"HTTP/1.1 500 no\r\ncontent-length: 4\r\n\r\nboom"
    assert len(site.serve(site.put(), says(refusal))) == 1
    found = site.text("a-error.out")
    assert found is not None
    assert found[0].startswith('Received server error (500) from primary with message "boom". See https://us-east-1')
    assert (site.over, site.text("a.out")) == (True, None)
    assert site.counts() == {"Invocation5XXErrors": 1, "InvocationFailures": 1}


def test_a_request_that_ends_its_instance_is_given_up_after_three_times(site: Site) -> None:
    request = site.put()
    for attempts in (1, 2):
        assert len(site.serve(request, says(b"HT", close=True))) == 1
        request = site.waiting()
        assert (request.attempts, site.text("a-error.out")) == (attempts, None)
    site.serve(request, says(b"HT", close=True))
    found = site.text("a-error.out")
    assert found is not None
    assert "closed 3 times without a response" in found[0]
    assert site.over


def test_an_instance_that_is_away_costs_no_try(site: Site) -> None:
    site.run(site.work.serve(site.put(), site.seat))
    assert site.waiting().attempts == 0


def test_containers_in_a_row(site: Site) -> None:
    """What one answers is what the next is asked, with its type; the type of the answer is for the last to choose."""

    async def run() -> list[bytes]:
        first, last = site.folder / "first.sock", site.folder / "last.sock"
        async with server(first, says(ok(b"3,4"))) as seen, server(last, says(ok(b"5,6"))) as later:
            await site.work.serve(site.put(), Seat("v", "w", ("a", "b"), (first, last)))
            return [*seen, *later]

    asked = asyncio.run(run())
    assert [each.rpartition(b"\r\n\r\n")[2] for each in asked] == [b"1,2", b"3,4"]
    assert site.text("a.out") == ("5,6", "text/csv")


def test_a_model_that_never_answers(site: Site) -> None:
    site.serve(site.put(timeout=0.2), never)
    found = site.text("a-error.out")
    assert found is not None
    assert "Your invocation timed out" in found[0]


@pytest.mark.parametrize("uri", ["s3://in-put/none", "s3://others/x", "https://elsewhere/x"])
def test_an_input_that_is_not_there(site: Site, uri: str) -> None:
    site.queue.put(
        "r", "e", ticket(input=uri, output="s3://out-put/a.out", failure="s3://out-put/a-error.out"), 60, None
    )
    assert site.serve(site.waiting(), says(ok(b"3,4"))) == []
    found = site.text("a-error.out")
    assert found is not None
    assert found[0].startswith("Failed to download the request payload")
    assert site.counts() == {"RequestDownloadFailures": 1, "InvocationFailures": 1}


def test_an_answer_that_cannot_be_stored_is_a_failure(site: Site) -> None:
    site.serve(site.put(output="s3://no-such-bucket/a.out"), says(ok(b"3,4")))
    found = site.text("a-error.out")
    assert found is not None
    assert found[0].startswith("Failed to upload the response to s3://no-such-bucket/a.out")
    assert site.over


GOOD = Answer(ok=True, content_type="text/csv", size=3, at=1_700_000_000.0, variant="v", workload="w")


def answered(site: Site) -> Request:
    """As a controller left it that was killed right after it said so."""
    site.queue.answered(site.put(), GOOD)
    (request,) = site.unfinished()
    return request


def kept(site: Site) -> None:
    site.spool.answer("r").write_bytes(b"3,4")


def moved(site: Site) -> None:
    kept(site)
    site.objects.put_file(ACCOUNT, "out-put", "a.out", site.spool.answer("r"), content_type="text/csv")


@pytest.mark.parametrize("left", [kept, moved])
def test_what_a_killed_controller_left_is_taken_to_its_end_without_the_model(
    site: Site, subscriber: Subscriber, left: Callable[[Site], None]
) -> None:
    request = answered(site)
    left(site)
    site.spool.clear(site.queue.with_answers())
    site.run(site.work.finish(request))
    assert (site.text("a.out"), site.over, len(subscriber.got)) == (("3,4", "text/csv"), True, 1)


def test_an_answer_that_was_lost_with_its_machine_is_asked_for_again(site: Site, subscriber: Subscriber) -> None:
    site.run(site.work.finish(answered(site)))
    assert (site.waiting().body, subscriber.got) == (b"1,2", [])


def test_a_subscriber_that_takes_nothing_is_told_four_times(site: Site, subscriber: Subscriber) -> None:
    subscriber.status = 500
    site.serve(site.put(), says(ok(b"3,4")))
    for attempts in (1, 2, 3):
        (request,) = site.unfinished()
        assert (request.phase, request.attempts, site.queue.unfinished(site.clock.now)) == ("stored", attempts, [])
        site.run(site.work.finish(request))
    assert (site.over, site.counts()["NotificationFailures"], len(subscriber.got)) == (True, 1, 4)
    assert len({envelope["MessageId"] for _, envelope in subscriber.got}) == 1


def test_a_message_to_a_log_is_there_once_however_often_it_is_told(site: Site, tmp_path: Path) -> None:
    bad = Answer(ok=False, content_type="text/plain", reason="ClientError: no.", at=1_700_000_000.0)
    request = Request(
        id="r",
        owner="e",
        phase="stored",
        received=1.0,
        expires=2.0,
        attempts=0,
        ticket=ticket(topics=TOPICS),
        answer=bad,
    )
    for _ in range(2):
        site.run(site.work.finish(request))
    (log,) = (tmp_path / "logs").rglob("*.log")
    assert len(log.read_text().splitlines()) == 1
