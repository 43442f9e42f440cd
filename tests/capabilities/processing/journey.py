"""Driving a real Clary through processing jobs with unmodified boto3."""

from typing import Any

from tests.capabilities.processing.records import BUCKET, ROOT, request, source
from tests.servers import PATIENCE, Clary, wait_until

GROUP = "/aws/sagemaker/ProcessingJobs"


class Journey:
    """Clients of one Clary and what is done with them again and again."""

    def __init__(self, clary: Clary) -> None:
        self.clary = clary
        self.sagemaker, self.s3, self.logs = (clary.client(name) for name in ("sagemaker", "s3", "logs"))
        self.s3.create_bucket(Bucket=BUCKET)

    def put(self, key: str, body: bytes | str = b"x") -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def create(self, name: str, script: str = "", *arguments: str, **more: Any) -> Any:
        """As ScriptProcessor does: the script is an input named `code`."""
        wanted = request(name, **more)
        if script:
            self.put(f"{name}/input/code/script.py", script)
            code = source("code", f"{name}/input/code/script.py")
            wanted["ProcessingInputs"] = [*wanted.get("ProcessingInputs", ()), code]
            wanted["AppSpecification"]["ContainerEntrypoint"] = ["python3", f"{ROOT}/input/code/script.py"]
        if arguments:
            wanted["AppSpecification"]["ContainerArguments"] = list(arguments)
        return self.sagemaker.create_processing_job(**wanted)

    def shell(self, name: str, script: str, **more: Any) -> Any:
        """A job that is one line of shell, to its end."""
        self.sagemaker.create_processing_job(**request(name, "/bin/sh", "-c", script, **more))
        return self.finished(name)

    def describe(self, name: str) -> Any:
        return self.sagemaker.describe_processing_job(ProcessingJobName=name)

    def finished(self, name: str, seconds: float = 200) -> Any:
        """The description of the job at its end."""
        going = ("InProgress", "Stopping")
        wait_until(lambda: self.describe(name)["ProcessingJobStatus"] not in going, seconds, lambda: self.told(name))
        return self.describe(name)

    def run(self, name: str, script: str = "", *arguments: str, **more: Any) -> Any:
        self.create(name, script, *arguments, **more)
        return self.finished(name)

    def log(self, name: str, host: str = "algo-1") -> list[str]:
        """The messages of one instance, which may not have begun."""
        lines: list[str] = []
        try:
            found = self.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/{host}-")
        except self.logs.exceptions.ResourceNotFoundException:
            return lines
        for stream in found["logStreams"]:
            where = {"logGroupName": GROUP, "logStreamName": stream["logStreamName"]}
            page = self.logs.get_log_events(**where, startFromHead=True)
            lines += [event["message"] for event in page["events"]]
        return lines

    def until_line(self, name: str, line: str, host: str = "algo-1") -> None:
        wait_until(lambda: line in self.log(name, host), PATIENCE, lambda: self.told(name))

    def stored(self, prefix: str) -> dict[str, str]:
        """Key behind the prefix to text, of all objects."""
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        keys = [entry["Key"] for entry in found]
        return {key.removeprefix(prefix): self.read(key) for key in keys}

    def read(self, key: str) -> str:
        body: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body.decode(errors="replace")

    def told(self, name: str) -> str:
        """Everything that explains a job, for a failing test."""
        lines = self.log(name)[-40:]
        return f"{self.describe(name)}\n" + "\n".join(lines) + self.clary.log.read_text()[-3000:]
