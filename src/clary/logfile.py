"""The log file that a shim writes and the log API reads: `<milliseconds> <text>\n`, one event a line.

Standard library only: the shim runs it without any package installed.
"""

MAX_EVENT_BYTES = 256 * 1024
"""Longest text of one event; CloudWatch Logs' own limit. Longer lines are split."""


def frame(milliseconds: int, text: bytes) -> bytes:
    """One event as the bytes to append. `text` holds no newline; carriage returns and NULs are kept."""
    return b"%d %s\n" % (milliseconds, text)


def parse(line: bytes) -> tuple[int, str]:
    """`(milliseconds, text)` of one framed line; bytes that are not UTF-8 come back as U+FFFD."""
    stamp, _, text = line.rstrip(b"\n").partition(b" ")
    return int(stamp), text.decode("utf-8", "replace")
