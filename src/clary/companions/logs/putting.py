"""What PutLogEvents takes and what it turns away, by AWS's limits."""

import time

from clary.companions.logs.reading import EVENT_OVERHEAD, PAGE_BYTES
from clary.logfile import MAX_EVENT_BYTES
from clary.wire.errors import AwsError

Events = list[tuple[int, str]]

HOUR = 3_600_000


def accept(events: Events, oldest: int) -> tuple[Events, dict[str, int]]:
    """The events to keep, and `rejectedLogEventsInfo`. `oldest` is the retention's limit in epoch milliseconds.

    Raises InvalidParameterException for a batch that is out of order, too long in time or too large.
    """
    times = [at for at, _ in events]
    if times != sorted(times):
        raise _invalid("Log events in a single PutLogEvents request must be in chronological order.")
    if times[-1] - times[0] > 24 * HOUR:
        raise _invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
    _check_size(events)
    now = int(time.time() * 1000)
    bounds = {"tooOld": now - 14 * 24 * HOUR, "expired": oldest}
    ends = {f"{name}LogEventEndIndex": sum(at < bound for at in times) for name, bound in bounds.items()}
    new = sum(at <= now + 2 * HOUR for at in times)
    rejected = {member: end for member, end in ends.items() if end}
    rejected |= {"tooNewLogEventStartIndex": new} if new < len(times) else {}
    return events[max(ends.values()) : new], rejected


def _check_size(events: Events) -> None:
    sizes = [len(text.encode("utf-8", "replace")) for _, text in events]
    if max(sizes) > MAX_EVENT_BYTES:
        raise _invalid(f"Log event too large: {max(sizes)} bytes exceeds limit of {MAX_EVENT_BYTES}")
    total = sum(sizes) + EVENT_OVERHEAD * len(events)
    if total > PAGE_BYTES:
        raise _invalid(f"Upload too large: {total} bytes exceeds limit of {PAGE_BYTES}")


def _invalid(message: str) -> AwsError:
    return AwsError(message, code="InvalidParameterException", status=400)
