"""Requests for tests."""

from typing import Any

from clary.capabilities.endpoints.asynchronous.ticket import Answer, Request, Ticket, Topics

TOPICS = Topics(success="arn:aws:sns:us-east-1:123456789012:good", error="arn:aws:sns:us-east-1:123456789012:bad")


def ticket(**changed: Any) -> Ticket:
    values: dict[str, Any] = {
        "account": "123456789012",
        "region": "us-east-1",
        "endpoint": "e",
        "inference_id": "mine",
        "headers": {"content-type": "text/csv"},
        "content_type": "text/csv",
        "input": "s3://b/in.csv",
        "output": "s3://b/out/1.out",
        "failure": "s3://b/bad/1-error.out",
        "timeout": 900.0,
    }
    return Ticket(**values | changed)


def request(answer: Answer | None = None, **changed: Any) -> Request:
    values: dict[str, Any] = {
        "id": "1",
        "owner": "e-1",
        "phase": "stored" if answer else "queued",
        "received": 1_700_000_000.0,
        "expires": 1_700_000_060.0,
        "attempts": 0,
        "ticket": ticket(topics=TOPICS),
        "answer": answer,
    }
    return Request(**values | changed)
