"""Requests that are forged, altered, stale, sent again or not signed at all."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.capabilities.training.journey import BUCKET
from tests.capabilities.training.records import request
from tests.hostile.signing import Keys, Request, Signer
from tests.hostile.site import Site

MISSING = (400, "MissingAuthenticationTokenException")
MISMATCH = (400, "InvalidSignatureException")
INCOMPLETE = (400, "IncompleteSignatureException")
UNKNOWN = (400, "UnrecognizedClientException")
BODY = {"ModelName": "forged", "ExecutionRoleArn": "arn:aws:iam::123456789012:role/SageMakerRole"}
Forge = Callable[[Signer], Request]


def create(signer: Signer, **how: Any) -> Request:
    return signer.operation("CreateModel", BODY, **how)


def told(signer: Signer, change: Callable[[str], str]) -> Request:
    made = create(signer)
    return made.with_headers(authorization=change(made.headers["authorization"]))


def as_if(signer: Signer, **keys: str) -> Signer:
    return Signer(signer.port, replace(signer.keys, **keys), signer.region)


def resealed(signer: Signer) -> Request:
    """A session token that says another account, under a seal that was right for the first."""
    made = create(signer)
    payload, _, seal = str(signer.keys.token).partition(".")
    said = json.loads(base64.urlsafe_b64decode(payload))
    said[1] = "123456789012"
    forged = base64.urlsafe_b64encode(json.dumps(said).encode()).decode()
    return made.with_headers(x_amz_security_token=f"{forged}.{seal}")


FORGED: dict[str, tuple[Forge, tuple[int, str]]] = {
    "not signed": (
        lambda s: Request(headers={"host": s.host, "x-amz-target": "SageMaker.CreateModel"}, body=b"{}"),
        MISSING,
    ),
    "another secret": (lambda s: create(as_if(s, secret="x" * 40)), MISMATCH),
    "an empty secret": (lambda s: create(as_if(s, secret="")), MISMATCH),
    "an unknown key": (lambda s: create(as_if(s, access_key="AKIAIOSFODNN7EXAMPLE")), UNKNOWN),
    "a key of another kind of record": (lambda s: create(as_if(s, access_key="SageMakerRole")), UNKNOWN),
    "a body byte": (lambda s: create(s).altered(body=json.dumps({**BODY, "ModelName": "forgee"}).encode()), MISMATCH),
    "the path": (lambda s: create(s).altered(path="/x"), MISMATCH),
    "the query": (lambda s: create(s).altered(query="a=b"), MISMATCH),
    "the method": (lambda s: create(s).altered(method="PUT"), MISMATCH),
    "the target": (lambda s: create(s).with_headers(x_amz_target="SageMaker.DeleteModel"), MISMATCH),
    "the host": (lambda s: create(s).with_headers(host="sagemaker.amazonaws.com"), MISMATCH),
    "a header nobody signed": (lambda s: create(s).with_headers(x_amz_meta="x"), MISMATCH),
    "the target unsigned": (lambda s: create(s, unsigned=("x-amz-target",)), MISMATCH),
    "the host unsigned": (lambda s: create(s, unsigned=("host",)), MISMATCH),
    "the payload unsigned": (
        lambda s: create(s, payload="UNSIGNED-PAYLOAD").with_headers(x_amz_content_sha256="UNSIGNED-PAYLOAD"),
        MISMATCH,
    ),
    "one digit of the signature": (lambda s: told(s, lambda t: t[:-1] + ("0" if t[-1] != "0" else "1")), MISMATCH),
    "a short signature": (lambda s: told(s, lambda t: t[:-1]), MISMATCH),
    "a signature of other letters": (lambda s: told(s, lambda t: t[:-1] + "g"), MISMATCH),
    "a header that is no ASCII": (lambda s: told(s, lambda t: t[:-1] + "é"), MISMATCH),
    "no signature": (lambda s: told(s, lambda t: t.rpartition("=")[0] + "="), INCOMPLETE),
    "no credential": (lambda s: told(s, lambda t: t.replace("Credential=", "Nothing=")), INCOMPLETE),
    "no signed headers": (lambda s: told(s, lambda t: t.replace("SignedHeaders=", "Nothing=")), INCOMPLETE),
    "a credential of four parts": (lambda s: told(s, lambda t: t.replace("/aws4_request", "")), INCOMPLETE),
    "another term": (lambda s: told(s, lambda t: t.replace("aws4_request", "aws5_request")), INCOMPLETE),
    "another algorithm": (
        lambda s: told(s, lambda t: t.replace("SHA256", "MD5", 1)),
        MISSING,
    ),
    "another region in the scope": (lambda s: told(s, lambda t: t.replace("us-east-1", "eu-west-1")), MISMATCH),
    "another service in the scope": (lambda s: told(s, lambda t: t.replace("/sagemaker/", "/logs/")), MISMATCH),
    "signed for another service": (lambda s: create(s, service="logs"), MISMATCH),
    "signed for a service that is none": (lambda s: create(s, service="nosuch"), MISMATCH),
    "a region that is none": (lambda s: create(s, region="../../etc"), INCOMPLETE),
    "another day in the scope": (lambda s: told(s, lambda t: t.replace(f"/{time.strftime('%Y')}", "/1999")), MISMATCH),
    "no date": (lambda s: Request(headers={**create(s).headers, "x-amz-date": ""}), INCOMPLETE),
    "a date that is none": (lambda s: create(s).with_headers(x_amz_date="20261399T999999Z"), INCOMPLETE),
    "sixteen minutes old": (lambda s: create(s, when=time.time() - 960), MISMATCH),
    "sixteen minutes ahead": (lambda s: create(s, when=time.time() + 960), MISMATCH),
    "of 1970": (lambda s: create(s, when=1), MISMATCH),
    "in the query, with an end past": (
        lambda s: s.presign(
            create(s).altered(headers={"x-amz-target": "SageMaker.CreateModel"}), 1, service="sagemaker"
        ),
        MISMATCH,
    ),
}


@pytest.mark.parametrize("way", FORGED)
def test_forged_requests_do_nothing(site: Site, way: str) -> None:
    make, expected = FORGED[way]
    assert site.owner.send(make(site.owner)).pair == expected
    assert site.sagemaker.list_models(NameContains="forge")["Models"] == []


def test_tokens_cannot_be_rewritten(site: Site) -> None:
    assert site.stranger.send(resealed(site.stranger)).pair == UNKNOWN
    for token in ("", ".", "x", "x.y", str(site.stranger.keys.token)[:-2], f"{site.stranger.keys.token}A"):
        forged = Signer(site.port, replace(site.stranger.keys, token=token))
        assert site.stranger.send(create(forged)).pair == UNKNOWN, token


def test_stale_requests_are_told_why(site: Site) -> None:
    for offset, words in ((-960, "Signature expired: "), (960, "Signature not yet current: ")):
        answer = site.owner.send(create(site.owner, when=time.time() + offset))
        assert words in json.loads(answer.body)["message"]


def test_almost_stale_requests_are_good(site: Site) -> None:
    for offset in (-840, 840):
        assert site.owner.send(site.owner.operation("ListModels", {}, when=time.time() + offset)).status == 200


def test_a_replayed_create_makes_no_second_job(site: Site) -> None:
    entry = {"TrainingImage": "x", "TrainingInputMode": "File"}
    wanted = request("replayed", OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"})
    wanted["AlgorithmSpecification"] |= {"ContainerEntrypoint": ["/bin/true"]}
    assert entry.keys() <= wanted["AlgorithmSpecification"].keys()
    raw = site.owner.operation("CreateTrainingJob", wanted)
    answers = [site.owner.send(raw).pair for _ in range(5)]
    assert answers == [(200, "")] + [(400, "ResourceInUse")] * 4
    assert [
        job["TrainingJobName"]
        for job in site.sagemaker.list_training_jobs(NameContains="replayed")["TrainingJobSummaries"]
    ] == ["replayed"]
    assert site.journey.finished("replayed")["TrainingJobStatus"] == "Completed"


def s3(site: Site, signer: Signer, method: str = "GET", **how: Any) -> Request:
    return signer.sign(Request(method, f"/{BUCKET}/forged", body=b"x" if method == "PUT" else b""), service="s3", **how)


def test_forged_requests_of_s3(site: Site) -> None:
    owner = site.owner
    late = owner.presign(Request("PUT", f"/{BUCKET}/forged", body=b"x"), 60, when=time.time() - 120)
    answers = {
        "secret": owner.send(s3(site, as_if(owner, secret="x"), "PUT")),
        "key": owner.send(s3(site, as_if(owner, access_key="AKIAIOSFODNN7EXAMPLE"), "PUT")),
        "path": owner.send(s3(site, owner, "PUT").altered(path=f"/{BUCKET}/other")),
        "body": owner.send(s3(site, owner, "PUT").altered(body=b"y")),
        "old": owner.send(s3(site, owner, "PUT", when=time.time() - 960)),
        "ahead": owner.send(s3(site, owner, "PUT", when=time.time() + 960)),
        "presigned, late": owner.send(late),
        "presigned, altered": owner.send(late.altered(query=late.query.replace("Expires=60", "Expires=6000"))),
        "presigned, another key": owner.send(late.altered(path=f"/{BUCKET}/other")),
        "unsigned": owner.send(Request("PUT", f"/{BUCKET}/forged", headers={"host": owner.host}, body=b"x")),
        "version 2": owner.send(
            Request("PUT", f"/{BUCKET}/forged", headers={"host": owner.host, "authorization": "AWS AKIA:x"}, body=b"x")
        ),
    }
    assert {name: answer.pair for name, answer in answers.items()} == {
        "secret": (403, "SignatureDoesNotMatch"),
        "key": (403, "InvalidAccessKeyId"),
        "path": (403, "SignatureDoesNotMatch"),
        "body": (400, "XAmzContentSHA256Mismatch"),
        "old": (403, "RequestTimeTooSkewed"),
        "ahead": (403, "RequestTimeTooSkewed"),
        "presigned, late": (403, "AccessDenied"),
        "presigned, altered": (403, "SignatureDoesNotMatch"),
        "presigned, another key": (403, "SignatureDoesNotMatch"),
        "unsigned": (403, "AccessDenied"),
        "version 2": (400, "InvalidRequest"),
    }
    listed = site.s3.list_objects_v2(Bucket=BUCKET, Prefix="forged")
    assert listed["KeyCount"] == 0


def test_keys_of_a_form_no_key_has(site: Site) -> None:
    for access_key in ("'; DROP TABLE records; --", "%00", "*", "AKIA" + "A" * 200, "../../secrets/master"):
        forged = Signer(site.port, Keys(access_key, "x"))
        assert site.owner.send(create(forged)).pair in (UNKNOWN, INCOMPLETE)
