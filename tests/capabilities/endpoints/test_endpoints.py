"""Endpoints as a client of AWS sees them: unmodified boto3, a real server, a real XGBoost artefact."""

import json
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError
from tests.capabilities.endpoints.account import CSV, SKLEARN, XGBOOST, Account, Load, kill, model_servers, running
from tests.servers import Clary, wait_until
from tests.serving.artefacts import archive


def test_journey_create_invoke_update_under_load_delete(account: Account, made: tuple[Path, float]) -> None:
    with account.held():
        account.sagemaker.create_endpoint(EndpointName="journey", EndpointConfigName="c")
        assert account.status("journey") == "Creating"
    described = account.await_status("journey", "InService", "Failed")
    assert described["EndpointStatus"] == "InService", described
    [variant] = described["ProductionVariants"]
    counts = [variant[key] for key in ("CurrentInstanceCount", "DesiredInstanceCount", "CurrentWeight")]
    assert (variant["VariantName"], counts) == ("v-m", [1, 1, 1.0])

    assert float(account.invoke("journey")) == pytest.approx(made[1], rel=1e-5)
    answer = json.loads(account.invoke("journey", Accept="application/json"))
    assert answer == {"predictions": [{"score": pytest.approx(made[1], rel=1e-5)}]}

    account.model("m2", XGBOOST, made[0])
    account.config("both", "m", "m2")
    with Load(lambda: account.invoke("journey")) as load:
        load.more()
        with account.held():
            account.sagemaker.update_endpoint(EndpointName="journey", EndpointConfigName="both")
            assert account.status("journey") == "Updating"
        described = account.await_status("journey", "InService")
        load.more(500)
    assert (load.errors, described["EndpointConfigName"]) == ([], "both")
    assert set(load.answers) == {account.invoke("journey")}

    picked = account.runtime.invoke_endpoint(EndpointName="journey", TargetVariant="v-m2", **CSV)
    assert picked["InvokedProductionVariant"] == "v-m2"
    account.delete("journey")
    with pytest.raises(ClientError, match=r"Could not find endpoint \"arn:aws:sagemaker:us-east-1:123456789012"):
        account.status("journey")
    assert account.sagemaker.list_endpoints(NameContains="journey")["Endpoints"] == []


def test_weights_and_capacities_change_without_a_failed_call(account: Account, made: tuple[Path, float]) -> None:
    account.model("w1", XGBOOST, made[0])
    account.model("w2", XGBOOST, made[0])
    account.config("weights", "w1", "w2")
    account.create("weights", "weights")
    with Load(lambda: account.invoke("weights")) as load:
        desired = [
            {"VariantName": "v-w1", "DesiredWeight": 0.0},
            {"VariantName": "v-w2", "DesiredWeight": 1.0, "DesiredInstanceCount": 2},
        ]
        account.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="weights", DesiredWeightsAndCapacities=desired
        )
        described = account.await_status("weights", "InService")
        load.more()
    assert load.errors == []
    shown = {each["VariantName"]: each for each in described["ProductionVariants"]}
    assert (shown["v-w1"]["CurrentWeight"], shown["v-w2"]["CurrentInstanceCount"]) == (0.0, 2)
    names = {
        account.runtime.invoke_endpoint(EndpointName="weights", **CSV)["InvokedProductionVariant"] for _ in range(20)
    }
    assert names == {"v-w2"}
    account.delete("weights")


def test_killed_model_server_comes_back_under_load(account: Account, server: Clary) -> None:
    account.create("killed")
    with Load(lambda: account.invoke("killed")) as load:
        load.more()
        kill(model_servers(server))
        wait_until(lambda: load.errors)
        wait_until(lambda: not _fails(account, "killed"))
        load.more()
    codes = {error.response["Error"]["Code"] for error in load.errors}
    assert codes <= {"ServiceUnavailable", "ModelNotReadyException"}
    assert account.status("killed") == "InService"
    account.delete("killed")


def _fails(account: Account, endpoint: str) -> bool:
    try:
        account.invoke(endpoint)
    except ClientError:
        return True
    return False


def test_model_that_cannot_be_loaded_fails_with_its_last_words(account: Account, tmp_path: Path) -> None:
    (tmp_path / "nothing.txt").write_text("no model")
    account.model("bad", SKLEARN, archive(tmp_path, "nothing.txt"))
    account.config("bad", "bad")
    described = account.create("bad", "bad")
    assert described["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in described["FailureReason"]
    assert "Please provide a model_fn implementation" in described["FailureReason"]
    streams = account.logs.describe_log_streams(logGroupName="/aws/sagemaker/Endpoints/bad")["logStreams"]
    assert streams and all(stream["logStreamName"].startswith("v-bad/i-") for stream in streams)
    account.delete("bad")


def test_update_that_fails_leaves_the_old_configuration_serving(account: Account, tmp_path: Path) -> None:
    (tmp_path / "nothing.txt").write_text("no model")
    account.model("worse", SKLEARN, archive(tmp_path, "nothing.txt"))
    account.config("worse", "worse")
    account.create("kept")
    with Load(lambda: account.invoke("kept"), threads=1) as load:
        account.sagemaker.update_endpoint(EndpointName="kept", EndpointConfigName="worse")
        described = account.await_status("kept", "InService")
        load.more(10)
    assert load.errors == []
    assert (described["EndpointConfigName"], "model_fn" in described["FailureReason"]) == ("c", True)
    account.delete("kept")


def test_errors_of_calls(account: Account) -> None:
    account.create("errors")
    codes = {}
    for name, request in {
        "missing": {"EndpointName": "nobody"},
        "variant": {"EndpointName": "errors", "TargetVariant": "nobody"},
        "target model": {"EndpointName": "errors", "TargetModel": "a.tar.gz"},
        "columns": {"EndpointName": "errors", "Body": b"1"},
        "content type": {"EndpointName": "errors", "ContentType": "image/png"},
    }.items():
        with pytest.raises(ClientError) as caught:
            account.runtime.invoke_endpoint(**{**CSV, **request})
        answer = caught.value.response
        status = answer["ResponseMetadata"]["HTTPStatusCode"]
        codes[name] = (answer["Error"]["Code"], status, answer.get("OriginalStatusCode"))
    assert codes == {
        "missing": ("ValidationError", 400, None),
        "variant": ("ValidationError", 400, None),
        "target model": ("ValidationError", 400, None),
        "columns": ("ModelError", 424, 400),
        "content type": ("ModelError", 424, 415),
    }
    account.delete("errors")


def test_endpoint_comes_back_after_everything_was_killed(tmp_path: Path, made: tuple[Path, float]) -> None:
    with Clary(tmp_path / "home") as clary:
        account = Account(clary.start(), made[0])
        account.create("e")
        before = account.invoke("e")
        kill([*psutil.Process(clary.process.pid).children(recursive=True), *running(clary)])
        clary.process.kill()
        clary.process.wait()
        clary.start()
        wait_until(lambda: not _fails(account, "e"))
        assert account.invoke("e") == before
        assert account.status("e") == "InService"
