"""Source archives that mean harm: the job that unpacks them fails with the reason, or is none the worse."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.capabilities.training.journey import BUCKET
from tests.hostile.archives import BYTES, REFUSED, TAKEN, file, tar
from tests.hostile.site import Site

pytestmark = pytest.mark.timeout(600)

LOOK = b"""
import os, stat
for folder, _, names in os.walk("/opt/ml/code"):
    for name in names:
        path = os.path.join(folder, name)
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            assert os.readlink(path) in ("a", "b", "self"), name
            continue
        assert stat.S_ISREG(status.st_mode), name
        assert not status.st_mode & 0o6000, name
        assert status.st_uid == 0, name
print("fine")
"""
GOOD = [file("train.py", LOOK)]


@pytest.fixture(scope="module")
def jobs(site: Site) -> Iterator[str]:
    """One for each archive, all begun. Yields the file that no archive may write."""
    outside = str(site.home.parent / "outside" / "written")
    (site.home.parent / "outside").mkdir()
    for name, make in (REFUSED | TAKEN).items():
        create(site, name, tar(*make(outside), good=GOOD))
    for name, made in BYTES.items():
        create(site, name, made())
    yield outside


def create(site: Site, name: str, archive: bytes) -> None:
    key = f"archives/{name}/sourcedir.tar.gz"
    site.journey.put(key, archive)
    given = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": f'"s3://{BUCKET}/{key}"'}
    site.journey.create(f"archive-{name}", hyperparameters=given)


def outcome(site: Site, name: str) -> tuple[str, Any]:
    found = site.journey.finished(f"archive-{name}")
    return found["TrainingJobStatus"], found.get("FailureReason", "")


@pytest.mark.parametrize("name", [*REFUSED, *BYTES])
def test_archives_that_are_refused(site: Site, jobs: str, name: str) -> None:
    status, reason = outcome(site, name)
    assert status == "Failed", site.journey.told(f"archive-{name}")
    assert reason.startswith("AlgorithmError: ImportModuleError"), reason
    assert not list((site.home.parent / "outside").iterdir())


@pytest.mark.parametrize("name", TAKEN)
def test_archives_that_lose_what_could_harm(site: Site, jobs: str, name: str) -> None:
    assert outcome(site, name) == ("Completed", ""), site.journey.told(f"archive-{name}")
    assert site.journey.log(f"archive-{name}")[-1].startswith("fine")
