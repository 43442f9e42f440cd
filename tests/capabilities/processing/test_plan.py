"""From a record to the workload."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.capabilities.processing.records import IMAGES, ROOT, job, piped, source

from clary.capabilities.jobs.site import Site
from clary.capabilities.processing.outputs import NotText, joined
from clary.capabilities.processing.plan import command, plan
from clary.runtime.workload import Limits, Mount, Pipe

SITE = Site(jobs=Path("/jobs"), wake="/wake", endpoint="http://here", limits=Limits(cpus=2, memory_bytes=2**30))
OTHER = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"


@pytest.mark.parametrize(
    ("image", "app", "expected"),
    [
        (IMAGES["sklearn"], {}, (("/bin/bash",), ())),
        (IMAGES["sklearn"], {"ContainerArguments": ["a", "b"]}, (("a", "b"), ())),
        (IMAGES["sklearn"], {"ContainerEntrypoint": ["e"], "ContainerArguments": ["a"]}, (("e",), ("a",))),
        (IMAGES["spark"], {}, (("smspark-submit",), ())),
        (IMAGES["spark"], {"ContainerArguments": ["a"]}, (("smspark-submit", "a"), ())),
        (IMAGES["spark"], {"ContainerEntrypoint": ["e"]}, (("e",), ())),
        (OTHER, {}, ((), ())),
        (OTHER, {"ContainerArguments": ["a"]}, ((), ("a",))),
    ],
)
def test_the_command_follows_dockers_rules(image: str, app: dict[str, Any], expected: object) -> None:
    assert command({"ImageUri": image, **app}) == expected


def test_hosts_get_their_shards_and_config() -> None:
    code = source("code", "c/script.py")
    code["S3Input"]["S3DataDistributionType"] = "FullyReplicated"
    shards = source("in", "in/", S3DataDistributionType="ShardedByS3Key")
    own = source("own", "x") | {"AppManaged": True}
    found = plan(job(count=2, ProcessingInputs=[code, own, shards], Environment={"A": "1"}), SITE)
    staged = "/jobs/00000000000000000000abcd/staged"
    assert [instance.mounts for instance in found.instances] == [
        (
            Mount(source=f"{staged}/inputs/0/all", target=f"{ROOT}/input/code", private=True),
            Mount(source=f"{staged}/inputs/2/algo-{number}", target=f"{ROOT}/input/in"),
        )
        for number in (1, 2)
    ]
    assert found.objects == {
        f"{staged}/inputs/{name}": f"{staged}/objects/inputs%2F{name.replace('/', '%2F')}"
        for name in ("0/all", "2/algo-1", "2/algo-2")
    }
    assert (found.folders, found.seeds) == (("/opt/ml/output", ROOT), {ROOT: f"{staged}/skeleton"})
    assert found.environment == {
        "PROCESSING_JOB_NAME": "job",
        "PROCESSING_JOB_ARN": "arn:aws:sagemaker:us-east-1:123456789012:processing-job/job",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "CLARY_CPUS": "2",
        "CLARY_MEMORY_BYTES": str(2**30),
        "AWS_ENDPOINT_URL": "http://here",
        "S3_ENDPOINT_URL": "http://here",
        "A": "1",
    }
    resources = json.loads(found.instances[1].files["/opt/ml/config/resourceconfig.json"])
    assert (resources["current_host"], resources["hosts"]) == ("algo-2", ["algo-1", "algo-2"])


def test_pipes_are_dealt_out_and_not_mounted() -> None:
    whole = piped("a", "in/", S3CompressionType="Gzip")
    dealt = piped("b", "in/", S3DataDistributionType="ShardedByS3Key")
    found = plan(job(count=2, ProcessingInputs=[whole, dealt]), SITE)
    pipes = "/jobs/00000000000000000000abcd/staged/pipes"
    assert [(instance.mounts, instance.pipes) for instance in found.instances] == [
        (
            (),
            (
                Pipe(target=f"{ROOT}/input/a", source=f"{pipes}/0", gzip=True),
                Pipe(target=f"{ROOT}/input/b", source=f"{pipes}/1", part=part, parts=2),
            ),
        )
        for part in (0, 1)
    ]
    assert list(found.objects) == [f"{pipes}/0", f"{pipes}/1"]


def test_isolated_instances_are_told_of_no_server() -> None:
    found = plan(job(NetworkConfig={"EnableNetworkIsolation": True}), SITE)
    assert found.isolated and "AWS_ENDPOINT_URL" not in found.environment


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([], ""),
        ([b"a", b"", b"b"], "ab"),
        ([b"a" * 1000, b"b" * 1000], "a" * 1000 + "b" * 24),
        (["é".encode() * 512], "é" * 512),
        ([b"x" + "é".encode() * 600], "x" + "é" * 511),
    ],
)
def test_messages_are_joined_and_cut(parts: list[bytes], text: str) -> None:
    assert joined(parts) == text


@pytest.mark.parametrize("parts", [[b"a\xffb"], [b"\xc3"], [b"a" * 1000 + b"\xff", b"x" * 1000]])
def test_messages_that_are_not_text(parts: list[bytes]) -> None:
    with pytest.raises(NotText):
        joined(parts)
