"""Disks without room: the job fails and says so, nothing of it is in S3, and the next job has the room again.

The home is on a small disk and the jobs' folders on a smaller one, so that either can be full.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.capabilities.processing import journey as processing
from tests.capabilities.processing.records import ROOT, outputs, source, target
from tests.capabilities.training import journey as training
from tests.capabilities.training.journey import data
from tests.servers import Clary, wait_until

MB = 1 << 20
HOME, JOBS = 96 * MB, 24 * MB
DOWNLOAD = "ClientError: Data download failed:Insufficient disk space"
UPLOAD = "ClientError: Artifact upload failed:Insufficient disk space"
WRITE = "import os; open('/opt/ml/model/model.bin', 'wb').write(os.urandom({}))"


@pytest.fixture(scope="module")
def clary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    folder = tmp_path_factory.mktemp("full")
    home = folder / "home"
    try:
        _mount(home, HOME)
        _mount(home / "jobs", JOBS)
        with Clary(home) as clary:
            clary.start()
            yield clary
        assert "Traceback" not in clary.log.read_text()
    finally:
        for disk in (home / "jobs", home):
            subprocess.run(["umount", "--lazy", str(disk)], capture_output=True, check=False)


def _mount(folder: Path, size: int) -> None:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small filesystem")


@pytest.fixture(scope="module")
def trained(clary: Clary) -> training.Journey:
    return training.Journey(clary)


@pytest.fixture(scope="module")
def processed(clary: Clary) -> processing.Journey:
    return processing.Journey(clary)


@pytest.fixture(autouse=True)
def room_again(clary: Clary) -> Iterator[None]:
    """After every test what the job held is given back."""
    yield
    wait_until(lambda: not any((clary.home / "jobs").iterdir()))


def test_data_that_does_not_fit(trained: training.Journey, processed: processing.Journey) -> None:
    """Links to another disk are copies. What is stored stays: its room would come back while another test is on."""
    trained.put("large/data", os.urandom(JOBS))
    found = trained.run("large", script="pass", InputDataConfig=[data("train", "large/")])
    assert (found["TrainingJobStatus"], found["FailureReason"]) == ("Failed", DOWNLOAD)
    assert "TrainingStartTime" not in found
    processed.put("large/data", os.urandom(JOBS * 2 // 3))
    # Its copy fits, and the copy of that which is the instance's own does not.
    found = processed.shell("large", "true", ProcessingInputs=[source("code", "large/data")])
    assert (found["ProcessingJobStatus"], found["FailureReason"]) == ("Failed", DOWNLOAD)


def test_an_archive_that_does_not_fit(trained: training.Journey) -> None:
    found = trained.run("archive", script=WRITE.format(JOBS * 2 // 3))
    assert (found["TrainingJobStatus"], found["FailureReason"]) == ("Failed", UPLOAD)
    assert trained.s3.list_objects_v2(Bucket=training.BUCKET, Prefix="out/archive")["KeyCount"] == 0


FILL = """
with open("/opt/ml/model/filler", "wb") as file:
    try:
        while True:
            file.write(bytes(65536))
    except OSError as error:
        print(error.strerror)
"""


def test_a_job_that_fills_its_disk(trained: training.Journey) -> None:
    found = trained.run("filler", script=FILL)
    assert (found["TrainingJobStatus"], found["FailureReason"]) == ("Failed", UPLOAD)
    assert trained.s3.list_objects_v2(Bucket=training.BUCKET, Prefix="out/filler")["KeyCount"] == 0


WAIT = """
import os, time
print("ready", flush=True)
while not os.path.exists("/opt/ml/model/go"):
    time.sleep(0.05)
open("/opt/ml/model/m", "wb").write(os.urandom(1_000_000))
"""


def test_the_database_has_no_room_either(clary: Clary, trained: training.Journey) -> None:
    """The end of the job is known all the same, and with it the room would come back if the job had taken it."""
    trained.create("database", script=WAIT)
    trained.until("database", "Training")
    filler = clary.home / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    (folder,) = clary.home.glob("jobs/*/algo-1/*model")
    (folder / "go").touch()
    found = trained.finished("database")
    assert (found["TrainingJobStatus"], found["FailureReason"]) == ("Failed", UPLOAD)
    filler.unlink()
    assert trained.run("afterwards", script="pass")["TrainingJobStatus"] == "Completed", trained.told("afterwards")


def test_a_store_without_room(clary: Clary, trained: training.Journey, processed: processing.Journey) -> None:
    """What fits is there, what does not is not, and afterwards both go on as if nothing had been."""
    filler = clary.home / "filler"
    free = os.statvfs(clary.home).f_bavail * os.statvfs(clary.home).f_frsize
    filler.write_bytes(bytes(free - 6 * MB))
    found = trained.run("store", script=WRITE.format(10 * MB))
    assert (found["TrainingJobStatus"], found["FailureReason"]) == ("Failed", UPLOAD)
    script = f"echo 1 > {ROOT}/out/a; head -c {10 * MB} /dev/urandom > {ROOT}/out/b"
    for mode in ("EndOfJob", "Continuous"):
        name = f"store-{mode.lower()}"
        found = processed.shell(name, script, **outputs(target("out", f"{name}/out", "out", mode)))
        assert (found["ProcessingJobStatus"], found["FailureReason"]) == ("Failed", UPLOAD)
        assert processed.stored(f"{name}/") == {"out/a": "1\n"}
    filler.unlink()
    assert trained.run("room", script=WRITE.format(10 * MB))["TrainingJobStatus"] == "Completed", trained.told("room")
    assert list(trained.archive("room")) == ["model.bin"]
