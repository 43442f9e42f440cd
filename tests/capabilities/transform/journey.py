"""Driving a real Clary through transform jobs with unmodified boto3; the script of its models obeys its records."""

import contextlib
import gzip
import tarfile
from pathlib import Path
from typing import Any

import psutil
from tests.capabilities.endpoints.account import words
from tests.servers import Clary, wait_until

from clary.resources.records import Record
from clary.resources.store import DATABASE_FILE, Store

BUCKET = "transforms"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
GROUP = "/aws/sagemaker/TransformJobs"
GOING = ("InProgress", "Stopping")
SCRIPT = """
import json, os, signal, time

def model_fn(model_dir):
    print("loaded", os.environ.get("SAGEMAKER_BATCH"))
    return open(f"{model_dir}/suffix").read()

def one(line, suffix):
    if line.startswith("bad"):
        raise ValueError(f"{line} is bad")
    if line.startswith("die"):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    if line.startswith("slow"):
        time.sleep(0.1)
    if line.startswith("slower"):
        time.sleep(0.3)
    if line.startswith("told"):
        names = [name for name in os.environ if name.startswith("SAGEMAKER_") or name == "MINE"]
        return json.dumps({name: os.environ[name] for name in sorted(names)})
    return line.rpartition(",")[2].upper() + suffix

def transform_fn(model, body, content_type, accept):
    text = body if isinstance(body, str) else body.decode()
    return "\\n".join(one(line, model) for line in text.split("\\n")), accept or "text/plain"
"""


def archive(folder: Path, suffix: str) -> Path:
    """A model whose answers end with the suffix."""
    (folder / "inference.py").write_text(SCRIPT)
    (folder / "suffix").write_text(suffix)
    made = folder / f"{suffix or 'plain'}.tar.gz"
    with tarfile.open(made, "w:gz") as tar:
        tar.add(folder / "inference.py", "code/inference.py")
        tar.add(folder / "suffix", "suffix")
    return made


class Journey:
    """Clients of one Clary, and the models `plain` and `row`, the second of two containers."""

    def __init__(self, clary: Clary, folder: Path) -> None:
        self.clary = clary
        clients = ("sagemaker", "s3", "logs", "cloudwatch")
        self.sagemaker, self.s3, self.logs, self.cloudwatch = (clary.client(name) for name in clients)
        self.s3.create_bucket(Bucket=BUCKET)
        containers = []
        for suffix in ("", "!"):
            self.s3.upload_file(str(archive(folder, suffix)), BUCKET, f"models/{suffix}.tar.gz")
            data = {"ModelDataUrl": f"s3://{BUCKET}/models/{suffix}.tar.gz", "Environment": {"MINE": "model's"}}
            containers.append({"Image": SKLEARN, **data})
        self.sagemaker.create_model(ModelName="plain", PrimaryContainer=containers[0], ExecutionRoleArn=ROLE)
        self.sagemaker.create_model(ModelName="row", Containers=containers, ExecutionRoleArn=ROLE)

    def put(self, key: str, body: str, *, zipped: bool = False) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=gzip.compress(body.encode()) if zipped else body.encode())

    def create(self, name: str, source: str = "", **more: Any) -> Any:
        return self.sagemaker.create_transform_job(**request(name, source or f"{name}/in/", **more))

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_transform_job(TransformJobName=name)
        return found

    def finished(self, name: str, seconds: float = 200) -> dict[str, Any]:
        wait_until(lambda: self.describe(name)["TransformJobStatus"] not in GOING, seconds, lambda: self.told(name))
        return self.describe(name)

    def out(self, name: str) -> dict[str, str]:
        return self.stored(f"{name}/out/")

    def stored(self, prefix: str) -> dict[str, str]:
        """Key behind the prefix to text, of all objects."""
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        bodies = {
            entry["Key"]: self.s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read().decode() for entry in found
        }
        return {key.removeprefix(prefix): body for key, body in bodies.items()}

    def streams(self, name: str) -> dict[str, list[str]]:
        """Stream to lines, of all that the job has."""
        found = self.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")["logStreams"]
        names = [stream["logStreamName"] for stream in found]
        return {one: self._lines(one) for one in names}

    def data_log(self, name: str) -> list[str]:
        """What all drivers of a job said, without the times."""
        lines = [line for stream, lines in self.streams(name).items() if stream.endswith("/data-log") for line in lines]
        return [line.partition(":[sagemaker logs]: ")[2] for line in lines]

    def _lines(self, stream: str) -> list[str]:
        page = self.logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)
        return [event["message"] for event in page["events"]]

    def record(self, name: str) -> Record:
        store = Store(f"sqlite:///{self.clary.home / DATABASE_FILE}")
        record = store.get("TransformJob", "123456789012", "us-east-1", name)
        store.close()
        assert record
        return record

    def drivers(self, name: str) -> list[psutil.Process]:
        """Of this job alone."""
        folder = str(self.clary.home / "jobs" / self.record(name).id)
        return [each for each in self.processes("clary.serving.batch") if folder in " ".join(words(each))]

    def processes(self, text: str) -> list[psutil.Process]:
        """Of this home's server and jobs: those whose command line has this text."""
        found, home = [], str(self.clary.home)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if text in line and (home in line or process.ppid() == self.clary.process.pid):
                    found.append(process)
        return found

    def gone(self) -> bool:
        """Whether nothing of any job is left."""
        return not any((self.clary.home / "jobs").iterdir()) and not self.processes("clary.serving.batch")

    def told(self, name: str) -> str:
        """Everything that explains a job, for a failing test."""
        logs = [f"{stream}: {lines[-20:]}" for stream, lines in self.streams(name).items()]
        return f"{self.describe(name)}\n" + "\n".join(logs) + self.clary.log.read_text()[-3000:]


def request(name: str, source: str, **more: Any) -> dict[str, Any]:
    """CreateTransformJob's; `TransformInput`, `TransformOutput` and `S3DataSource` are added to."""
    where = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{source}", **more.pop("S3DataSource", {})}
    data = {"DataSource": {"S3DataSource": where}, "ContentType": "text/csv", "SplitType": "Line"}
    target = {"S3OutputPath": f"s3://{BUCKET}/{name}/out", "AssembleWith": "Line", "Accept": "text/csv"}
    return {
        "TransformJobName": name,
        "ModelName": "plain",
        "TransformInput": data | more.pop("TransformInput", {}),
        "TransformOutput": target | more.pop("TransformOutput", {}),
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": more.pop("instances", 1)},
        **more,
    }
