"""Endpoints whose model servers run on the nodes of a real Ray cluster, as a client of AWS sees them."""

import contextlib
import json
import os
import signal
import socket
import tarfile
from pathlib import Path

import pytest
from tests.capabilities.endpoints.account import ROLE, SKLEARN, Account, Load
from tests.ray_cluster import RayCluster
from tests.servers import Clary, wait_until
from tests.serving.artefacts import ECHO

from clary.runtime import remote_socket
from clary.runtime.cluster.parcel import PIECE

pytestmark = pytest.mark.timeout(600)

SIZES = 'os.path.getsize(model_dir + "/large"), os.path.getsize("/opt/ml/additional-model-data-sources/more/large")'


@pytest.fixture(scope="module")
def account(on_ray: Clary, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """With a model that is too large to reach a node at once, as is a file beside it, and a configuration of two."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "inference.py").write_text("import os" + ECHO.replace("return None", f"return {SIZES}"))
    (folder / "large").write_bytes(os.urandom(2 * PIECE + 1))
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        tar.add(folder / "inference.py", "code/inference.py")
        tar.add(folder / "large", "large")
    account = Account(on_ray, folder / "model.tar.gz")
    for name in ("large", "model.tar.gz"):
        account.s3.upload_file(str(folder / name), "models", f"echo/{name}")
    beside = {"S3Uri": "s3://models/echo/large", "S3DataType": "S3Object", "CompressionType": "None"}
    container = {
        "Image": SKLEARN,
        "ModelDataUrl": "s3://models/echo/model.tar.gz",
        "AdditionalModelDataSources": [{"ChannelName": "more", "S3DataSource": beside}],
    }
    account.sagemaker.create_model(ModelName="echo", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    account.config("two", "echo", InitialInstanceCount=2)
    return account


def addresses(clary: Clary) -> dict[Path, remote_socket.Address]:
    return {file: remote_socket.read(file) for file in clary.home.glob(f"jobs/*/*/{remote_socket.NAME}")}


def test_an_endpoint_outlives_its_controller_and_a_node(account: Account, on_ray: Clary, cluster: RayCluster) -> None:
    described = account.create("spread", "two")
    assert described["EndpointStatus"] == "InService", described
    body = os.urandom(3_000_000)
    assert account.invoke("spread", Body=body, ContentType="application/octet-stream") == body

    on_ray.process.send_signal(signal.SIGKILL)
    on_ray.process.wait()
    on_ray.start()
    before = addresses(on_ray)
    assert len(before) == 2
    with Load(lambda: account.invoke("spread"), threads=2) as load:
        load.more(20)
        assert load.errors == []
        cluster.cut(next(node for node in cluster.nodes if any(node.home.glob("jobs/*/algo-1"))))
        # Two nodes are left free: the instance comes back on one of them.
        wait_until(lambda: addresses(on_ray).keys() - before.keys(), 240)
        account.await_status("spread", "InService")
        load.more(20)
    cluster.join()
    assert {error.response["Error"]["Code"] for error in load.errors} <= {"ServiceUnavailable", "ModelError"}
    _refuses_strangers(addresses(on_ray))
    account.delete("spread")
    assert not list(on_ray.home.glob("rooms/*"))


def _refuses_strangers(found: dict[Path, remote_socket.Address]) -> None:
    for file, address in found.items():
        wrong = file.with_name("stranger")
        wrong.write_text(json.dumps({"host": address.host, "port": address.port, "secret": remote_socket.new_secret()}))
        # The node proves itself with the secret that the stranger does not know.
        with pytest.raises(remote_socket.NotReached):
            remote_socket.dial_blocking(wrong, 10)
        with socket.create_connection((address.host, address.port), 10) as line:
            line.sendall(b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n" + bytes(100))
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while data := line.recv(1000):
                    answer += data
        assert len(answer) <= remote_socket.NUMBER + remote_socket.PROOF
