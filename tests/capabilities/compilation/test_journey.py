"""Compilation jobs in a real server: compile, deploy, predict; hostile archives; stop; delete."""

import json
import pickle
import tarfile
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.compilation.journey import Journey, archive
from tests.capabilities.compilation.records import BUCKET, ROLE, request
from tests.servers import wait_until
from tests.serving.artefacts import ROW

from clary.capabilities.compilation import edge

pytestmark = pytest.mark.timeout(600)


class Sleeper:
    """A pickle that takes an hour to be read."""

    def __reduce__(self) -> Any:
        import time

        return time.sleep, (3600,)


class Writer:
    """A pickle that writes wherever it can when it is read."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        import os

        return os.system, (f"touch {self._path}; env | grep -c AWS_SECRET",)


def test_a_model_is_compiled_deployed_and_predicts(journey: Journey) -> None:
    journey.create("boost", journey.model.read_bytes())
    found = journey.finished("boost")
    times = [found.pop(name) for name in ("CreationTime", "CompilationStartTime", "CompilationEndTime")]
    times.append(found.pop("LastModifiedTime"))
    assert all(isinstance(each, datetime) for each in times) and times == sorted(times)
    digest = found.pop("ModelDigests")["ArtifactDigest"]
    assert len(digest) == 64
    artefact = f"s3://{BUCKET}/out/boost/model-ml_c5.tar.gz"
    image = "785573368785.dkr.ecr.us-east-1.amazonaws.com/xgboost-neo:latest"
    assert found == request("boost") | {
        "CompilationJobArn": "arn:aws:sagemaker:us-east-1:123456789012:compilation-job/boost",
        "CompilationJobStatus": "COMPLETED",
        "FailureReason": "",
        "InferenceImage": image,
        "ModelArtifacts": {"S3ModelArtifacts": artefact},
        "DerivedInformation": {"DerivedDataInputConfig": '{"input": [1, 4]}'},
    }
    members = journey.members(artefact)
    assert {"compiled.so", "compiled.params", "compiled_model.json", "compilation-report.json"} <= members.keys()
    assert json.loads(members["compilation-report.json"])["candidates"][0]["agreement"]["rows"] == 500
    assert any(line.startswith("Chosen: compiled trees") for line in journey.log("boost"))
    _deploy_and_predict(journey, image, artefact)


def _deploy_and_predict(journey: Journey, image: str, artefact: str) -> None:
    sagemaker = journey.sagemaker
    container = {"Image": image, "ModelDataUrl": artefact}
    sagemaker.create_model(ModelName="compiled", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "v", "ModelName": "compiled", "InstanceType": "ml.c5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="compiled", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="compiled", EndpointConfigName="compiled")
    wait_until(lambda: sagemaker.describe_endpoint(EndpointName="compiled")["EndpointStatus"] != "Creating", 200)

    def ask(body: bytes | str, content_type: str = "text/csv", **more: str) -> str:
        request = {"EndpointName": "compiled", "Body": body, "ContentType": content_type} | more
        return str(journey.runtime.invoke_endpoint(**request)["Body"].read().decode())

    assert float(ask(ROW)) == pytest.approx(journey.expected, rel=1e-6)
    # Gaps are missing numbers; many rows are one line, as the built-in algorithm writes them.
    assert [float(each) for each in ask(ROW + b"\n" + ROW + b"\n,,0.3,").split(",")][:2] == [
        float(ask(ROW)),
        float(ask(ROW)),
    ]
    rows = json.dumps({"instances": [[float(cell) for cell in ROW.split(b",")]]})
    (scored,) = json.loads(ask(rows, "application/json", Accept="application/json"))["predictions"]
    assert scored["score"] == pytest.approx(journey.expected, rel=1e-6)
    for body, content_type, status in ((b"1,2", "text/csv", 400), (b"{}", "application/json", 400), (b"x", "a/b", 415)):
        with pytest.raises(ClientError) as refused:
            ask(body, content_type)
        assert refused.value.response["OriginalStatusCode"] == status
    sagemaker.delete_endpoint(EndpointName="compiled")


def test_hostile_and_unusable_archives_fail_with_a_reason(journey: Journey) -> None:
    stolen = journey.clary.home / "stolen"
    with tarfile.open(journey.model) as tar:
        booster = tar.extractfile("xgboost-model")
        assert booster
        model = booster.read()
    given = {
        "not-a-tar": (b"nothing", "Unable to untar input model"),
        "leads-out": (archive({"../../evil": b"x", "xgboost-model": model}), "Unable to untar input model"),
        "two": (archive({"a": model, "b": model}), "Exactly one model file is allowed"),
        "thief": (archive({"model.pkl": pickle.dumps(Writer(str(stolen)))}), "which has no predict"),
    }
    for name, (content, _) in given.items():
        journey.create(name, content, "SKLEARN" if name == "thief" else "XGBOOST")
    for name, (_, why) in given.items():
        found = journey.finished(name)
        assert found["CompilationJobStatus"] == "FAILED"
        assert found["FailureReason"].startswith("ClientError: InputConfiguration: ") and why in found["FailureReason"]
        assert found["ModelArtifacts"] == {"S3ModelArtifacts": ""}
    assert not stolen.exists()
    # What it printed: no secret of the server's was in its environment.
    assert "0" in journey.log("thief")
    journey.sagemaker.create_compilation_job(**request("absent"))
    assert journey.finished("absent")["FailureReason"] == (
        f"ClientError: InputConfiguration: S3 object does not exist. Bucket: {BUCKET}, Key: absent.tar.gz"
    )


def test_a_job_is_stopped_and_then_deleted(journey: Journey) -> None:
    journey.create("endless", archive({"model.pkl": pickle.dumps(Sleeper())}), "SKLEARN")
    journey.await_status("endless", "INPROGRESS")
    with pytest.raises(ClientError, match="compilation job is in status INPROGRESS"):
        journey.sagemaker.delete_compilation_job(CompilationJobName="endless")
    journey.sagemaker.stop_compilation_job(CompilationJobName="endless")
    found = journey.await_status("endless", "STOPPED")
    assert found["FailureReason"] == "" and found["CompilationEndTime"] >= found["CompilationStartTime"]
    with pytest.raises(ClientError, match="compilation job is in status STOPPED"):
        journey.sagemaker.stop_compilation_job(CompilationJobName="endless")
    listed = journey.sagemaker.list_compilation_jobs(NameContains="endless")["CompilationJobSummaries"]
    assert [(each["CompilationJobStatus"], each["CompilationTargetDevice"]) for each in listed] == [
        ("STOPPED", "ml_c5")
    ]
    journey.sagemaker.delete_compilation_job(CompilationJobName="endless")
    wait_until(lambda: not journey.sagemaker.list_compilation_jobs(NameContains="endless")["CompilationJobSummaries"])
    with pytest.raises(ClientError, match="ResourceNotFound"):
        journey.describe("endless")


def test_what_create_refuses(journey: Journey) -> None:
    def refused(code: str, why: str, **more: Any) -> None:
        with pytest.raises(ClientError, match=why) as error:
            journey.sagemaker.create_compilation_job(**request("refused") | more)
        assert error.value.response["Error"]["Code"] == code

    output = request("refused")["OutputConfig"]
    source = request("refused")["InputConfig"]
    refused("NotImplemented", "Framework MXNET is not compiled", InputConfig=source | {"Framework": "MXNET"})
    refused("NotImplemented", "is an edge device", OutputConfig=output | {"TargetDevice": "jetson_nano"})
    platform = {"TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"}}
    refused("ValidationException", "either TargetDevice or TargetPlatform", OutputConfig=output | platform)
    options = output | {"CompilerOptions": "dtype=int8"}
    refused("ValidationException", "has to be a JSON object", OutputConfig=options)
    nowhere = output | {"S3OutputLocation": "s3://nowhere-at-all/x"}
    refused("ValidationException", "The specified bucket does not exist", OutputConfig=nowhere)
    refused("ValidationException", "either InputConfig or ModelPackageVersionArn, and not both", **_package())


def test_edge_packaging_jobs_are_kept_and_fail(journey: Journey) -> None:
    sagemaker = journey.sagemaker
    asked = {
        "EdgePackagingJobName": "e",
        "CompilationJobName": "boost",
        "ModelName": "engine",
        "ModelVersion": "1",
        "RoleArn": ROLE,
        "OutputConfig": {"S3OutputLocation": f"s3://{BUCKET}/edge"},
    }
    sagemaker.create_edge_packaging_job(**asked)

    def found() -> Any:
        return sagemaker.describe_edge_packaging_job(EdgePackagingJobName="e")

    wait_until(lambda: found()["EdgePackagingJobStatus"] == "FAILED")
    described = found()
    times = [described.pop(name) for name in ("CreationTime", "LastModifiedTime")]
    del described["ResponseMetadata"]
    assert described == asked | {
        "EdgePackagingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:edge-packaging-job/e",
        "EdgePackagingJobStatus": "FAILED",
        "EdgePackagingJobStatusMessage": edge.WHY,
    }
    (summary,) = sagemaker.list_edge_packaging_jobs(ModelNameContains="ngin")["EdgePackagingJobSummaries"]
    unlisted = ("RoleArn", "OutputConfig", "EdgePackagingJobStatusMessage")
    assert summary == {name: value for name, value in described.items() if name not in unlisted} | {
        "CreationTime": times[0],
        "LastModifiedTime": times[1],
    }
    assert sagemaker.list_edge_packaging_jobs(ModelNameContains="other")["EdgePackagingJobSummaries"] == []
    with pytest.raises(ClientError, match="FAILED") as error:
        sagemaker.stop_edge_packaging_job(EdgePackagingJobName="e")
    assert error.value.response["Error"]["Code"] == "ValidationException"


def _package() -> dict[str, str]:
    return {"ModelPackageVersionArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/x/1"}
