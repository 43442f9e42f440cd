"""What is known of one asynchronous request, as its row keeps it: what was asked, and what came of it."""

from typing import Literal

import msgspec

Phase = Literal["queued", "answered", "stored"]
"""`queued`: no answer yet. `answered`: the answer, or why there is none, is known and not yet an object. `stored`: it
is an object, and whoever is to be told of it has not been told."""


class Topics(msgspec.Struct, frozen=True, kw_only=True):
    """SNS topics, empty where nobody is to be told. The `include_`s: the answer itself belongs into the message."""

    success: str = ""
    error: str = ""
    include_success: bool = False
    include_error: bool = False

    def of(self, ok: bool) -> str:
        return self.success if ok else self.error

    def includes(self, ok: bool) -> bool:
        return self.include_success if ok else self.include_error


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it was accepted. Locations are S3 URIs; `input` is empty where the body came with the request."""

    account: str
    region: str
    endpoint: str
    inference_id: str
    headers: dict[str, str]
    """For the model, by header name."""
    content_type: str
    input: str
    output: str
    failure: str
    timeout: float
    topics: Topics = Topics()
    test: str = ""
    """A topic: this is no request, but the test message of a new configuration."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How a request ended. Times are seconds."""

    ok: bool
    content_type: str = ""
    reason: str = ""
    """For the notification of a failure."""
    size: int = 0
    included: str = ""
    """The answer as base64, where a notification is to hold it."""
    at: float = 0.0
    variant: str = ""
    workload: str = ""
    download: float = 0.0
    model: float = 0.0


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A row."""

    id: str
    owner: str
    phase: Phase
    received: float
    expires: float
    attempts: int
    ticket: Ticket
    body: bytes | None = None
    answer: Answer | None = None

    @property
    def location(self) -> str:
        """Where its answer becomes an object."""
        return self.ticket.output if self.answer is None or self.answer.ok else self.ticket.failure


# Prepared while one thread imports: msgspec does it at the first use of a class, and crashes if two threads are first.
read_ticket = msgspec.json.Decoder(Ticket).decode
read_answer = msgspec.json.Decoder(Answer).decode
