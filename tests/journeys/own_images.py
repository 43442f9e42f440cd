"""What the journeys of users' own images share: one Clary beside one podman, the image, and words for jobs."""

from pathlib import Path
from typing import Any

from tests.podman import BASE, Podman
from tests.servers import Clary, wait_until

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
PROGRAM = Path(__file__).parent / "images" / "own" / "program.py"
DOCKERFILE = f'FROM {BASE}\nCOPY program.py /program.py\nENTRYPOINT ["/bin/python", "/program.py"]\n'
LOCAL = "localhost/clary-test/own:1"
ALIAS = "123456789012.dkr.ecr.us-east-1.amazonaws.com/aliased:1"
SETTINGS = {"endpoint_startup_seconds": "20"}
"""What is to come up may say for itself how long it takes, or has to be that quick on a busy machine."""
ENDED = ("Completed", "Failed", "Stopped")


class OwnImages:
    """A Clary with data in the bucket `own` and the image under `LOCAL` and `ALIAS`."""

    def __init__(self, clary: Clary, podman: Podman) -> None:
        self.clary = clary
        self.podman = podman
        self.sagemaker, self.s3, self.logs = map(clary.client, ("sagemaker", "s3", "logs"))
        self.s3.create_bucket(Bucket="own")
        self.s3.put_object(Bucket="own", Key="data/a.csv", Body=b"1,2\n2,4\n")
        self.s3.put_object(Bucket="own", Key="data/b.csv", Body=b"3,6\n")
        podman.build(LOCAL, DOCKERFILE, {"program.py": PROGRAM.read_text()})
        clary.command("images", "alias", ALIAS, LOCAL, check=True)

    def image(self, name: str, *lines: str, **scripts: str) -> str:
        """The name of an image with these lines of a Dockerfile above the base, and `scripts` to copy."""
        dockerfile = "\n".join([f"FROM {BASE}", *lines, ""])
        return self.podman.build(f"localhost/clary-test/{name}:1", dockerfile, dict(scripts))

    def create(self, name: str, image: str = ALIAS, *, entry: tuple[str, ...] = (), **more: Any) -> None:
        """A training job; `entry` is its entrypoint in place of the image's."""
        channel = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://own/data/"}}
        algorithm = {
            "TrainingImage": image,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+);"}],
        }
        self.sagemaker.create_training_job(
            **{
                "TrainingJobName": name,
                "AlgorithmSpecification": algorithm | ({"ContainerEntrypoint": list(entry)} if entry else {}),
                "RoleArn": ROLE,
                "InputDataConfig": [{"ChannelName": "train", "DataSource": channel}],
                "OutputDataConfig": {"S3OutputPath": "s3://own/out"},
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
                "StoppingCondition": {"MaxRuntimeInSeconds": 120},
                **more,
            }
        )

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
        return found

    def finished(self, name: str) -> dict[str, Any]:
        """The ended job's description."""
        wait_until(
            lambda: self.describe(name)["TrainingJobStatus"] in ENDED, otherwise=lambda: str(self.describe(name))
        )
        return self.describe(name)

    def train(self, name: str, image: str = ALIAS, **more: Any) -> dict[str, Any]:
        """Likewise, of a job that is created first."""
        self.create(name, image, **more)
        return self.finished(name)

    def says(self, name: str, word: str) -> None:
        """Wait for a line of a training job's log."""
        wait_until(lambda: word in self.lines(name), otherwise=lambda: str(self.describe(name)))

    def lines(self, name: str, group: str = "TrainingJobs") -> list[str]:
        """The first of each of the job's log streams."""
        group = f"/aws/sagemaker/{group}"
        try:
            streams = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=name)["logStreams"]
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        events = [
            self.logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)[
                "events"
            ]
            for stream in streams
        ]
        return [event["message"] for each in events for event in each]

    def deploy(
        self, name: str, image: str, data: str = "", *, beside: tuple[dict[str, Any], ...] = (), **variant: Any
    ) -> dict[str, Any]:
        """The endpoint's description, once it is no longer being made. `beside`: AdditionalModelDataSources."""
        container = {"Image": image, "AdditionalModelDataSources": list(beside)}
        container |= {"ModelDataUrl": data} if data else {}
        self.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
        first = {"VariantName": "a", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[first | variant])
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        return self.endpoint(name)

    def endpoint(self, name: str) -> dict[str, Any]:
        """Likewise."""
        found: dict[str, Any] = {}

        def made() -> bool:
            found.update(self.sagemaker.describe_endpoint(EndpointName=name))
            return found["EndpointStatus"] != "Creating"

        wait_until(made, otherwise=lambda: str(found))
        return found

    def leaves_nothing(self) -> None:
        """No container, network or volume in the engine; no mount and no files of jobs on the machine."""
        wait_until(lambda: not self.podman.left_over(), otherwise=lambda: str(self.podman.left_over()))
        jobs = self.clary.home / "jobs"
        wait_until(lambda: not list(jobs.glob("*/workload.json")), otherwise=lambda: str(list(jobs.iterdir())))
        assert str(self.clary.home) not in Path("/proc/self/mounts").read_text()
