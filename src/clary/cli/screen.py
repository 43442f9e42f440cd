"""What commands show: tables and colour on a terminal, plain columns when piped, JSON when asked."""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec

COLOURS = {
    **dict.fromkeys(("Completed", "COMPLETED", "InService", "ok", "fits"), "green"),
    **dict.fromkeys(("Failed", "FAILED", "missing", "refused"), "red"),
    **dict.fromkeys(("Stopping", "Stopped", "partly", "capped"), "yellow"),
    **dict.fromkeys(("InProgress", "Creating", "Updating"), "cyan"),
}
SHORT = 10


def note(text: str) -> None:
    """A word to the person at the terminal; not part of a command's output."""
    print(text, file=sys.stderr, flush=True)


def show(rows: Sequence[dict[str, Any]], *, as_json: bool = False, title: str = "") -> None:
    """Rows with the same keys."""
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(list(rows))).decode())
    elif sys.stdout.isatty():
        table(rows, title)
    else:
        for row in rows:
            print("\t".join(str(value) for value in row.values()))


def table(rows: Sequence[dict[str, Any]], title: str) -> None:
    """A drawn table with its heading, on a terminal or not."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    names = tuple(rows[0]) if rows else ()
    columns = [Column(name, overflow="fold", no_wrap=_stays_whole(rows, name, names)) for name in names]
    drawn = Table(*columns, title=title, title_justify="left")
    for row in rows:
        drawn.add_row(*(_coloured(escape(str(value))) for value in row.values()))
    Console().print(drawn if rows else f"{title}: none")


def _coloured(text: str) -> str:
    colour = COLOURS.get(text)
    return f"[{colour}]{text}[/{colour}]" if colour else text


def _stays_whole(rows: Sequence[dict[str, Any]], name: str, names: tuple[str, ...]) -> bool:
    """On a narrow terminal: what names the row, and what is short anyway."""
    return name == names[0] or all(len(str(text)) <= SHORT for text in (name, *(row[name] for row in rows)))
