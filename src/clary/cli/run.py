"""`clary run -- CMD`: become a command that has the environment of `clary env`."""

import os

from clary.cli import clientenv
from clary.cli.failures import CliFailure
from clary.settings import Settings


def run(settings: Settings, *, words: list[str]) -> None:
    """Does not return. Raises `CliFailure` when there is no such command."""
    environ = clientenv.applied(settings)
    try:
        os.execvpe(words[0], words, environ)
    except OSError as failed:
        raise CliFailure(f"{words[0]}: {failed.strerror}") from failed
