"""Endpoints under abuse: by their callers, and by the models in them. A good endpoint beside them stays good."""

import pickle
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.training.journey import BUCKET
from tests.capabilities.training.records import IMAGES, ROLE
from tests.hostile import models
from tests.hostile.archives import REFUSED, file, tar, zipped
from tests.hostile.signing import Request, connect
from tests.hostile.site import Site
from tests.servers import wait_until

pytestmark = pytest.mark.timeout(600)

MEGABYTE = 1024 * 1024


def script(text: str) -> bytes:
    return tar(file("code/inference.py", text.encode()), file("model.joblib", b"no pickle"))


@pytest.fixture(scope="module")
def endpoints(site: Site) -> Iterator[None]:
    """All of them begun at once."""
    outside = str(site.home.parent / "outside" / "written")
    archives = {
        "good": script(models.ECHO),
        "default": script(models.DEFAULT),
        "impostor": script(models.IMPOSTOR),
        "broken": script(models.BROKEN),
        "traversal": tar(*REFUSED["traversal"](outside), good=[file("code/inference.py", models.ECHO.encode())]),
        "zipped": zipped(),
    }
    for name, archive in archives.items():
        create(site, name, archive)
    yield
    for name in archives:
        settled(site, name)
        site.sagemaker.delete_endpoint(EndpointName=name)


def create(site: Site, name: str, archive: bytes) -> None:
    site.journey.put(f"models/{name}/model.tar.gz", archive)
    container = {
        "Image": IMAGES["sklearn"],
        "ModelDataUrl": f"s3://{BUCKET}/models/{name}/model.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_MODEL_SERVER_TIMEOUT": "8"},
    }
    site.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "v", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    site.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    site.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


def settled(site: Site, name: str) -> Any:
    def describe() -> Any:
        return site.sagemaker.describe_endpoint(EndpointName=name)

    wait_until(lambda: describe()["EndpointStatus"] != "Creating", 300, lambda: str(describe()))
    return describe()


def call(site: Site, name: str, body: bytes, content_type: str = "application/octet-stream") -> tuple[int, str, Any]:
    """Status, error code, and the body or the model's own status."""
    try:
        answer = site.runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=content_type)
    except ClientError as error:
        told = error.response
        return told["ResponseMetadata"]["HTTPStatusCode"], told["Error"]["Code"], told.get("OriginalStatusCode")
    return 200, "", answer["Body"].read()


def good(site: Site) -> None:
    wait_until(lambda: call(site, "good", b"fine") == (200, "", b"fine"))


@pytest.mark.parametrize("name", ["broken", "traversal", "zipped"])
def test_models_that_cannot_be_loaded(site: Site, endpoints: None, name: str) -> None:
    described = settled(site, name)
    assert described["EndpointStatus"] == "Failed"
    words = {"broken": "broken on purpose", "traversal": "leads out", "zipped": "cannot read"}[name]
    assert words in described["FailureReason"]
    assert call(site, name, b"fine")[0] == 400
    assert settled(site, "good")["EndpointStatus"] == "InService"
    good(site)


def test_pickles_of_callers_are_not_loaded(site: Site, endpoints: None) -> None:
    """An array of objects, as `numpy.save` writes it; the same call with numbers is answered."""
    assert settled(site, "default")["EndpointStatus"] == "InService"
    told = [call(site, "default", npy(*kind), "application/x-npy") for kind in (("|O", PICKLE), ("<f8", bytes(8)))]
    assert [answer[:2] for answer in told] == [(424, "ModelError"), (200, "")]


PICKLE = pickle.dumps([1.0])


def npy(kind: str, data: bytes) -> bytes:
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': (1,), }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def test_calls_that_mean_harm(site: Site, endpoints: None) -> None:
    assert settled(site, "good")["EndpointStatus"] == "InService"
    assert call(site, "good", bytes(7 * MEGABYTE))[:2] == (400, "ValidationError")
    assert call(site, "good", b"raise")[:2] == (424, "ModelError")
    assert call(site, "good", b"recursion")[:2] == (424, "ModelError")
    assert call(site, "good", b"no text")[:2] == (424, "ModelError")
    assert call(site, "good", bytes(range(256)))[0] == 200
    assert call(site, "good", b"x", "a" * 2000)[0] in (200, 400)
    odd = [call(site, "good", b"fine", kind)[0] for kind in ("text/csv; charset=\xff", "../../x", "x/y" * 300, "a\tb")]
    assert set(odd) <= {0, 200, 400, 403, 424}
    good(site)


def test_a_model_that_hangs_or_dies_in_a_call(site: Site, endpoints: None) -> None:
    settled(site, "good")
    assert call(site, "good", b"sleep")[:2] == (424, "ModelError")
    good(site)
    assert call(site, "good", b"exit")[1] in ("ServiceUnavailable", "ModelError")
    good(site)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: call(site, "good", b"answer %d" % number), range(200)))
    assert [body for _, _, body in answers] == [b"answer %d" % number for number in range(200)]


def test_a_model_that_answers_100_megabytes(site: Site, endpoints: None) -> None:
    settled(site, "good")
    before = site.memory()
    assert call(site, "good", b"memory")[1] in ("ServiceUnavailable", "ModelError")
    assert site.memory() - before < 250 * MEGABYTE
    good(site)


IMPOSTORS = ("garbage", "nothing", "half", "two lengths", "endless head", "declared", "chunks", "1 GB", "status")


def test_a_model_server_that_is_none(site: Site, endpoints: None) -> None:
    """User code has taken the model server's socket and says what it likes."""
    described = settled(site, "impostor")
    assert described["EndpointStatus"] == "InService", described
    before = site.memory()
    for kind in IMPOSTORS:
        status, code, _ = call(site, "impostor", kind.encode())
        assert (status, code) in ((424, "ModelError"), (503, "ServiceUnavailable")), kind
    for kind in ("split", "header", "fine", "fine"):
        assert call(site, "impostor", kind.encode()) == (200, "", b"ok"), kind
    assert site.memory() - before < 250 * MEGABYTE
    good(site)


def test_callers_that_vanish_or_dawdle(site: Site, endpoints: None) -> None:
    settled(site, "good")
    request = site.owner.sign(Request(path="/endpoints/good/invocations", body=b"x" * 100_000))
    whole = request.wire()
    for at in (100, len(whole) // 2, len(whole)) * 20:
        with connect(site.port) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(whole[:at])
    good(site)
