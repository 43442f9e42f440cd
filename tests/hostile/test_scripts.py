"""Jobs whose code does harm. All run at once; each test then looks at its own."""

import io
import socket
import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.capabilities.training.journey import BUCKET, data
from tests.hostile import scripts
from tests.hostile.site import Site
from tests.servers import PATIENCE, REPOSITORY

pytestmark = pytest.mark.timeout(600)

MEGABYTE = 1024 * 1024
SMALL: dict[str, Any] = {"ResourceConfig": {"InstanceType": "ml.t3.medium", "InstanceCount": 1, "VolumeSizeInGB": 1}}
UNCOMPRESSED = {"S3OutputPath": f"s3://{BUCKET}/out", "CompressionType": "NONE"}
CHECKPOINTS = {"CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/checkpoints"}}


@dataclass(frozen=True)
class Hostile:
    """A script and what else its job asks for."""

    script: str
    arguments: tuple[str, ...] = ()
    metrics: tuple[dict[str, str], ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    def create(self, site: Site, name: str) -> None:
        """The script is the container's command; nothing of the toolkit's runs."""
        site.journey.put(f"hostile/{name}/script.py", self.script.encode())
        command: dict[str, Any] = {"ContainerEntrypoint": ["python", "/opt/ml/input/data/script/script.py"]}
        if self.arguments:
            command["ContainerArguments"] = list(self.arguments)
        if self.metrics:
            command["MetricDefinitions"] = list(self.metrics)
        channels = [data("script", f"hostile/{name}/")]
        site.journey.create(name, algorithm=command, InputDataConfig=channels, **self.more)


@pytest.fixture(scope="module")
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """Hears whatever arrives at any address of this machine."""
    heard: list[bytes] = []
    with socket.create_server(("", 0)) as server:
        thread = threading.Thread(target=_hear, args=(server, heard), daemon=True)
        thread.start()
        yield server.getsockname()[1], heard
        server.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)


def _hear(server: socket.socket, heard: list[bytes]) -> None:
    while True:
        try:
            sock, _ = server.accept()
        except OSError:
            return
        with sock:
            heard.append(b"connected")


@pytest.fixture(scope="module")
def jobs(site: Site, listener: tuple[int, list[bytes]]) -> Iterator[dict[str, Any]]:
    secret, home = str(site.home.parent / "secret.txt"), str(site.home)
    addresses = [
        each.address for all in psutil.net_if_addrs().values() for each in all if each.family == socket.AF_INET
    ]
    look = (home, secret, str(listener[0]))
    evil = [{"Name": f"evil{n}", "Regex": "(a|aa|a?)+$"} for n in range(3)] + [{"Name": "bad", "Regex": "([(a+)+"}]
    requests = {
        "fork-bomb": Hostile(scripts.FORK_BOMB),
        "eat-memory": Hostile(scripts.EAT_MEMORY, more=SMALL),
        "print-binary": Hostile(scripts.PRINT_BINARY),
        "print-much": Hostile(scripts.PRINT_MUCH),
        "many-files": Hostile(scripts.MANY_FILES),
        "odd-files": Hostile(scripts.ODD_FILES, (secret, home)),
        "odd-files-plain": Hostile(scripts.ODD_FILES, (secret, home), more={"OutputDataConfig": UNCOMPRESSED}),
        "deep-files": Hostile(scripts.DEEP_FILES),
        "failure-link": Hostile(scripts.FAILURE_LINK),
        "failure-huge": Hostile(scripts.FAILURE_HUGE),
        "replaced-folders": Hostile(scripts.REPLACED_FOLDERS, more=CHECKPOINTS),
        "look-around": Hostile(scripts.LOOK_AROUND, (*look, "open")),
        "look-isolated": Hostile(
            scripts.LOOK_AROUND, (*look, "isolated", *addresses), more={"EnableNetworkIsolation": True}
        ),
        "stubborn": Hostile(scripts.STUBBORN),
        "catastrophe": Hostile(scripts.CATASTROPHE, metrics=(*evil, {"Name": "loss", "Regex": "loss=([0-9.]+);"})),
    }
    for name, request in requests.items():
        request.create(site, name)
    yield requests
    for name in requests:
        if site.journey.describe(name)["TrainingJobStatus"] == "InProgress":
            site.sagemaker.stop_training_job(TrainingJobName=name)


def outcome(site: Site, name: str) -> tuple[str, str]:
    found = site.journey.finished(name)
    return found["TrainingJobStatus"], found.get("FailureReason", "")


def object_names(site: Site, name: str) -> set[str]:
    pages = site.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"out/{name}/")
    return {entry["Key"].partition("/output/")[2] for page in pages for entry in page.get("Contents", [])}


def test_a_fork_bomb_hits_the_limit_and_is_gone(site: Site, jobs: object) -> None:
    assert outcome(site, "fork-bomb") == ("Failed", "AlgorithmError: , exit code: 3")
    assert any(line.startswith("refused ") for line in site.journey.log("fork-bomb"))


def test_eating_memory_fails_the_job_alone(site: Site, jobs: object) -> None:
    status, reason = outcome(site, "eat-memory")
    assert (status, "more memory" in reason, "137" in reason) == ("Failed", True, True), reason


def test_binary_output_becomes_text(site: Site, jobs: object) -> None:
    assert outcome(site, "print-binary")[0] == "Completed"
    lines = site.journey.log("print-binary")
    assert any("forged line" in line for line in lines)
    assert all(len(line) <= 256 * 1024 for line in lines)


def test_200_megabytes_of_output(site: Site, jobs: object) -> None:
    before = site.memory()
    assert outcome(site, "print-much")[0] == "Completed"
    client = site.client("logs")
    where = {"logGroupName": "/aws/sagemaker/TrainingJobs", "logStreamNamePrefix": "print-much/"}
    (stream,) = client.describe_log_streams(**where)["logStreams"]
    end = client.get_log_events(
        logGroupName=where["logGroupName"], logStreamName=stream["logStreamName"], limit=1, startFromHead=False
    )
    assert end["events"][0]["message"] == "done"
    assert site.memory() - before < 128 * MEGABYTE


def test_30_000_files_in_the_model(site: Site, jobs: object) -> None:
    assert outcome(site, "many-files")[0] == "Completed"
    assert len(site.journey.archive("many-files")) >= 30_000


def test_links_pipes_and_odd_names_in_the_model(site: Site, jobs: object) -> None:
    """Links lead nobody out, neither the server now nor whoever unpacks the archive."""
    assert outcome(site, "odd-files")[0] == "Completed", site.journey.told("odd-files")
    body = site.s3.get_object(Bucket=BUCKET, Key="out/odd-files/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        members = tar.getmembers()
        texts = b"".join(file.read(4096) for member in members if member.isreg() and (file := tar.extractfile(member)))
    assert {member.name for member in members if not (member.isreg() or member.isdir())} == {"inner", "loop"}
    assert not any(member.mode & 0o7000 for member in members)
    assert (b"root:" in texts, b"secret" in texts) == (False, False)
    assert {"good", "twice", "setuid", "closed", "line\nbreak", "n" * 255} <= {member.name for member in members}


def test_links_pipes_and_odd_names_as_objects(site: Site, jobs: object) -> None:
    status, reason = outcome(site, "odd-files-plain")
    names = object_names(site, "odd-files-plain")
    assert status in ("Completed", "Failed")
    assert status == "Completed" or "upload" in reason
    assert not any("link-" in name or "pipe" in name or "etc" in name for name in names)
    bodies = [
        site.s3.get_object(Bucket=BUCKET, Key=f"out/odd-files-plain/output/{name}")["Body"].read(4096) for name in names
    ]
    assert not any(b"root:" in body or b"secret" in body for body in bodies)


def test_folders_nested_past_the_longest_path(site: Site, jobs: object) -> None:
    status, reason = outcome(site, "deep-files")
    assert (status, reason.startswith("ClientError: Failed to upload model artifacts")) == ("Failed", True), reason


def test_failure_files_that_are_none(site: Site, jobs: object) -> None:
    assert outcome(site, "failure-link") == ("Failed", "AlgorithmError: , exit code: 1")
    status, reason = outcome(site, "failure-huge")
    assert (status, len(reason) <= 1024) == ("Failed", True)


def test_links_in_the_place_of_folders(site: Site, jobs: object) -> None:
    assert outcome(site, "replaced-folders")[0] == "Completed"
    assert not any("passwd" in name for name in site.journey.archive("replaced-folders"))
    assert site.s3.list_objects_v2(Bucket=BUCKET, Prefix="checkpoints/")["KeyCount"] == 0


@pytest.mark.parametrize("name", ["look-around", "look-isolated"])
def test_nothing_of_the_machine_is_in_sight(
    site: Site, jobs: object, name: str, listener: tuple[int, list[bytes]]
) -> None:
    assert outcome(site, name)[0] == "Completed", site.journey.told(name)
    assert site.journey.log(name)[-1] == "found: []"
    assert listener[1] == []
    folders = ("/usr", "/etc", "/dev", "/tmp", "/", "/sys", REPOSITORY / "src/clary", REPOSITORY / "src/clary/runtime")
    assert [folder for folder in folders if Path(folder, "clary-hostile").exists()] == []


def test_evil_regexes_cost_their_own_metrics(site: Site, jobs: object) -> None:
    assert outcome(site, "catastrophe")[0] == "Completed"
    metrics = site.journey.describe("catastrophe")["FinalMetricDataList"]
    assert [(entry["MetricName"], entry["Value"]) for entry in metrics] == [("loss", 0.5)]
    notices = [line for line in site.journey.log("catastrophe") if line.startswith("Clary: metric")]
    assert {line.split()[2] for line in notices} == {"bad", "evil0", "evil1", "evil2"}


def test_a_process_that_ignores_every_signal(site: Site, jobs: object) -> None:
    """It is asked to stop at once and has AWS's 120 s, which nobody else has to wait for."""
    site.journey.until("stubborn", "Training")
    site.journey.says("stubborn", "ready")
    site.sagemaker.stop_training_job(TrainingJobName="stubborn")
    assert site.journey.describe("stubborn")["TrainingJobStatus"] == "Stopping"
    site.journey.create("after-stubborn", algorithm={"ContainerEntrypoint": ["/bin/true"]})
    assert site.journey.finished("after-stubborn", 100)["TrainingJobStatus"] == "Completed"
