"""A server of several models, spoken to as the platform does."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.servers import PATIENCE
from tests.serving.server.conftest import ModelServer

from clary.serving.http import Pool, request_bytes

SCRIPT = """
import helper

def model_fn(model_dir):
    import pickle
    return pickle.dumps(helper.Named())

def predict_fn(data, model):
    import late, pickle
    return [pickle.loads(model).name + late.name]
"""
BIG = """
import numpy

def model_fn(model_dir):
    return numpy.ones(8 << 20)

def predict_fn(data, model):
    return [float(model[0])]
"""


class Client:
    def __init__(self, server: ModelServer, models: Path) -> None:
        self._socket, self._models = server.socket, models

    def ask(self, method: str, path: str, value: Any = None) -> tuple[int, Any]:
        """Status and body of one call on a connection of its own."""

        async def exchange() -> tuple[int, Any]:
            pool = Pool(self._socket, 1 << 24)
            body = b"" if value is None else json.dumps(value).encode()
            headers = [("content-type", "application/json")]
            reply = await pool.send(request_bytes(method, path, headers, body), PATIENCE)
            pool.close()
            is_json = reply.headers.get("content-type") == "application/json"
            return reply.status, json.loads(reply.body) if is_json else reply.body.decode()

        return asyncio.run(exchange())

    def load(self, name: str) -> int:
        return self.ask("POST", "/models", {"model_name": name, "url": str(self._models / name / "model")})[0]

    def predict(self, name: str) -> tuple[int, Any]:
        return self.ask("POST", f"/models/{name}/invoke", [[1.0]])

    def put(self, name: str, files: dict[str, str]) -> None:
        for file, text in files.items():
            place = self._models / name / "model" / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)


@pytest.fixture(scope="module")
def client(start: Callable[..., ModelServer], tmp_path_factory: pytest.TempPathFactory) -> Client:
    """Two workers, whose models may take 150 MB each."""
    server = start(
        "sklearn",
        {},
        SAGEMAKER_MULTI_MODEL="true",
        SAGEMAKER_MODEL_SERVER_WORKERS="2",
        CLARY_MODELS_MEMORY_MB="300",
    )
    return Client(server, tmp_path_factory.mktemp("models"))


def test_models_are_loaded_listed_called_and_unloaded_each_with_its_own_code(client: Client) -> None:
    for name in ("red", "blue"):
        helper = f"class Named:\n    name = '{name}'\n"
        client.put(name, {"code/inference.py": SCRIPT, "code/helper.py": helper, "code/late.py": f"name = '-{name}'"})
    assert client.predict("red")[0] == 404
    assert (client.load("red"), client.load("blue"), client.load("red")) == (200, 200, 409)
    # Each connection may reach another worker.
    answers = [client.predict(name) for _ in range(8) for name in ("red", "blue")]
    assert answers == [(200, ["red-red"]), (200, ["blue-blue"])] * 8
    listed = client.ask("GET", "/models")[1]["models"]
    assert [each["modelName"] for each in listed] == ["blue", "red"]
    assert client.ask("GET", "/models/red")[1] == listed[1]
    assert [client.ask("DELETE", "/models/red")[0] for _ in range(2)] == [200, 404]
    assert {client.predict("red")[0] for _ in range(6)} == {404}
    assert client.ask("GET", "/models/red")[0] == 404
    assert client.predict("blue") == (200, ["blue-blue"])
    assert client.ask("DELETE", "/models/blue")[0] == 200


def test_too_much_memory_is_said_until_another_is_unloaded(client: Client) -> None:
    for name in ("a", "b", "c"):
        client.put(name, {"code/inference.py": BIG})
    assert [client.load(name) for name in ("a", "b", "c")] == [200, 200, 507]
    assert client.ask("DELETE", "/models/a")[0] == 200
    assert (client.load("c"), client.predict("c")) == (200, (200, [1.0]))
    for name in ("b", "c"):
        client.ask("DELETE", f"/models/{name}")


def test_model_that_cannot_be_loaded_harms_no_other(client: Client) -> None:
    client.put("bad", {"code/inference.py": "raise ValueError('no luck')"})
    status, words = client.ask("POST", "/models", {"model_name": "bad", "url": str(client._models / "bad/model")})
    assert (status, "no luck" in words) == (500, True)
    assert client.load("nowhere") == 400
    assert client.ask("POST", "/models", {"x": 1})[0] == 400
    assert client.ask("POST", "/invocations", [1])[0] == 404
    assert client.ask("GET", "/ping")[0] == 200
