"""What kinds of jobs have alike: the machine of most, and the words of what is refused."""

from typing import TypedDict

from clary.resources.machine import Machine

FINAL = ("Completed", "Failed", "Stopped")
EDGES = {
    "InProgress": frozenset({"Completed", "Failed", "Stopping", "Stopped"}),
    "Stopping": frozenset({"Stopped", "Failed"}),
}
KEPT = Machine("InProgress", EDGES)
"""Of jobs that nobody can delete."""
DELETABLE = Machine("InProgress", EDGES | {status: frozenset({"Deleting"}) for status in FINAL})
MISSING = ("ValidationException", "Requested resource not found.")


class Words(TypedDict):
    exists: tuple[str, str]
    refused: tuple[str, str]


def words(job: str) -> Words:
    """`job`: "training job" or the like."""
    return {
        "exists": (
            "ResourceInUse",
            f"{job.capitalize()} names must be unique within an AWS account and region, and a {job} with this name "
            "already exists ({arn})",
        ),
        "refused": ("ValidationException", f"The request was rejected because the {job} is in status {{status}}."),
    }
