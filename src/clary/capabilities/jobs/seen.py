"""What a look at a job finds, of whatever kind. Each kind's `decide.py` adds its own and reads it."""

from dataclasses import dataclass

from clary.resources.records import Record
from clary.runtime.workload import InstanceState


@dataclass(frozen=True, slots=True)
class JobSeen:
    """What is true now. `kept`: the workload's folder exists."""

    now: float
    instances: tuple[InstanceState, ...] = ()
    kept: bool = False

    @property
    def living(self) -> bool:
        """Whether any instance has not ended."""
        return any(state.phase in ("preparing", "running") for state in self.instances)

    @property
    def begun(self) -> float | None:
        """When user code started on the first instance."""
        return min((state.started for state in self.instances if state.started), default=None)

    @property
    def over(self) -> float:
        """When the last instance ended; for a job that had none, now."""
        return max((state.ended or 0.0 for state in self.instances), default=0.0) or self.now

    def times(self, record: Record, what: str, over: float) -> dict[str, float]:
        """The state's `<what>StartTime`, as far as it began, and `<what>EndTime`."""
        begun = record.state.get(f"{what}StartTime", self.begun)
        times = {f"{what}EndTime": over}
        return times if begun is None else {f"{what}StartTime": begun, **times}
