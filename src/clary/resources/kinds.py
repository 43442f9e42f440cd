"""A kind of resource, as data. The generic verbs (`verbs.py`) read everything from here and from AWS's model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from clary.resources.machine import STATELESS, Machine
from clary.resources.records import Event, Record
from clary.wire.context import Context

Request = dict[str, Any]


@dataclass(frozen=True, slots=True)
class View:
    """A record with what is needed to show it: `projection` functions get this."""

    ctx: Context
    record: Record
    arn: str
    events: Callable[[], list[Event]]


@dataclass(frozen=True)
class Kind:
    """What hand code would otherwise repeat per resource.

    noun      "TrainingJob": gives CreateTrainingJob, TrainingJobName, TrainingJobArn, TrainingJobStatus, ...
    arn       "training-job/{TrainingJobName}", filled from the spec and lower-cased as AWS does
    verbs     which generic verbs exist: "create describe list update delete stop start"
    computed  members of Describe (or of the summary) that are neither in the spec, nor in the state, nor standard
    admit     checks and defaults a create request after validation and before the insert; may raise, returns the spec
    missing   error for a name that is not there; `{name}` and `{arn}` are filled
    exists    error for a name that is taken
    """

    noun: str
    arn: str
    machine: Machine = STATELESS
    verbs: str = "create describe list delete"
    plural: str = ""
    name_member: str = ""
    status_member: str = ""
    parent_member: str = ""
    computed: Mapping[str, Callable[[View], Any]] = field(default_factory=dict)
    admit: Callable[[Context, Request], Request] | None = None
    missing: tuple[str, str] = ("ResourceNotFound", "Requested resource not found.")
    exists: tuple[str, str] = ("ResourceInUse", "{noun} names must be unique, and {name} already exists ({arn})")
    service: str = "sagemaker"

    def __post_init__(self) -> None:
        for member, default in (
            ("plural", f"{self.noun}s"),
            ("name_member", f"{self.noun}Name"),
            ("status_member", f"{self.noun}Status"),
        ):
            if not getattr(self, member):
                object.__setattr__(self, member, default)
