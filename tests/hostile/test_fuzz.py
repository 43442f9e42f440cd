"""Every operation of SageMaker, with the smallest valid request its model allows and with broken ones."""

import sqlite3
from random import Random

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from tests.hostile.shapes import broken, service, smallest
from tests.hostile.signing import Answer
from tests.hostile.site import Site

from clary.resources.store import DATABASE_FILE

SEED = 20240722
BROKEN = 3
"""Broken requests for each operation."""


def test_every_operation_of_the_model(site: Site) -> None:
    names = sorted(service("sagemaker").operation_names)
    assert len(names) >= 425
    told = {name: [site.owner.send(request) for request in _requests(site, name)] for name in names}
    wrong = {name: [_line(answer) for answer in answers if not _is_modelled(answer)] for name, answers in told.items()}
    assert {name: lines for name, lines in wrong.items() if lines} == {}
    pairs = [[answer.pair for answer in answers] for answers in told.values()]
    unbuilt = [each[0] for each in pairs if (501, "NotImplemented") in each]
    refused = sum(
        answer.code in ("ValidationException", "SerializationException") for a in told.values() for answer in a
    )
    # The generator knows most patterns; so most smallest requests get past the checks of their shapes.
    assert len(unbuilt) > 200
    assert unbuilt.count((501, "NotImplemented")) > 0.9 * len(unbuilt)
    assert refused > 0.5 * BROKEN * len(names)


def _requests(site: Site, name: str) -> list[object]:
    shape = service("sagemaker").operation_model(name).input_shape
    random = Random(f"{SEED} {name}")
    least = smallest(shape) if shape else {}
    wrong = [broken(least, shape, random) if shape else {"Nothing": None} for _ in range(BROKEN)]
    return [site.owner.operation(name, request) for request in (least, *wrong)]


def _is_modelled(answer: Answer) -> bool:
    """A success, an error of the caller's that has words, or the one honest 501."""
    if answer.status == 200:
        return True
    return (400 <= answer.status < 500 or answer.pair == (501, "NotImplemented")) and b"essage" in answer.body


def _line(answer: Answer) -> str:
    return f"{answer.status} {answer.body[:300]!r}"


def test_the_store_is_whole_afterwards(site: Site) -> None:
    with sqlite3.connect(f"file:{site.home / DATABASE_FILE}?mode=ro", uri=True) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


OTHERS = ("sagemaker-runtime", "sagemaker-featurestore-runtime", "sagemaker-metrics", "sagemaker-a2i-runtime")
COMPANIONS = ("sts", "iam", "logs", "cloudwatch", "application-autoscaling", "ecr", "kms", "s3")


@pytest.mark.parametrize("name", (*OTHERS, *COMPANIONS))
def test_every_operation_of_the_other_services(site: Site, name: str) -> None:
    """Through boto3, which knows each protocol; what it cannot even write down does not count."""
    client = site.client(name)
    sent = 0
    for operation in service(name).operation_names:
        shape = client.meta.service_model.operation_model(operation).input_shape
        random = Random(f"{SEED} {operation}")
        least = smallest(shape) if shape else {}
        if name == "s3" and "Bucket" in least:
            least["Bucket"] = _bucket(site)
        for request in (least, *(broken(least, shape, random) for _ in range(BROKEN) if shape)):
            status, told = _call(client, operation, request)
            sent += status > 0
            assert status < 500 or status == 501, (operation, request, told)
    assert sent > len(service(name).operation_names)


def _bucket(site: Site) -> str:
    """One that is there, whatever the operation before did to it."""
    site.s3.create_bucket(Bucket="fuzzed-bucket")
    site.s3.put_object(Bucket="fuzzed-bucket", Key="a", Body=b"x")
    return "fuzzed-bucket"


def _call(client: object, operation: str, request: dict[str, object]) -> tuple[int, object]:
    try:
        answer = client._make_api_call(operation, request)  # type: ignore[attr-defined]
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]
    except ResponseParserError as error:
        return 599, error
    except Exception as error:  # boto3 cannot write it
        return 0, error
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer
