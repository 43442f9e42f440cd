"""Bring your own image: built here from a base made on the machine, pushed, trained, deployed and asked, by boto3."""

import base64
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.podman import BASE, Podman
from tests.servers import Clary, wait_until

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
PROGRAM = Path(__file__).parent / "images" / "own" / "program.py"
DOCKERFILE = f'FROM {BASE}\nCOPY program.py /program.py\nENTRYPOINT ["/bin/python", "/program.py"]\n'
LOCAL = "localhost/clary-test/own:1"
ALIAS = "123456789012.dkr.ecr.us-east-1.amazonaws.com/aliased:1"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def clary(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    podman.build(LOCAL, DOCKERFILE, {"program.py": PROGRAM.read_text()})
    with Clary(tmp_path_factory.mktemp("own-image") / "home", containers=podman.url) as clary:
        s3 = clary.start().client("s3")
        s3.create_bucket(Bucket="own")
        s3.put_object(Bucket="own", Key="data/a.csv", Body=b"1,2\n2,4\n")
        s3.put_object(Bucket="own", Key="data/b.csv", Body=b"3,6\n")
        yield clary


def train(clary: Clary, name: str, image: str, **more: Any) -> dict[str, Any]:
    """The ended job's description."""
    sagemaker = clary.client("sagemaker")
    channel = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://own/data/"}}
    algorithm = {
        "TrainingImage": image,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+);"}],
    } | more.pop("algorithm", {})
    sagemaker.create_training_job(
        **{
            "TrainingJobName": name,
            "AlgorithmSpecification": algorithm,
            "RoleArn": ROLE,
            "InputDataConfig": [{"ChannelName": "train", "DataSource": channel}],
            "OutputDataConfig": {"S3OutputPath": "s3://own/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 120},
            **more,
        }
    )
    found: dict[str, Any] = {}

    def ended() -> bool:
        found.update(sagemaker.describe_training_job(TrainingJobName=name))
        return found["TrainingJobStatus"] in ("Completed", "Failed", "Stopped")

    wait_until(ended, 120, lambda: str(found))
    return found


def test_an_aliased_image_is_trained_and_deployed(clary: Clary, podman: Podman) -> None:
    clary.command("images", "alias", ALIAS, LOCAL, check=True)
    job = train(clary, "aliased", ALIAS, HyperParameters={"scale": "10"})
    assert (job["TrainingJobStatus"], job.get("FailureReason")) == ("Completed", None)
    assert [(each["MetricName"], each["Value"]) for each in job["FinalMetricDataList"]] == [("loss", 0.0)]
    sagemaker, runtime = clary.client("sagemaker"), clary.client("sagemaker-runtime")
    container = {"Image": ALIAS, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName="own", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "a", "ModelName": "own", "InstanceType": "ml.m5.large", "InitialInstanceCount": 2}
    sagemaker.create_endpoint_config(EndpointConfigName="own", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="own", EndpointConfigName="own")
    wait_until(lambda: _status(sagemaker) != "Creating", 120, lambda: _status(sagemaker))
    assert _status(sagemaker) == "InService"
    for _ in range(4):
        answer = runtime.invoke_endpoint(EndpointName="own", ContentType="text/csv", Body=b"1\n2")
        assert (answer["ContentType"], answer["Body"].read()) == ("text/csv", b"20.0\n40.0")
    sagemaker.delete_endpoint(EndpointName="own")
    wait_until(lambda: not podman.containers(), 60, lambda: str(podman.containers()))


def test_a_pushed_image_is_run(clary: Clary, podman: Podman) -> None:
    ecr = clary.client("ecr")
    uri = ecr.create_repository(repositoryName="team/own")["repository"]["repositoryUri"]
    push(podman, ecr, LOCAL, f"{uri}:v1")
    details = ecr.describe_images(repositoryName="team/own")["imageDetails"]
    assert [each["imageTags"] for each in details] == [["v1"]]
    for name, image in (("by-address", f"{uri}:v1"), ("by-uri", f"{ALIAS.split('/')[0]}/team/own:v1")):
        job = train(clary, name, image)
        assert (job["TrainingJobStatus"], job.get("FailureReason")) == ("Completed", None)
        assert job["AlgorithmSpecification"]["TrainingImage"] == image
    digest = details[0]["imageDigest"]
    ecr.batch_delete_image(repositoryName="team/own", imageIds=[{"imageDigest": digest}])
    assert ecr.list_images(repositoryName="team/own")["imageIds"] == []


def test_two_hosts_process_data_in_containers(clary: Clary) -> None:
    clary.command("images", "alias", ALIAS, LOCAL, check=True)
    sagemaker, s3 = clary.client("sagemaker"), clary.client("s3")
    source = {"S3Uri": "s3://own/data", "LocalPath": "/opt/ml/processing/in", "S3DataType": "S3Prefix"}
    target = {"S3Uri": "s3://own/processed", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    sharded = {"S3InputMode": "File", "S3DataDistributionType": "ShardedByS3Key"}
    sagemaker.create_processing_job(
        ProcessingJobName="own",
        RoleArn=ROLE,
        AppSpecification={"ImageUri": ALIAS, "ContainerArguments": ["process"]},
        ProcessingInputs=[{"InputName": "in", "S3Input": source | sharded}],
        ProcessingOutputConfig={"Outputs": [{"OutputName": "out", "S3Output": target}]},
        ProcessingResources={"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}},
    )
    found: dict[str, Any] = {}

    def ended() -> bool:
        found.update(sagemaker.describe_processing_job(ProcessingJobName="own"))
        return found["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped")

    wait_until(ended, 120, lambda: str(found))
    assert (found["ProcessingJobStatus"], found.get("FailureReason")) == ("Completed", None)
    told = [s3.get_object(Bucket="own", Key=f"processed/algo-{number}")["Body"].read().decode() for number in (1, 2)]
    assert told == ["algo-1 algo-1 algo-2 a.csv", "algo-2 algo-1 algo-2 b.csv"]


def test_images_that_fail(clary: Clary) -> None:
    clary.command("images", "alias", ALIAS, LOCAL, check=True)
    entry = {
        "ContainerEntrypoint": ["/bin/sh", "-c"],
        "ContainerArguments": ["echo why > /opt/ml/output/failure; exit 3"],
    }
    job = train(clary, "fails", ALIAS, algorithm=entry)
    assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", "AlgorithmError: why\n, exit code: 3")
    missing = train(clary, "missing", ALIAS, algorithm={"ContainerEntrypoint": ["/no/such/program"]})
    assert missing["TrainingJobStatus"] == "Failed" and "exit code: 127" in missing["FailureReason"]
    late = train(
        clary,
        "late",
        ALIAS,
        algorithm={"ContainerEntrypoint": ["/bin/sleep", "60"]},
        StoppingCondition={"MaxRuntimeInSeconds": 1},
    )
    assert (late["TrainingJobStatus"], late["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


@pytest.mark.parametrize(
    "image",
    [
        "localhost/clary-test/none:1",
        "210987654321.dkr.ecr.us-east-1.amazonaws.com/theirs:1",
        f"{ALIAS}23",
        "UPPER case",
    ],
)
def test_images_that_are_nowhere_are_refused(clary: Clary, image: str) -> None:
    with pytest.raises(ClientError, match="Cannot find repository of training image") as caught:
        train(clary, "refused", image)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def push(podman: Podman, ecr: Any, image: str, where: str) -> None:
    """As a user does it: `podman login`, `podman push`."""
    granted = ecr.get_authorization_token()["authorizationData"][0]
    assert granted["expiresAt"].timestamp() > time.time() + 3600
    credentials = base64.b64decode(granted["authorizationToken"]).decode()
    command = ["podman", "--url", podman.url, "push", "--tls-verify=false", "--creds", credentials, image, where]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _status(sagemaker: Any) -> str:
    return str(sagemaker.describe_endpoint(EndpointName="own")["EndpointStatus"])
