"""Images of users' own that are broken, hostile or untidy: each ends in AWS's form of failure and leaves nothing."""

import tarfile
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.journeys.own_images import ALIAS, OwnImages

pytestmark = pytest.mark.timeout(300)

SHELL = ("/bin/sh", "-c")
UNTIDY = """
cd /opt/ml/model && mkdir shut && echo kept > shut/file && ln -s /etc/passwd link && touch none
chmod 0 none shut/file; chmod 0500 shut; mkdir -m 0 /opt/ml/none /opt/ml/output/none; touch /data/here; id -u
"""
RUN = ("COPY untidy /untidy", 'ENTRYPOINT ["/bin/sh", "/untidy"]')
IMAGES = {
    "exits": ('ENTRYPOINT ["/bin/sh", "-c", "echo gone >&2; exit 1"]',),
    "trainless": (),
    "nobody": ("USER missing", 'ENTRYPOINT ["/bin/sh"]'),
    "unexecutable": ('ENTRYPOINT ["/etc"]',),
    "silent": ('ENTRYPOINT ["/bin/sh", "-c", "sleep 600"]',),
    "untidy": ("VOLUME /data /opt/ml/output", *RUN),
    "other-user": ("COPY --chown=1000 untidy /data/untidy", "VOLUME /data", "USER 1000:1000", *RUN),
}
FAILED = {
    "exits": "AlgorithmError: , exit code: 1",
    "trainless": "AlgorithmError: , exit code: 127",
    "nobody": "AlgorithmError: , exit code: 126",
    "unexecutable": "AlgorithmError: , exit code: 126",
}
LOUD = "head -c 20000000 /dev/zero; seq 1 200000; echo the end; exit 3"
COMMANDS = {
    "explains": ("echo why > /opt/ml/output/failure; exit 3", "AlgorithmError: why\n, exit code: 3"),
    "loud": (LOUD, "AlgorithmError: , exit code: 3"),
    "killed": ("kill -9 $$", "AlgorithmError: , exit code: 137"),
    "daemon": ("trap '' HUP; setsid sleep 600 & echo left; exit 4", "AlgorithmError: , exit code: 4"),
    "misleading": (
        "rm -rf /opt/ml/output/failure; ln -s /etc/passwd /opt/ml/output/failure; exit 5",
        "AlgorithmError: , exit code: 5",
    ),
}
LATE = {"StoppingCondition": {"MaxRuntimeInSeconds": 1}}


@pytest.fixture
def images(own_images: OwnImages) -> dict[str, str]:
    return {name: own_images.image(name, *lines, untidy=UNTIDY) for name, lines in IMAGES.items()}


def test_bad_images_fail_as_aws_says_it_and_leave_nothing(own_images: OwnImages, images: dict[str, str]) -> None:
    for name in FAILED:
        own_images.create(f"bad-{name}", images[name])
    for name, (script, _) in COMMANDS.items():
        own_images.create(f"bad-{name}", entry=(*SHELL, script))
    own_images.create("bad-late", images["silent"], **LATE)
    wanted = FAILED | {name: told for name, (_, told) in COMMANDS.items()}
    ended = {name: own_images.finished(f"bad-{name}") for name in wanted}
    assert {name: told["TrainingJobStatus"] for name, told in ended.items()} == dict.fromkeys(wanted, "Failed")
    assert {name: told["FailureReason"] for name, told in ended.items()} == wanted
    late = own_images.finished("bad-late")
    assert (late["TrainingJobStatus"], late["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert own_images.lines("bad-exits") == ["gone"]
    for name, word in (("trainless", "train"), ("nobody", "missing"), ("unexecutable", "/etc")):
        assert word in "\n".join(own_images.lines(f"bad-{name}"))
    own_images.leaves_nothing()


@pytest.mark.parametrize(("name", "user"), [("untidy", "0"), ("other-user", "1000")])
def test_what_an_image_leaves_is_uploaded_and_removed(
    own_images: OwnImages, images: dict[str, str], name: str, user: str
) -> None:
    told = own_images.train(name, images[name])
    assert (told["TrainingJobStatus"], own_images.lines(name)) == ("Completed", [user]), told
    assert content(own_images, told) == {"shut": b"", "shut/file": b"kept\n", "none": b""}
    own_images.leaves_nothing()


def test_images_that_do_not_serve_fail_their_endpoint_and_leave_nothing(
    own_images: OwnImages, images: dict[str, str]
) -> None:
    made = {name: own_images.deploy(f"bad-{name}", images[name]) for name in ("exits", "silent")}
    assert {name: each["EndpointStatus"] for name, each in made.items()} == dict.fromkeys(made, "Failed")
    for each in made.values():
        assert (
            "The primary container for production variant a did not pass the ping health check."
            in (each["FailureReason"])
        )
    assert "gone" in made["exits"]["FailureReason"]
    for name in made:
        own_images.sagemaker.delete_endpoint(EndpointName=f"bad-{name}")
    own_images.leaves_nothing()


def test_an_alias_of_an_image_that_is_gone_is_refused(own_images: OwnImages) -> None:
    image = own_images.image("vanishing", "WORKDIR /vanishing")
    alias = ALIAS.replace("aliased", "vanishing")
    own_images.clary.command("images", "alias", alias, image, check=True)
    own_images.podman.engine.call("DELETE", f"/images/{image}", force="1")
    with pytest.raises(ClientError, match="Cannot find repository of training image"):
        own_images.create("vanished", alias)


def content(own_images: OwnImages, told: dict[str, Any]) -> dict[str, bytes]:
    """Of the model archive, by name."""
    key = told["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://own/")
    packed = own_images.s3.get_object(Bucket="own", Key=key)["Body"].read()
    with tarfile.open(fileobj=BytesIO(packed)) as tar:
        files = {member.name.removeprefix("./"): member for member in tar if member.name not in (".", "./")}
        return {
            name: tar.extractfile(member).read() if member.isfile() else b""  # type: ignore[union-attr]
            for name, member in files.items()
        }
