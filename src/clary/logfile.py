"""The log file that a shim writes and the log API reads: `<milliseconds> <text>\\n`, one event a line.

A text of several lines (only PutLogEvents has those) is kept on one: a tab after the milliseconds instead of a space
says that backslashes and newlines in the text are escaped. Within a file, times should not go back: readers search by
time with bisection.

Standard library only: the shim runs it without any package installed.
"""

import re

MAX_EVENT_BYTES = 256 * 1024
"""Longest text of one event; CloudWatch Logs' own limit. Longer lines are split."""


def frame(milliseconds: int, text: bytes) -> bytes:
    """One event as the bytes to append. Carriage returns and NULs are kept."""
    if b"\n" not in text:
        return b"%d %s\n" % (milliseconds, text)
    return b"%d\t%s\n" % (milliseconds, text.replace(b"\\", b"\\\\").replace(b"\n", b"\\n"))


def parse(line: bytes) -> tuple[int, str]:
    """`(milliseconds, text)` of one framed line; bytes that are not UTF-8 come back as U+FFFD.

    Raises `ValueError` when the line has no time, which a write torn by a power cut can leave.
    """
    line = line.removesuffix(b"\n")
    stamp, _, text = line.partition(b" ")
    if b"\t" in stamp:
        stamp, _, text = line.partition(b"\t")
        text = re.sub(rb"\\(.)", lambda found: b"\n" if found[1] == b"n" else found[1], text, flags=re.DOTALL)
    return int(stamp), text.decode("utf-8", "replace")
