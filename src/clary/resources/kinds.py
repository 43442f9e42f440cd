"""A kind of resource, as data. The generic verbs (`verbs.py`) read everything from here and from AWS's model."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from clary.resources.machine import STATELESS, Machine
from clary.resources.records import Event, Record
from clary.wire.context import Context

if TYPE_CHECKING:
    from clary.resources.edit import Edit

Request = dict[str, Any]


@dataclass(slots=True)
class View:
    """A record with what is needed to show it: `computed` functions get this.

    `request` is what the client asked, for the few answers that depend on it (paging inside a Describe).
    """

    ctx: Context
    record: Record
    arn: str
    events: Callable[[], list[Event]]
    request: Request = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """What hand code would otherwise repeat per resource.

    noun         "TrainingJob": gives CreateTrainingJob, TrainingJobName, TrainingJobArn, TrainingJobStatus, ...
    arn          "training-job/{TrainingJobName}", filled from the spec and lower-cased as AWS does; `{name}`,
                 `{parent}` and `{number}` are the record's
    verbs        which generic verbs exist: "create describe list update delete stop start"
    moves        the status that a verb brings: {"stop": "Stopping", "delete": "Deleting", "update": "Updating"}.
                 A delete without one removes the record at once; with one, the reconciler removes it
    named        who names it: the client; "number" = 1, 2, 3, … under its parent, as `<parent>/<number>`;
                 "random" = 12 characters of ours
    parent_kind  the kind it belongs to, named by `parent_member`; creating one under a missing parent is refused
    computed     members of an answer that are neither in the spec, nor in the state, nor standard
    filters      members of the List input that neither a column nor an equal member of the record can answer
    ahead        looks at a create request before its transaction; what it gives, if anything, asks outside the store,
                 may take its time and raise
    admit        checks and defaults a create request after validation, before the insert; may raise, returns the spec;
                 reads by key only, as other writes wait for it
    guard        looks at a new record in the transaction of its insert, before that; may raise; as short
    amend        what an update changes; without it the given members replace those of the spec; as short
    missing      error for a name that is not there; `{name}` and `{arn}` are filled
    exists       error for a name that is taken; `{noun}` too
    refused      error for a verb that the status does not allow; `{status}`, `{target}` and `{allowed}` too
    """

    noun: str
    arn: str
    machine: Machine = STATELESS
    verbs: str = "create describe list delete"
    moves: Mapping[str, str] = field(default_factory=dict)
    named: Literal["client", "number", "random"] = "client"
    plural: str = ""
    name_member: str = ""
    arn_member: str = ""
    status_member: str = ""
    parent_member: str = ""
    parent_kind: "Kind | None" = None
    computed: Mapping[str, Callable[[View], Any]] = field(default_factory=dict)
    filters: Mapping[str, Callable[[Record, Any], bool]] = field(default_factory=dict)
    ahead: Callable[[Context, Request], Callable[[], None] | None] | None = None
    admit: Callable[[Context, Request], Request] | None = None
    guard: Callable[[Context, Record], None] | None = None
    amend: Callable[[Context, "Edit", Request], None] | None = None
    missing: tuple[str, str] = ("ResourceNotFound", "Requested resource not found.")
    exists: tuple[str, str] = ("ResourceInUse", "{noun} names must be unique, and {name} already exists ({arn})")
    refused: tuple[str, str] = (
        "ValidationException",
        "Status ({status}) not in ([{allowed}]). Unable to transition to ({target}) for {noun} ({arn})",
    )
    service: str = "sagemaker"

    def __post_init__(self) -> None:
        for member, default in (
            ("plural", f"{self.noun}s"),
            ("name_member", f"{self.noun}Name"),
            ("arn_member", f"{self.noun}Arn"),
            ("status_member", f"{self.noun}Status"),
            ("parent_member", self.parent_kind.name_member if self.parent_kind else ""),
        ):
            if not getattr(self, member):
                object.__setattr__(self, member, default)

    @property
    def reconciled(self) -> bool:
        """Whether the controller looks after its records: those that can change by themselves."""
        return bool(self.machine.edges)


class Kinds:
    """Every kind of the assembly, by noun: a part, so that tags, search and ARNs reach all of them."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._by_noun: dict[str, Kind] = {}
        for kind in kinds:
            if kind.noun in self._by_noun:
                raise ValueError(f"two kinds are called {kind.noun}")
            self._by_noun[kind.noun] = kind

    def find(self, noun: str) -> Kind | None:
        return self._by_noun.get(noun)

    def of(self, record: Record) -> Kind:
        """Raises `KeyError` for a record of a kind that the assembly lacks, which is a programming error."""
        return self._by_noun[record.kind]

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._by_noun.values())
