"""Bring your own image: built here from a base made on the machine, pushed, trained, deployed and asked, by boto3."""

import base64
import io
import tarfile
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.journeys.own_images import ALIAS, ENDED, LOCAL, ROLE, OwnImages
from tests.podman import Podman
from tests.servers import wait_until

pytestmark = pytest.mark.timeout(300)

SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 120, "MaxWaitTimeInSeconds": 600},
    "CheckpointConfig": {"S3Uri": "s3://own/checkpoints/"},
}
RESUMED = "cd /opt/ml/checkpoints; cat step && exit; echo first > step; echo saved; sleep 600"
PIPED = "id -u; cat /opt/ml/input/data/train_0 > /opt/ml/model/first; cat /opt/ml/input/data/train_1; echo read"


def test_an_aliased_image_is_trained_and_deployed(own_images: OwnImages) -> None:
    job = own_images.train("aliased", HyperParameters={"scale": "2.5"})
    assert (job["TrainingJobStatus"], job.get("FailureReason")) == ("Completed", None)
    assert [(each["MetricName"], each["Value"]) for each in job["FinalMetricDataList"]] == [("loss", 0.0)]
    more = {"InitialInstanceCount": 2, "ContainerStartupHealthCheckTimeoutInSeconds": 240}
    made = own_images.deploy("own", ALIAS, job["ModelArtifacts"]["S3ModelArtifacts"], beside=twos(own_images), **more)
    assert made["EndpointStatus"] == "InService"
    runtime = own_images.clary.client("sagemaker-runtime")
    for _ in range(4):
        answer = runtime.invoke_endpoint(EndpointName="own", ContentType="text/csv", Body=b"1\n2")
        assert (answer["ContentType"], answer["Body"].read()) == ("text/csv", b"20.0\n40.0")
    own_images.sagemaker.delete_endpoint(EndpointName="own")
    assert transformed(own_images) == {"a.csv": b"1,2,20.0\n2,4,40.0\n", "b.csv": b"3,6,60.0\n"}
    own_images.leaves_nothing()


def twos(own_images: OwnImages) -> tuple[dict[str, Any], ...]:
    """Two numbers for beside the model: a file of its own, and one in an archive."""
    own_images.s3.put_object(Bucket="own", Key="two/number", Body=b"2")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("number")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"2"))
    own_images.s3.put_object(Bucket="own", Key="two.tar.gz", Body=packed.getvalue())
    files = {"S3Uri": "s3://own/two/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    archive = {"S3Uri": "s3://own/two.tar.gz", "S3DataType": "S3Object", "CompressionType": "Gzip"}
    return {"ChannelName": "two", "S3DataSource": files}, {"ChannelName": "another", "S3DataSource": archive}


def transformed(own_images: OwnImages) -> dict[str, bytes]:
    """What the model makes of the training data in a batch transform job, each row joined with its answer."""
    sagemaker, s3 = own_images.sagemaker, own_images.s3
    where = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://own/data/"}}
    sagemaker.create_transform_job(
        TransformJobName="own",
        ModelName="own",
        TransformInput={"DataSource": where, "ContentType": "text/csv", "SplitType": "Line"},
        TransformOutput={"S3OutputPath": "s3://own/transformed", "AssembleWith": "Line"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 2},
        DataProcessing={"InputFilter": "$[0]", "JoinSource": "Input"},
    )
    found: dict[str, Any] = {}

    def ended() -> bool:
        found.update(sagemaker.describe_transform_job(TransformJobName="own"))
        return found["TransformJobStatus"] in ENDED

    wait_until(ended, otherwise=lambda: str(found))
    assert (found["TransformJobStatus"], found.get("FailureReason")) == ("Completed", None)
    names = ("a.csv", "b.csv")
    return {name: s3.get_object(Bucket="own", Key=f"transformed/{name}.out")["Body"].read() for name in names}


def test_a_pushed_image_is_run(own_images: OwnImages) -> None:
    ecr = own_images.clary.client("ecr")
    uri = ecr.create_repository(repositoryName="team/own")["repository"]["repositoryUri"]
    push(own_images.podman, ecr, LOCAL, f"{uri}:v1")
    details = ecr.describe_images(repositoryName="team/own")["imageDetails"]
    assert [each["imageTags"] for each in details] == [["v1"]]
    images = {"by-address": f"{uri}:v1", "by-uri": f"{ALIAS.split('/')[0]}/team/own:v1"}
    for name, image in images.items():
        own_images.create(name, image)
    for name, image in images.items():
        job = own_images.finished(name)
        assert (job["TrainingJobStatus"], job.get("FailureReason")) == ("Completed", None)
        assert job["AlgorithmSpecification"]["TrainingImage"] == image
    digest = details[0]["imageDigest"]
    ecr.batch_delete_image(repositoryName="team/own", imageIds=[{"imageDigest": digest}])
    assert ecr.list_images(repositoryName="team/own")["imageIds"] == []


def test_two_hosts_process_data_in_containers(own_images: OwnImages) -> None:
    sagemaker, s3 = own_images.sagemaker, own_images.s3
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
        return found["ProcessingJobStatus"] in ENDED

    wait_until(ended, otherwise=lambda: str(found))
    assert (found["ProcessingJobStatus"], found.get("FailureReason")) == ("Completed", None)
    told = [s3.get_object(Bucket="own", Key=f"processed/algo-{number}")["Body"].read().decode() for number in (1, 2)]
    assert told == ["algo-1 algo-1 algo-2 a.csv", "algo-2 algo-1 algo-2 b.csv"]


def test_a_spot_job_is_entered_interrupted_and_resumed_in_a_warm_container(own_images: OwnImages) -> None:
    own_images.create("spot", entry=("/bin/sh", "-c", RESUMED), **SPOT)
    own_images.says("spot", "saved")
    entered = own_images.clary.command(
        "shell", "spot", "-c", "cat /opt/ml/checkpoints/step /proc/sys/kernel/hostname; exit 3"
    )
    assert (entered.stdout.split(), entered.returncode) == (["first", "algo-1"], 3), entered.stderr
    wait_until(lambda: own_images.describe("spot")["SecondaryStatus"] == "Training")
    own_images.clary.command("interrupt", "spot", check=True)
    told = own_images.finished("spot")
    assert (told["TrainingJobStatus"], told.get("FailureReason")) == ("Completed", None)
    statuses = [each["Status"] for each in told["SecondaryStatusTransitions"]]
    assert (statuses.count("Interrupted"), statuses.count("Training")) == (1, 2)
    assert own_images.lines("spot")[-1] == "first"
    gone = own_images.clary.command("shell", "spot", "-c", "true")
    assert gone.returncode == 1


def test_a_pipe_is_read_by_a_user_who_is_not_root_and_the_instance_kept_warm(own_images: OwnImages) -> None:
    image = own_images.image("piped", "USER 1000")
    warm = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1, "KeepAlivePeriodInSeconds": 600}
    channel = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://own/data/"}}
    data = [{"ChannelName": "train", "InputMode": "Pipe", "DataSource": channel}]
    for name in ("piped-1", "piped-2"):
        told = own_images.train(name, image, entry=("/bin/sh", "-c", PIPED), InputDataConfig=data, ResourceConfig=warm)
        assert (told["TrainingJobStatus"], told.get("FailureReason")) == ("Completed", None), own_images.lines(name)
        assert own_images.lines(name) == ["1000", "1,2", "2,4", "3,6", "read"]
    statuses = [own_images.describe(name)["WarmPoolStatus"] for name in ("piped-1", "piped-2")]
    assert statuses == [{**statuses[0], "Status": "Reused", "ReusedByJob": "piped-2"}, {"Status": "Available"}]
    own_images.sagemaker.update_training_job(TrainingJobName="piped-2", ResourceConfig={"KeepAlivePeriodInSeconds": 0})


@pytest.mark.parametrize(
    "image",
    [
        "localhost/clary-test/none:1",
        "210987654321.dkr.ecr.us-east-1.amazonaws.com/theirs:1",
        f"{ALIAS}23",
        "UPPER case",
    ],
)
def test_images_that_are_nowhere_are_refused(own_images: OwnImages, image: str) -> None:
    with pytest.raises(ClientError, match="Cannot find repository of training image") as caught:
        own_images.create("refused", image)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def push(podman: Podman, ecr: Any, image: str, where: str) -> None:
    """As a user does it, with the password that ECR gives."""
    granted = ecr.get_authorization_token()["authorizationData"][0]
    assert granted["expiresAt"].timestamp() > time.time() + 3600
    credentials = base64.b64decode(granted["authorizationToken"]).decode()
    podman.push(image, where, credentials)
