"""Edge packaging jobs: kept, listed and failed, because nothing is left that could run what they make."""

from clary.capabilities.jobs.addresses import Addresses
from clary.companions.iam.roles import check_pass_role
from clary.resources.kinds import Kind, Request
from clary.resources.machine import Machine
from clary.resources.reconcile import Become, Outcome, Wait
from clary.resources.records import Record
from clary.wire.context import Context, Parts

WHY = (
    "ClientError: Edge packaging is not run: it packs compiled models for the agent of SageMaker Edge Manager, which "
    "AWS ended in April 2024. The artefact of the compilation job is a plain tar.gz in S3."
)


def admit(ctx: Context, request: Request) -> Request:
    """Raises `ValidationException` or `AccessDenied`."""
    check_pass_role(ctx, request["RoleArn"])
    Addresses(ctx, request["RoleArn"]).check_target(request["OutputConfig"]["S3OutputLocation"], "output")
    return request


EDGE_PACKAGING_JOB = Kind(
    noun="EdgePackagingJob",
    arn="edge-packaging-job/{EdgePackagingJobName}",
    machine=Machine(start="STARTING", edges={"STARTING": frozenset({"FAILED", "STOPPED"})}),
    verbs="create describe list stop",
    moves={"stop": "STOPPED"},
    filters={"ModelNameContains": lambda record, part: part in record.spec["ModelName"]},
    admit=admit,
    missing=("ResourceNotFound", "Could not find edge packaging job '{name}'."),
)


class EdgePackaging:
    kind = EDGE_PACKAGING_JOB

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        if record.status != "STARTING":
            return Wait(None)
        return Become("FAILED", message=WHY, state={"EdgePackagingJobStatusMessage": WHY})
