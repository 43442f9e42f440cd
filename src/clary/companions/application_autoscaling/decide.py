"""What the policies of one target together make of their alarms. Pure; `reconcile.py` sees and acts.

The policy that wants most decides. There are fewer only if every policy that tracks a target agrees.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from clary.companions.application_autoscaling.arithmetic import within


class Wish(NamedTuple):
    """One alarm of one policy that calls for a change. `more` and `fewer` say what it may be; a step policy may both.

    `capacity` is what it wants from the present capacity, `from_before` what it would want from the capacity before
    the last activity.
    """

    policy: str
    alarm: str
    capacity: int
    from_before: int
    cooldown: float
    direction: Literal["more", "fewer", "either"] = "either"


class Bounds(NamedTuple):
    least: int
    most: int
    more_suspended: bool = False
    fewer_suspended: bool = False


class Past(NamedTuple):
    """The last activity, where its cooldown is not over: what it brought."""

    before: int
    after: int


class Choice(NamedTuple):
    wish: Wish
    capacity: int


def choose(
    desired: int, wishes: Iterable[Wish], bounds: Bounds, past: Past | None, *, fewer_vetoed: bool
) -> Choice | None:
    """None for no change."""
    wishes = list(wishes)
    more = [] if bounds.more_suspended else _more(desired, wishes, bounds, past)
    if more:
        return max(more, key=lambda choice: choice.capacity)
    if fewer_vetoed or bounds.fewer_suspended or past:
        return None
    wanted = [Choice(wish, within(wish.capacity, bounds.least, bounds.most)) for wish in wishes]
    fewer = [choice for choice in wanted if choice.wish.direction != "more"]
    # One that wants no change, or more than it is allowed, keeps what there is.
    highest = max(fewer, key=lambda choice: choice.capacity, default=None)
    return highest if highest and highest.capacity < desired else None


def _more(desired: int, wishes: list[Wish], bounds: Bounds, past: Past | None) -> list[Choice]:
    """While the last scaling out takes effect, what it added counts towards what is wanted."""
    rising = past is not None and past.after > past.before
    wanted = [(wish, wish.from_before if rising else wish.capacity) for wish in wishes if wish.direction != "fewer"]
    choices = [Choice(wish, within(capacity, bounds.least, bounds.most)) for wish, capacity in wanted]
    return [choice for choice in choices if choice.capacity > desired]
