"""Driving a real Clary through compilation jobs with unmodified boto3."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.capabilities.compilation.records import BUCKET, request
from tests.servers import Clary, wait_until

GROUP = "/aws/sagemaker/CompilationJobs"


class Journey:
    """Clients of one Clary; `model` is an XGBoost archive, which gives `expected` for `artefacts.ROW`."""

    def __init__(self, clary: Clary, model: Path, expected: float) -> None:
        self.clary, self.model, self.expected = clary, model, expected
        self.sagemaker, self.s3, self.logs, self.runtime = (
            clary.client(name) for name in ("sagemaker", "s3", "logs", "sagemaker-runtime")
        )
        self.s3.create_bucket(Bucket=BUCKET)

    def create(self, name: str, archive: bytes, framework: str = "XGBOOST", **more: Any) -> Any:
        self.s3.put_object(Bucket=BUCKET, Key=f"{name}.tar.gz", Body=archive)
        return self.sagemaker.create_compilation_job(**request(name, framework, **more))

    def describe(self, name: str) -> Any:
        found = self.sagemaker.describe_compilation_job(CompilationJobName=name)
        del found["ResponseMetadata"]
        return found

    def status(self, name: str) -> str:
        return str(self.describe(name)["CompilationJobStatus"])

    def await_status(self, name: str, *wanted: str) -> Any:
        wait_until(lambda: self.status(name) in wanted, 200, lambda: self.told(name))
        return self.describe(name)

    def finished(self, name: str) -> Any:
        return self.await_status(name, "COMPLETED", "FAILED", "STOPPED")

    def log(self, name: str) -> list[str]:
        found = self.logs.get_log_events(logGroupName=GROUP, logStreamName=name, startFromHead=True)
        return [event["message"] for event in found["events"]]

    def told(self, name: str) -> str:
        """Everything that explains a job, for a failing test."""
        return f"{self.describe(name)}\n{self.clary.log.read_text()[-3000:]}"

    def members(self, uri: str) -> dict[str, bytes]:
        """Of a tar.gz in S3."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        content = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            files = {member.name: tar.extractfile(member) for member in tar.getmembers()}
            return {name: file.read() for name, file in files.items() if file}


def archive(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()
