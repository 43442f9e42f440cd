"""Driving a real Clary through training jobs with unmodified boto3."""

import io
import tarfile
from typing import Any

from botocore.exceptions import ClientError
from tests.capabilities.training.records import channel, request
from tests.servers import PATIENCE, Clary, wait_until

BUCKET = "journeys"
GROUP = "/aws/sagemaker/TrainingJobs"
FILE_SYSTEM = "fs-0123456789abcdef0"


class Journey:
    """Clients of one Clary and what is done with them again and again."""

    def __init__(self, clary: Clary) -> None:
        self.clary = clary
        self.sagemaker, self.s3, self.logs = (clary.client(name) for name in ("sagemaker", "s3", "logs"))
        self.s3.create_bucket(Bucket=BUCKET)
        self.shared = clary.home.parent / FILE_SYSTEM

    def submit(self, name: str, script: str, **files: str) -> dict[str, str]:
        """Upload a source archive; the hyperparameters that name it."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            for path, text in {"train.py": script, **files}.items():
                member = tarfile.TarInfo(path)
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
        key = f"{name}/source/sourcedir.tar.gz"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=archive.getvalue())
        return {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": f'"s3://{BUCKET}/{key}"'}

    def put(self, key: str, body: bytes = b"x") -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def create(self, name: str, framework: str = "sklearn", script: str = "", **more: Any) -> None:
        more.setdefault("OutputDataConfig", {"S3OutputPath": f"s3://{BUCKET}/out"})
        hyperparameters = more.pop("hyperparameters", {}) | (self.submit(name, script) if script else {})
        self.sagemaker.create_training_job(**request(name, framework, HyperParameters=hyperparameters, **more))

    def describe(self, name: str) -> Any:
        return self.sagemaker.describe_training_job(TrainingJobName=name)

    def until(self, name: str, secondary: str, seconds: float = 300) -> None:
        wait_until(lambda: self.describe(name)["SecondaryStatus"] == secondary, seconds, lambda: self.told(name))

    def finished(self, name: str, seconds: float = 300) -> Any:
        """The description of the job at its end."""
        going = ("InProgress", "Stopping")
        wait_until(lambda: self.describe(name)["TrainingJobStatus"] not in going, seconds, lambda: self.told(name))
        return self.describe(name)

    def run(self, name: str, framework: str = "sklearn", script: str = "", **more: Any) -> Any:
        self.create(name, framework, script, **more)
        return self.finished(name)

    def log(self, name: str, host: str = "algo-1") -> list[str]:
        """The messages of one instance."""
        found = self.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/{host}-")
        (stream,) = found["logStreams"]
        where = {"logGroupName": GROUP, "logStreamName": stream["logStreamName"]}
        page = self.logs.get_log_events(**where, startFromHead=True)
        return [event["message"] for event in page["events"]]

    def says(self, name: str, line: str) -> None:
        """Wait for a line of the first instance, which may have no log yet."""
        wait_until(lambda: line in self.printed(name), PATIENCE, lambda: self.told(name))

    def printed(self, name: str) -> list[str]:
        """So far, if it has begun."""
        try:
            return self.log(name)
        except (ValueError, ClientError):
            return []

    def archive(self, name: str, which: str = "model") -> dict[str, tarfile.TarInfo]:
        """Members of an output archive."""
        answer = self.s3.get_object(Bucket=BUCKET, Key=f"out/{name}/output/{which}.tar.gz")
        with tarfile.open(fileobj=io.BytesIO(answer["Body"].read())) as tar:
            return {member.name: member for member in tar}

    def told(self, name: str) -> str:
        """Everything that explains a job, for a failing test."""
        try:
            lines = self.log(name)[-30:]
        except Exception as error:
            lines = [repr(error)]
        return f"{self.describe(name)}\n" + "\n".join(lines) + self.clary.log.read_text()[-3000:]


def data(name: str, key: str, **more: Any) -> dict[str, Any]:
    return channel(name, f"s3://{BUCKET}/{key}", **more)
