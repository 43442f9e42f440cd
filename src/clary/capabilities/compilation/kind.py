"""The compilation job as a resource: its machine, in AWS's upper-case statuses, and what Describe always shows."""

from typing import Any

from clary.capabilities.compilation import targets
from clary.capabilities.compilation.admit import admit
from clary.capabilities.jobs.kind import words
from clary.resources.kinds import Kind, View
from clary.resources.machine import Machine

FINAL = ("COMPLETED", "FAILED", "STOPPED")


def _failure(view: View) -> str:
    """There even where there is none: clients read it without looking."""
    return str(view.record.state.get("FailureReason", ""))


def _artefacts(view: View) -> dict[str, str]:
    return {"S3ModelArtifacts": view.record.state.get("S3ModelArtifacts", "")}


def _image(view: View) -> str | None:
    """Only for targets in the cloud."""
    is_cloud = view.record.spec["OutputConfig"].get("TargetDevice", "").startswith("ml_")
    return targets.image(view.record.spec, view.record.region) if is_cloud else None


def _target(member: str) -> Any:
    return lambda view: view.record.spec["OutputConfig"].get("TargetPlatform", {}).get(member)


COMPILATION_JOB = Kind(
    noun="CompilationJob",
    arn="compilation-job/{CompilationJobName}",
    machine=Machine(
        start="STARTING",
        edges={
            "STARTING": frozenset({"INPROGRESS", "FAILED", "STOPPING", "STOPPED", "COMPLETED"}),
            "INPROGRESS": frozenset({"COMPLETED", "FAILED", "STOPPING", "STOPPED"}),
            "STOPPING": frozenset({"STOPPED", "FAILED"}),
            "COMPLETED": frozenset({"DELETING"}),
            "FAILED": frozenset({"DELETING"}),
            "STOPPED": frozenset({"DELETING"}),
        },
    ),
    verbs="create describe list stop delete",
    moves={"stop": "STOPPING", "delete": "DELETING"},
    computed={
        "FailureReason": _failure,
        "ModelArtifacts": _artefacts,
        "InferenceImage": _image,
        "CompilationTargetDevice": lambda view: view.record.spec["OutputConfig"].get("TargetDevice"),
        "CompilationTargetPlatformOs": _target("Os"),
        "CompilationTargetPlatformArch": _target("Arch"),
        "CompilationTargetPlatformAccelerator": _target("Accelerator"),
    },
    admit=admit,
    missing=("ResourceNotFound", "Could not find compilation job '{name}'."),
    **words("compilation job"),
)
