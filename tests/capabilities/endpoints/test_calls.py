"""Calls as a client of AWS sees them: streams, sessions, captured data and shadows. Unmodified boto3, a real server."""

import base64
import json
import re
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError
from tests.capabilities.endpoints.account import ROLE, SECONDS, SKLEARN, Account, Load
from tests.servers import Clary, wait_until

SCRIPT = """
import json, os, time, uuid

HELD = {}

def model_fn(model_dir):
    return os.environ.get("CALLED", "main"), uuid.uuid4().hex

def parts(words):
    for word in words:
        if word == "fail":
            raise ValueError("the model failed")
        if word == "wait":
            while not os.path.exists("/tmp/go"):
                time.sleep(0.01)
        if word == "go":
            open("/tmp/go", "w").close()
        yield word

def transform_fn(model, body, content_type, accept, context):
    called, instance = model
    ask = json.loads(body)
    session = context.get_request_header(0, "X-Amzn-SageMaker-Session-Id")
    if "exit" in ask:
        os._exit(1)
    if "big" in ask:
        return b"x" * ask["big"], "text/plain"
    if "header" in ask:
        context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", ask["header"])
    if "words" in ask:
        return parts(ask["words"])
    if session == "NEW_SESSION":
        name = f"session-{uuid.uuid4().hex[:8]}"
        HELD[name] = []
        context.set_response_header(0, "X-Amzn-SageMaker-New-Session-Id", f"{name}; Expires=2999-01-01T00:00:00Z")
    elif session and ask.get("close"):
        del HELD[session]
        context.set_response_header(0, "X-Amzn-SageMaker-Closed-Session-Id", session)
    elif session:
        HELD[session].append(ask["say"])
    told = {"called": called, "instance": instance, "held": HELD.get(session)}
    return json.dumps(told), "application/json"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    with Clary(tmp_path_factory.mktemp("calls") / "home", capture_seconds="0.1") as clary:
        yield clary.start()


@pytest.fixture(scope="module")
def account(server: Clary, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """An endpoint `called` of two instances with a shadow, all of whose calls are captured."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "inference.py").write_text(SCRIPT)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        tar.add(folder / "inference.py", "code/inference.py")
    account = Account(server, folder / "model.tar.gz")
    one_worker = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SAGEMAKER_PROGRAM": "inference.py"}
    account.model("main", SKLEARN, folder / "model.tar.gz", **one_worker)
    account.model("dark", SKLEARN, folder / "model.tar.gz", CALLED="shadow", **one_worker)
    configure(account, "called", {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]})
    assert account.create("called", "called")["EndpointStatus"] == "InService"
    return account


def configure(account: Account, name: str, types: dict[str, Any], **capture: Any) -> None:
    def variant(model: str, count: int) -> dict[str, Any]:
        sized = {"InstanceType": "ml.m5.large", "InitialInstanceCount": count}
        return {"VariantName": f"v-{model}", "ModelName": model, **sized, "InitialVariantWeight": 1.0}

    account.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[{**variant("main", 2), "RoutingConfig": {"RoutingStrategy": "RANDOM"}}],
        ShadowProductionVariants=[variant("dark", 1)],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": "s3://models/captured",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": types,
            **capture,
        },
    )


def ask(account: Account, **request: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the model said, and the whole answer."""
    given = {"Body": b"{}", "ContentType": "application/json", **request}
    answer = account.runtime.invoke_endpoint(EndpointName="called", **given)
    return json.loads(answer["Body"].read()), answer


def stream(account: Account, *words: str, **request: Any) -> dict[str, Any]:
    answer: dict[str, Any] = account.runtime.invoke_endpoint_with_response_stream(
        EndpointName="called", Body=json.dumps({"words": words}), ContentType="application/json", **request
    )
    return answer


def test_stream_is_passed_on_as_the_model_makes_it(account: Account) -> None:
    answer = stream(account, "one", "two", "three", CustomAttributes="a=1", Accept="text/plain")
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/plain", "v-main")
    with closing(answer["Body"]) as body:
        assert [each["PayloadPart"]["Bytes"] for each in body] == [b"one", b"two", b"three"]


def test_stream_that_the_model_breaks_off_says_so(account: Account) -> None:
    body = stream(account, "one", "fail")["Body"]
    with closing(body):
        events = iter(body)
        assert next(events) == {"PayloadPart": {"Bytes": b"one"}}
        with pytest.raises(EventStreamError) as caught:
            next(events)
    assert caught.value.response["Error"]["Code"] == "ModelStreamError"
    with pytest.raises(ClientError) as refused:
        stream(account, "fail")
    told = refused.value.response
    assert (told["Error"]["Code"], told["OriginalStatusCode"]) == ("ModelError", 500)
    assert "the model failed" in told["OriginalMessage"]


def test_session_stays_with_its_instance_until_it_is_closed(account: Account) -> None:
    began = [ask(account, SessionId="NEW_SESSION") for _ in range(20)]
    names = [re.fullmatch(r"(session-\w+); Expires=2999-01-01T00:00:00Z", each["NewSessionId"]) for _, each in began]
    with_ = {found[1]: told["instance"] for found, (told, _) in zip(names, began, strict=True) if found}
    assert (len(with_), len(set(with_.values()))) == (20, 2)
    for said in ("a", "b"):
        for name, instance in with_.items():
            told, _ = ask(account, SessionId=name, Body=json.dumps({"say": said}))
            assert (told["instance"], told["held"][-1]) == (instance, said)
    first = next(iter(with_))
    _, answer = ask(account, SessionId=first, Body=b'{"close": true}')
    assert answer["ClosedSessionId"] == first
    for gone in (first, "nobody"):
        with pytest.raises(ClientError, match=f"Session {gone} does not exist or has expired"):
            ask(account, SessionId=gone, Body=b'{"say": "c"}')


def test_captured_calls_are_in_s3_as_aws_writes_them(account: Account) -> None:
    told, _ = ask(account, InferenceId="capture-me", CustomAttributes="a=1", Body=b'{"n": 1}')
    line, key = captured(account, "v-main", "capture-me")
    assert re.fullmatch(
        r"captured/called/v-main/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.jsonl",
        key,
    )
    event = line["eventMetadata"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event.pop("inferenceTime")) and event.pop("eventId")
    assert line == {
        "captureData": {
            "endpointInput": {
                "observedContentType": "application/json",
                "mode": "INPUT",
                "data": '{"n": 1}',
                "encoding": "JSON",
            },
            "endpointOutput": {
                "observedContentType": "application/json",
                "mode": "OUTPUT",
                "data": json.dumps(told),
                "encoding": "JSON",
            },
        },
        "eventMetadata": {"customAttributes": ["a=1"], "inferenceId": "capture-me"},
        "eventVersion": "0",
    }
    with closing(stream(account, "x", "y", InferenceId="streamed", Accept="text/plain")["Body"]) as body:
        assert len(list(body)) == 2
    line, _ = captured(account, "v-main", "streamed")
    output = line["captureData"]["endpointOutput"]
    assert (output["encoding"], base64.b64decode(output["data"])) == ("BASE64", b"xy")


def test_shadow_is_asked_the_same_and_answers_nobody(account: Account) -> None:
    told, answer = ask(account, InferenceId="shadowed")
    assert (told["called"], answer["InvokedProductionVariant"]) == ("main", "v-main")
    line, _ = captured(account, "v-dark", "shadowed")
    assert line["captureData"]["endpointInput"]["data"] == "{}"
    assert json.loads(line["captureData"]["endpointOutput"]["data"])["called"] == "shadow"
    described = account.sagemaker.describe_endpoint(EndpointName="called")
    assert [each["VariantName"] for each in described["ProductionVariants"]] == ["v-main"]
    assert [each["VariantName"] for each in described["ShadowProductionVariants"]] == ["v-dark"]
    assert described["DataCaptureConfig"] == {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": 100,
        "DestinationS3Uri": "s3://models/captured",
        "KmsKeyId": "",
    }
    with pytest.raises(ClientError, match="Could not find variant"):
        ask(account, TargetVariant="v-dark")


def captured(account: Account, variant: str, inference_id: str) -> tuple[dict[str, Any], str]:
    """The line of one call, and the object that has it."""
    wait_until(lambda: lines(account, variant, inference_id))
    return lines(account, variant, inference_id)[0]


def lines(account: Account, variant: str, inference_id: str) -> list[tuple[dict[str, Any], str]]:
    """Of the calls with this identifier so far, and the objects that have them."""
    listed = account.s3.list_objects_v2(Bucket="models", Prefix=f"captured/called/{variant}/")
    keys = [each["Key"] for each in listed.get("Contents", [])]
    bodies = {key: account.s3.get_object(Bucket="models", Key=key)["Body"].read() for key in keys}
    found = [(json.loads(line), key) for key, body in bodies.items() for line in body.splitlines()]
    return [each for each in found if each[0]["eventMetadata"].get("inferenceId") == inference_id]


def test_calls_that_mean_harm_end_as_errors_of_their_own(account: Account) -> None:
    """None of them harms the next call."""
    codes = {}
    for name, request in {
        "too large a body": {"Body": b"x" * 6_291_457},
        "too large an answer": {"Body": json.dumps({"big": 65 * 1024 * 1024})},
        "crash": {"Body": b'{"exit": 1}'},
        "attributes": {"CustomAttributes": "a" * 1025},
        "inference id": {"InferenceId": "a" * 65},
        "explanations": {"EnableExplanations": "`true`"},
        "session": {"SessionId": "-"},
    }.items():
        with pytest.raises(ClientError) as caught:
            ask(account, **request)
        answer = caught.value.response
        codes[name] = answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]
        wait_until(lambda: recovered(account), SECONDS)
    assert codes == {
        "too large a body": ("ValidationError", 400),
        "too large an answer": ("ModelError", 424),
        "crash": ("ServiceUnavailable", 503),
        "attributes": ("ValidationError", 400),
        "inference id": ("ValidationError", 400),
        "explanations": ("ValidationError", 400),
        "session": ("ValidationError", 400),
    }
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        account.runtime.invoke_endpoint_with_response_stream(EndpointName="called", Body=b'{"exit": 1}')
    wait_until(lambda: recovered(account), SECONDS)
    _, answer = ask(account, Body=b'{"header": "a=1"}')
    assert answer["CustomAttributes"] == "a=1"
    until_whole(account)


def until_whole(account: Account) -> None:
    """For the next test: both instances answer, and the shadow, and calls are captured."""
    wait_until(lambda: recovered(account) and instances(account) == 2, SECONDS)
    name = uuid.uuid4().hex
    wait_until(lambda: ask(account, InferenceId=name) and lines(account, "v-dark", name), SECONDS)


def instances(account: Account) -> int:
    """That answer, as far as chance shows."""
    return len({ask(account)[0]["instance"] for _ in range(20)})


def recovered(account: Account) -> bool:
    """Whether every instance answers, as far as chance shows."""
    try:
        return {called(account, "called") for _ in range(10)} == {"main"}
    except ClientError:
        return False


def test_update_turns_capture_off(account: Account) -> None:
    configure(account, "quiet", {"JsonContentTypes": ["application/json"]}, EnableCapture=False)
    with Load(lambda: called(account, "called").encode(), threads=1) as load:
        account.sagemaker.update_endpoint(EndpointName="called", EndpointConfigName="quiet")
        described = account.await_status("called", "InService")
        load.more(10)
    assert (load.errors, set(load.answers)) == ([], {b"main"})
    assert described["EndpointConfigName"] == "quiet"
    assert described["DataCaptureConfig"]["CaptureStatus"] == "Stopped"
    account.sagemaker.update_endpoint(EndpointName="called", EndpointConfigName="called")
    assert account.await_status("called", "InService")["DataCaptureConfig"]["CaptureStatus"] == "Started"
    until_whole(account)


def test_experiment_makes_an_endpoint_and_promotes_its_shadow(account: Account) -> None:
    def variant(name: str, count: int = 1) -> dict[str, Any]:
        real = {"InstanceType": "ml.m5.large", "InstanceCount": count}
        told = {"InfrastructureType": "RealTimeInference", "RealTimeInferenceConfig": real}
        return {"ModelName": name, "VariantName": f"v-{name}", "InfrastructureConfig": told}

    sagemaker = account.sagemaker
    shadow = {"ShadowModelVariantName": "v-dark", "SamplingPercentage": 100}
    made = sagemaker.create_inference_experiment(
        Name="trial",
        Type="ShadowMode",
        RoleArn=ROLE,
        EndpointName="tried",
        ModelVariants=[variant("main"), variant("dark")],
        ShadowModeConfig={"SourceModelVariantName": "v-main", "ShadowModelVariants": [shadow]},
        DataStorageConfig={"Destination": "s3://models/trial"},
    )
    running = await_experiment(account, "Running")
    assert running["Arn"] == made["InferenceExperimentArn"]
    assert running["EndpointMetadata"]["EndpointStatus"] == "InService"
    assert {each["VariantName"]: each["Status"] for each in running["ModelVariants"]} == {
        "v-main": "InService",
        "v-dark": "InService",
    }
    assert running["Schedule"]["EndTime"] - running["Schedule"]["StartTime"] == timedelta(days=7)
    assert called(account, "tried") == "main"
    wait_until(lambda: account.s3.list_objects_v2(Bucket="models", Prefix="trial/tried/v-dark/")["KeyCount"])
    [listed] = sagemaker.list_inference_experiments(StatusEquals="Running")["InferenceExperiments"]
    assert (listed["Name"], listed["Type"]) == ("trial", "ShadowMode")

    with pytest.raises(ClientError, match="ConflictException"):
        sagemaker.delete_inference_experiment(Name="trial")
    with pytest.raises(ClientError, match="At least one variant must remain"):
        sagemaker.stop_inference_experiment(Name="trial", ModelVariantActions={"v-main": "Remove"})
    with Load(lambda: called(account, "tried").encode(), threads=1) as load:
        sagemaker.stop_inference_experiment(
            Name="trial", ModelVariantActions={"v-main": "Remove", "v-dark": "Promote"}, Reason="it is better"
        )
        over = await_experiment(account, "Completed")
        load.more(10)
    assert (load.errors, over["StatusReason"], called(account, "tried")) == ([], "it is better", "shadow")
    assert {each["VariantName"]: each["Status"] for each in over["ModelVariants"]} == {
        "v-main": "Deleted",
        "v-dark": "InService",
    }
    assert over["CompletionTime"] >= over["CreationTime"]
    sagemaker.delete_inference_experiment(Name="trial")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        sagemaker.describe_inference_experiment(Name="trial")


def await_experiment(account: Account, status: str) -> dict[str, Any]:
    def described() -> dict[str, Any]:
        found: dict[str, Any] = account.sagemaker.describe_inference_experiment(Name="trial")
        return found

    wait_until(lambda: described()["Status"] == status, SECONDS, lambda: str(described()))
    return described()


def called(account: Account, endpoint: str) -> str:
    answer = account.runtime.invoke_endpoint(EndpointName=endpoint, Body=b"{}", ContentType="application/json")
    return str(json.loads(answer["Body"].read())["called"])
