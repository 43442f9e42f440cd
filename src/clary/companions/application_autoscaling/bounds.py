"""MinCapacity and MaxCapacity: what they may be, and that they hold at once where they are changed."""

from typing import Any

from clary.resources.edit import Edit
from clary.wire.errors import ValidationException

ENFORCED = "Enforced"
"""State: why the capacity has to be brought within the bounds; the controller takes it away when it is done."""


def enforce(change: Edit, cause: str) -> None:
    change.record.state[ENFORCED] = cause
    change.due_now()


def check_bounds(bounds: dict[str, Any], lowest: int = 0) -> None:
    """Raises ValidationException."""
    least, most = bounds.get("MinCapacity"), bounds.get("MaxCapacity")
    if least is not None and most is not None and least > most:
        raise ValidationException("Maximum capacity cannot be less than minimum capacity.")
    if least is not None and least < lowest:
        raise ValidationException(f"Minimum capacity cannot be less than {lowest}.")
